export type { Meta } from '@blockhub/chain';
export {
  BLOCK_MIME,
  type BlockMessage,
  type Committed,
  type EventReceipt,
  readBlock,
  readCommitted,
  readEventReceipt,
  writeBlock,
  writeCommitted,
  writeEventReceipts,
} from './blocks.ts';
export { joinArrays, type MergePart, mergeObject } from './bytes.ts';
export { type DeadLetter, type DeadReason, deadLetter, keepDeadLetter, REPAIRS, readDeadLetter, replayDeadLetter } from './dead-letter.ts';
export {
  type Blueprint,
  type Group,
  groupBody,
  groupItems,
  type RawBlueprint,
  readBlueprint,
  readGroup,
  readTail,
  readTailWanted,
  type TailWanted,
  tailMeta,
  writeBlueprint,
  writeGroup,
  writeTail,
  writeTailWanted,
} from './forms.ts';
export { type Capture, readIngress, receiptOf, writeIngress } from './ingress.ts';
export { type Message, type MessageParts, messageOf, type Outgoing } from './message.ts';
export { checkMeta, findMetaText, MAX_META_BYTES, type MetaName, metaBytes, metaInteger, metaNames, metaText } from './meta.ts';
export { partition } from './partition.ts';
export {
  catalogues,
  declaration,
  declarations,
  type QueueDeclaration,
  queueEntries,
  queueNames,
  queues,
  tailsQueue,
} from './queues/catalogues.ts';
export type { QueueEntry } from './queues/entry.ts';
export { messageSchemas, type SchemaName } from './schemas.ts';
export { type Template, type TemplateMessage, type TemplateParams, template } from './template.ts';
export { readDoc } from './validate.ts';
