import type { BlockCheck, ExpectedBlock } from './types.ts';

export function checkBlock(bytes: Uint8Array, expected: ExpectedBlock = {}): BlockCheck {
  throw new Error(`not yet: ${bytes.length} ${expected.id}`);
}
