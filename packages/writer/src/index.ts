export { type Appended, type AppendOptions, append, type NewBlob } from './append.ts';
export { type CreateChainOptions, createChain } from './create-chain.ts';
export { type Repair, type RepairOptions, type RepairReport, repairChain } from './repair.ts';
