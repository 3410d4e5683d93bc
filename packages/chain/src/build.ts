import { BlockhubError } from '@blockhub/errors';
import { besideLine, encodeBeside } from './beside.ts';
import { demand, Malformed } from './canonical.ts';
import { timeOrMinus } from './event.ts';
import { cryptOf, hashOf } from './hash.ts';
import { encodeLink, encodeRoot } from './line.ts';
import { blockInvalid } from './parse.ts';
import type { BuiltBlock, Crypt, Receipt, RootOptions, Tail } from './types.ts';

const byEvent = (a: Receipt, b: Receipt): number => (a.event < b.event ? -1 : a.event > b.event ? 1 : 0);

const isSorted = (receipts: readonly Receipt[]): boolean =>
  receipts.every((receipt, index) => index === 0 || (receipts[index - 1] as Receipt).event < receipt.event);

function assemble(crypt: Crypt, line: string, receipts: readonly Receipt[]): Pick<BuiltBlock, 'id' | 'sha256' | 'bytes' | 'items'> {
  const lineBytes = Buffer.from(line);
  const bytes = Buffer.from(`${line}\n${besideLine(encodeBeside(receipts))}\n`);
  const block = { id: hashOf(crypt, lineBytes), bytes, items: receipts.length };
  return crypt === 'md5' ? { ...block, sha256: hashOf('sha256', lineBytes) } : block;
}

/**
 * The block behind `tail` that holds these receipts, in the order of their event ids. The same tail
 * and items give the same id. The same receipts give the same bytes.
 * @throws BLOCK_INVALID with `details.path` if a receipt or the tail is malformed, an event occurs
 * twice, or there are no receipts
 */
export function buildBlock(tail: Tail, receipts: readonly Receipt[]): BuiltBlock {
  const { chain, crypt, id: prev, sha256: prevSha256 } = tail;
  try {
    demand(crypt === cryptOf(chain), '/crypt', 'must be the hash function of the chain');
    const blobs = isSorted(receipts) ? receipts : receipts.toSorted(byEvent);
    const height = tail.height + 1;
    const time = Math.max(tail.time, timeOrMinus(blobs.at(-1)?.event ?? ''));
    const line = encodeLink({ chain, height, prev, prevSha256, time, blobs });
    return { chain, height, time, ...assemble(crypt, line, blobs) };
  } catch (error) {
    throw blockInvalid(error);
  }
}

/** @throws CHAIN_INVALID with `details.path` if a parameter is not acceptable */
export function buildRoot(options: RootOptions): BuiltBlock {
  try {
    const root = assemble(options.crypt ?? 'sha256', encodeRoot(options), []);
    return { chain: root.id, height: 0, time: options.time, ...root };
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    throw new BlockhubError('CHAIN_INVALID', `${error.path.slice(1)} ${error.message}`, { details: { path: error.path } });
  }
}
