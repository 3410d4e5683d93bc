export { append, type NewBlob } from './append.ts';
export { createChain } from './create-chain.ts';
export { type Repair, repairChain } from './repair.ts';
