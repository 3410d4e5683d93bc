import type { QueueDeclaration } from '@blockhub/broker';
import type { SchemaName } from './schemas.ts';

/** A queue of the pipeline, or a family of them: `{p}` in the name is a partition, `{instance}` a worker. */
export interface QueueEntry {
  readonly name: string;
  readonly purpose: string;
  /** Services that publish to it. */
  readonly from: readonly string[];
  /** Services that consume from it. */
  readonly to: readonly string[];
  /** Private: exclusive to one connection, gone with it, kept in memory. */
  readonly kind: 'durable' | 'private';
  /** Only the oldest consumer gets messages, so that what belongs together meets: messages of a group, or a chain and what its worker remembers of it. */
  readonly singleActive: boolean;
  readonly maxMessages: number;
  readonly maxBytes: number;
  /** Where the broker puts what kills its consumers again and again. */
  readonly deadLetterTo: string | undefined;
  readonly body: 'bytes' | 'json';
  /** Schema of a JSON body. */
  readonly schema?: SchemaName;
  /** Meta names that its messages carry, beside descriptive ones. */
  readonly meta: readonly string[];
}

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const durable = { kind: 'durable', singleActive: false, body: 'json', deadLetterTo: 'dead-letter' } as const;
const tiny = { maxMessages: 100_000, maxBytes: 64 * MIB };
const stage = { maxMessages: 100_000, maxBytes: GIB };
const dead = ['dead-code', 'dead-cause', 'dead-path', 'dead-message', 'dead-queue', 'dead-attempts', 'dead-first-at', 'dead-last-at'];
const dated = { maxMessages: 1_000_000, maxBytes: 4 * GIB };

/**
 * Every queue of the pipeline. A publish over a limit is refused (BROKER_QUEUE_FULL), so that the stage before waits and in the end senders get 503.
 * grouped → staged → created → saved → grouped is a circle, yet it cannot block itself: one blueprint per chain is on its way at a time, so
 * only grouped ever fills, and its consumer empties it as soon as tails come, which are hints in queues of their own.
 */
