import type { BuiltBlock, Receipt, RootOptions, Tail } from './types.ts';

export function buildBlock(tail: Tail, receipts: readonly Receipt[]): BuiltBlock {
  throw new Error(`not yet: ${tail.id} ${receipts.length}`);
}
export function buildRoot(options: RootOptions): BuiltBlock {
  throw new Error(`not yet: ${options.salt}`);
}
