import { blockKey, checkBlock, entryKey, isHash, parseBlock } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import type { Store } from '@blockhub/store';
import { findTail } from './find.ts';
import type { Position } from './types.ts';

/**
 * `7` is a height, `-1` the tail and `-10` the tenth block from the end, 32 or 64 hex digits a block id,
 * `2026-05-01T12:00Z` or 13 digits (ms since 1970) a time. ISO times without a zone are local, dates alone are UTC.
 * @throws USAGE for anything else
 */
export function parsePosition(text: string): Position {
  if (isHash(text)) return { id: text };
  if (/^-\d{1,12}$/.test(text) && Number(text) < 0) return { fromTail: -Number(text) };
  if (/^\d{1,12}$/.test(text)) return { height: Number(text) };
  if (/^\d{13,15}$/.test(text)) return { time: Number(text) };
  const time = /^\d{4}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(time)) return { time };
  throw new BlockhubError('USAGE', `${JSON.stringify(text)} is not a height, -count from the tail, block id or time`, {
    details: { position: text },
  });
}

const positionOf = (position: Position | number | string): Position => {
  if (typeof position === 'string') return parsePosition(position);
  if (typeof position !== 'number') return position;
  return position < 0 ? { fromTail: -position } : { height: position };
};

/**
 * The height of a place. As `from`, a time means the first block with at least that time, which may be one above the tail; as `to`, the last
 * with at most that time, which may be −1. A count beyond the root is the root.
 * @throws OBJECT_MISSING when the chain has no block of the id; CHAIN_NOT_FOUND, CHAIN_DAMAGED
 */
export async function findHeight(store: Store, chain: string, at: Position | number | string, side: 'from' | 'to'): Promise<number> {
  const position = positionOf(at);
  if ('height' in position) return position.height;
  if ('id' in position) return heightOfId(store, chain, position.id);
  const tail = await findTail(store, chain);
  if ('fromTail' in position) return Math.max(0, tail.height + 1 - position.fromTail);
  // From a time on: blocks with at least it. Up to a time: the block before the first that is later.
  if (side === 'from') return firstNotBefore(store, chain, position.time, tail.height);
  return (await firstNotBefore(store, chain, position.time + 1, tail.height)) - 1;
}

async function heightOfId(store: Store, chain: string, id: string): Promise<number> {
  const missing = (why: string): BlockhubError => new BlockhubError('OBJECT_MISSING', `block ${id} ${why}`, { details: { chain, id } });
  const bytes = await store.find(blockKey(id));
  const tail = bytes && checkBlock(bytes, { id }).tail;
  if (!tail) throw missing(bytes ? 'is damaged' : 'is not in the store');
  if (tail.chain !== chain) throw missing(`is of chain ${tail.chain}`);
  const entry = await store.find(entryKey(chain, tail.height));
  if (entry && checkBlock(entry).tail?.id === id) return tail.height;
  throw missing(entry ? `was built, but another one became height ${tail.height}` : 'is not linked into the chain');
}

/** Time never decreases with height, so it is found by halving. */
async function firstNotBefore(store: Store, chain: string, time: number, tail: number): Promise<number> {
  let low = 0;
  let high = tail + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const key = entryKey(chain, middle);
    const bytes = await store.find(key);
    if (!bytes) throw new BlockhubError('CHAIN_DAMAGED', `${key} is missing`, { details: { chain, height: middle, key } });
    if (parseBlock(bytes).time < time) low = middle + 1;
    else high = middle;
  }
  return low;
}