export const queues = {
  ingress: {
    ...durable,
    ...dated,
    name: 'ingress',
    purpose: 'Captured blobs and request documents; the message id is the event id.',
    from: ['web-to-msg'],
    to: ['deploy'],
    body: 'bytes',
    meta: ['chain', 'createdAt', 'mime', 'charset', 'coding', 'language', 'length', 'crypt', 'hash', 'sha256', 'at', 'about'],
  },
  deployed: {
    ...durable,
    ...stage,
    name: 'blobs.deployed.{p}',
    purpose: 'Receipts of blobs that are stored, a list per chain and pack.',
    from: ['deploy'],
    to: ['grouper'],
    singleActive: true,
    schema: 'group',
    meta: ['chain', 'items'],
  },
  grouped: {
    ...durable,
    ...stage,
    name: 'blobs.grouped.{p}',
    purpose: 'Groups of receipts that wait for the tail of their chain.',
    from: ['grouper', 'next-field'],
    to: ['msg-merge'],
    singleActive: true,
    schema: 'group',
    meta: ['chain', 'items'],
  },
  staged: {
    ...durable,
    ...stage,
    name: 'blocks.staged.{p}',
    purpose: 'Blueprints: a tail and the groups to put behind it.',
    from: ['msg-merge'],
    to: ['builder'],
    singleActive: true,
    schema: 'blueprint',
    meta: ['chain', 'tailsTo'],
  },
  created: {
    ...durable,
    ...stage,
    name: 'blocks.newblockcreated',
    purpose: 'Blocks that are built; the body is the block object.',
    from: ['builder'],
    to: ['deploy'],
    body: 'bytes',
    meta: ['chain', 'height', 'prev', 'block', 'tailsTo', 'mime', 'length', 'crypt', 'hash'],
  },
  saved: {
    ...durable,
    ...stage,
    name: 'blocks.newblocksaved.{p}',
    purpose: 'Blocks that are stored by their id and wait for their place in the chain; the body is the block object.',
    from: ['deploy'],
    to: ['next-field'],
    singleActive: true,
    body: 'bytes',
    meta: ['chain', 'height', 'prev', 'block', 'tailsTo', 'mime', 'length', 'crypt', 'hash'],
  },
  committed: {
    ...durable,
    name: 'blocks.committed',
    purpose: 'Notices of blocks that are in their chain.',
    from: ['next-field'],
    to: ['shoveltomany'],
    maxMessages: 1_000_000,
    maxBytes: GIB,
    schema: 'committed',
    meta: ['chain', 'height', 'block'],
  },
  receipts: {
    ...durable,
    name: 'events.committed',
    purpose: 'A receipt for each event that is in its chain; the message id is the event id. Only where next-field is told to give them.',
    from: ['next-field'],
    to: [],
    maxMessages: 1_000_000,
    maxBytes: GIB,
    schema: 'eventReceipt',
    meta: ['chain', 'height', 'block'],
  },
  tails: {
    ...durable,
    ...tiny,
    name: 'tails.{instance}',
    purpose: 'Tails for one instance of msg-merge. Hints: lost, doubled or stale ones only cost time.',
    from: ['next-field', 'builder', 'patchblock'],
    to: ['msg-merge'],
    kind: 'private',
    deadLetterTo: undefined,
    schema: 'tail',
    meta: ['chain', 'height'],
  },
  wanted: {
    ...durable,
    ...tiny,
    name: 'tails.wanted',
    purpose: 'Questions for the tail of a chain.',
    from: ['msg-merge'],
    to: ['patchblock'],
    schema: 'tailWanted',
    meta: ['chain', 'tailsTo'],
  },
  deadLetter: {
    ...durable,
    ...dated,
    name: 'dead-letter',
    deadLetterTo: 'dead-letter.kept',
    purpose: 'Messages that failed for good, with the reason, on their way to repair.',
    from: ['every service'],
    to: ['dead-letter'],
    body: 'bytes',
    meta: dead,
  },
  kept: {
    ...durable,
    maxMessages: 1_000_000,
    maxBytes: 16 * GIB,
    name: 'dead-letter.kept',
    deadLetterTo: undefined,
    purpose: 'Dead letters that nothing could repair; the `blockhub dead-letter` command works here.',
    from: ['dead-letter'],
    to: [],
    body: 'bytes',
    meta: dead,
  },
} as const satisfies Record<string, QueueEntry>;

/** The queues of a name in which `{p}` stands for every partition; none where each instance declares its own. */
export function queueNames(name: string, partitions: number): string[] {
  if (name.includes('{instance}')) return [];
  if (!name.includes('{p}')) return [name];
  return Array.from({ length: partitions }, (_, p) => name.replace('{p}', String(p)));
}

/** The private queue of one instance of msg-merge. */
export const tailsQueue = (instance: string): string => queues.tails.name.replace('{instance}', () => instance);

/** How to declare a queue of an entry. */
export function declaration(entry: QueueEntry, name: string): QueueDeclaration {
  const { kind, singleActive, maxMessages, maxBytes, deadLetterTo } = entry;
  return { name, kind, ...(singleActive ? { singleActive } : {}), maxMessages, maxBytes, ...(deadLetterTo ? { deadLetterTo } : {}) };
}

const partitionField = /\{partition\([^{}]*\)\}/;

/**
 * Shared queues of the pipeline, ready to be declared: every one, or those of these names, where `{p}` and `{partition(…)}` stand for every partition.
 * What is not in the catalogue, and other templates, are left to whoever owns such queues.
 */
export function declarations(partitions: number, names?: readonly string[]): QueueDeclaration[] {
  const wanted = names && new Set(names.map((name) => name.replace(partitionField, '{p}')));
  return Object.values<QueueEntry>(queues).flatMap((entry) =>
    queueNames(entry.name, partitions)
      .filter((name) => !wanted || wanted.has(entry.name) || wanted.has(name))
      .map((name) => declaration(entry, name)),
  );
}
