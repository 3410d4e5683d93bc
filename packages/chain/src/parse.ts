import type { Block, Tail } from './types.ts';

export function parseBlock(bytes: Uint8Array): Block {
  throw new Error(`not yet: ${bytes.length}`);
}
export function blockId(bytes: Uint8Array): string {
  throw new Error(`not yet: ${bytes.length}`);
}
export function tailOf(block: Pick<Block, 'chain' | 'height' | 'id' | 'time' | 'sha256'>): Tail {
  throw new Error(`not yet: ${block.id}`);
}
