export { buildBlock, buildRoot } from './build.ts';
export { checkBlock } from './check.ts';
export { eventTime, isEvent, newEvent } from './event.ts';
export { blobMatches, hashOf, isHash } from './hash.ts';
export { chainText, type ReadChain, type ReadId, readChain, readHex, readId } from './ids.ts';
export { blobKey, blockKey, chainPrefix, entryKey, heightOfKey, isChainName, MAX_HEIGHT, nameKey, packKey } from './keys.ts';
export { blockId, parseBlock, tailOf } from './parse.ts';
export { encodeReceipts } from './receipts.ts';
export { schemas } from './schemas.ts';
export type {
  At,
  BlobItem,
  Block,
  BlockCheck,
  BlockFault,
  BuiltBlock,
  ChainSettings,
  Crypt,
  ExpectedBlock,
  FaultCode,
  Meta,
  MetaValue,
  Receipt,
  RootFields,
  RootOptions,
  Tail,
} from './types.ts';
