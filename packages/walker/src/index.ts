export { type HydratedBlob, type ReadBlobsOptions, readBlobs } from './blobs.ts';
export { blockStore } from './blocks.ts';
export { type LooseBlock, type LooseBlocksOptions, looseBlocks } from './detached.ts';
export { type FindChainOptions, findChain, findTail, getChain, type ListedChain, listChains, recordOf } from './find.ts';
export { findHeight, parsePosition } from './position.ts';
export { type FindReceiptOptions, type FoundReceipt, findReceipt } from './receipt.ts';
export type { ChainRecord, Fault, FaultCode, Position, VerifyLevel, WalkBatch, WalkedBlock } from './types.ts';
export { type Report, type VerifyOptions, verifyAll, verifyChain } from './verify.ts';
export { type WalkOptions, walk } from './walk.ts';
