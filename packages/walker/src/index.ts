export { type HydratedBlob, type ReadBlobsOptions, readBlobs } from './blobs.ts';
export { blockStore } from './blocks.ts';
export { type LooseBlock, type LooseBlocksOptions, looseBlocks } from './detached.ts';
export {
  type FindChainOptions,
  findChain,
  getChain,
  type ListChainsOptions,
  type ListedChain,
  listChains,
  noChain,
  recordOf,
} from './find.ts';
export { findHeight, heightText, parseHeight, parsePosition } from './position.ts';
export { blocksFrom } from './prefix.ts';
export { type ReadBlocksOptions, readBlocks } from './read-blocks.ts';
export { readCopies } from './read-copies.ts';
export { quoted } from './reason.ts';
export { type FindReceiptOptions, type FoundReceipt, findReceipt, findReceipts, receiptsIn, type WantedReceipt } from './receipt.ts';
export { findNewest, findTail, type Newest } from './tail.ts';
export type { ChainRecord, Fault, FaultCode, Position, VerifyLevel, WalkBatch, WalkedBlock } from './types.ts';
export { isOfOneThing, Unseen } from './unseen.ts';
export { type Report, type VerifyOptions, verifyAll, verifyChain } from './verify.ts';
export { type WalkOptions, walk } from './walk.ts';
