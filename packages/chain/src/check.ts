import { readBeside } from './beside.ts';
import { cryptOf, hashOf } from './hash.ts';
import type { Header } from './line.ts';
import { joinLines, readHeader, splitLines, tailOf } from './parse.ts';
import type { Block, BlockCheck, BlockFault, ExpectedBlock, FaultCode } from './types.ts';

const found = (code: FaultCode, message: string): BlockFault => ({ code, message });

function attempt<T>(code: FaultCode, faults: BlockFault[], read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    const path = (error as { path?: string }).path ?? '';
    faults.push(found(code, `${path}${path && ' '}${(error as Error).message}`));
    return undefined;
  }
}

function* compare(header: Header, expected: ExpectedBlock): Generator<BlockFault> {
  const { chain, height, prev, prevSha256, minTime } = expected;
  if (chain !== undefined && header.chain !== chain) yield found('CHAIN_MISMATCH', `is of chain ${header.chain}, not ${chain}`);
  if (height !== undefined && header.height !== height) yield found('HEIGHT_MISMATCH', `has height ${header.height}, not ${height}`);
  if (prev !== undefined && header.prev !== prev) yield found('PREV_MISMATCH', `follows ${header.prev}, not ${prev}`);
  if (prevSha256 !== undefined && header.prevSha256 !== prevSha256)
    yield found('PREV_MISMATCH', `follows sha256 ${header.prevSha256}, not ${prevSha256}`);
  if (minTime !== undefined && header.time < minTime) yield found('TIME_BACKWARDS', `has time ${header.time}, before ${minTime}`);
}

/**
 * Checks a block object against itself and against what the caller expects. Gives all faults and
 * never throws. With `expected.id` every changed bit is found. Without it, only changes of what the
 * object says twice.
 */
export function checkBlock(bytes: Uint8Array, expected: ExpectedBlock = {}): BlockCheck {
  const faults: BlockFault[] = [];
  const lines = attempt('BLOCK_INVALID', faults, () => splitLines(bytes));
  if (!lines) return { faults };
  if (expected.id !== undefined) {
    const id = hashOf(cryptOf(expected.id), lines.line);
    if (id !== expected.id) faults.push(found('ID_MISMATCH', `has id ${id}, not ${expected.id}`));
  }
  const header = attempt('BLOCK_INVALID', faults, () => readHeader(lines.line));
  if (!header) return { faults };
  faults.push(...compare(header, expected));
  const blobs = attempt('BESIDE_INVALID', faults, () => readBeside(lines.beside, header.items));
  const check: BlockCheck = { tail: tailOf(header), faults };
  return blobs ? { ...check, block: joinLines(header, blobs) satisfies Block } : check;
}
