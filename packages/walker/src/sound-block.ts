import { type Block, checkBlock, type ExpectedBlock } from '@blockhub/chain';

/** The block in these bytes; undefined if there are none, or if they have any fault. */
export function soundBlock(bytes: Buffer | undefined, expected: ExpectedBlock): Block | undefined {
  const { block, faults } = bytes ? checkBlock(bytes, expected) : { faults: [] };
  return faults.length === 0 ? block : undefined;
}
