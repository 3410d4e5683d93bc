import { type Block, chainPrefix, entryKey, parseBlock, type Tail, tailOf } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import type { OnUnseen, Store } from '@blockhub/store';
import { blockStore } from './block-store.ts';
import { nextEntry } from './entries.ts';
import { soundBlock } from './sound-block.ts';

/**
 * The newest block of a chain, in O(log n) requests.
 * @param hint a height that is known to exist; it only saves requests
 * @throws CHAIN_NOT_FOUND; CHAIN_DAMAGED if the root has no entry but others have, if the tail is
 * not a block of this chain, or if it is below the hint
 */
export async function findTail(store: Store, chain: string, hint?: number): Promise<Tail> {
  const found = await blockStore(store).tail(chain, hint);
  if (!found) {
    const key = entryKey(chain, 0);
    if ((await nextEntry(store, chain, 0)) === undefined) throw notFound(chain);
    throw new BlockhubError('CHAIN_DAMAGED', `${key} is missing`, { details: { chain, height: 0, key } });
  }
  const details = { chain, height: found.height, key: entryKey(chain, found.height) };
  if (hint !== undefined && found.height < hint)
    throw new BlockhubError('CHAIN_DAMAGED', `chain ${chain} had height ${hint}, now its tail is at ${found.height}`, { details });
  return tailOf(parseEntry(found.bytes, details));
}

function parseEntry(bytes: Buffer, details: { chain: string; height: number; key: string }): Block {
  let block: Block;
  try {
    block = parseBlock(bytes);
  } catch (cause) {
    throw new BlockhubError('CHAIN_DAMAGED', `${details.key} is not a block`, { cause, details });
  }
  if (block.chain === details.chain && block.height === details.height) return block;
  throw new BlockhubError('CHAIN_DAMAGED', `${details.key} holds height ${block.height} of chain ${block.chain}`, { details });
}

export interface Newest {
  /** Height of the newest entry, even if it cannot be read. */
  last: number;
  /** The newest block that can be read; undefined if none of the last 1,000 can. */
  tail?: Tail;
}

const GALLOP = 16;
const MAX_READS = 1_000;

/**
 * The newest block of a chain that may be damaged. A missing height below it is not taken for the
 * end. Costs one list request more than `findTail`, or O(log n) of them if something is wrong.
 * @param onUnseen called for each skipped height
 * @throws CHAIN_NOT_FOUND; the store's error if the entries cannot be listed
 */
export async function findNewest(store: Store, chain: string, onUnseen: OnUnseen = () => {}): Promise<Newest> {
  const missing = (height: number): void =>
    onUnseen(entryKey(chain, height), new BlockhubError('CHAIN_DAMAGED', `height ${height} is missing`));
  const probed = await blockStore(store)
    .tail(chain)
    .then((found) => ({ found }))
    .catch(() => undefined);
  const above = (probed?.found?.height ?? -1) + 1;
  const behind = await nextEntry(store, chain, above);
  const block = probed?.found && behind === undefined ? soundBlock(probed.found.bytes, { chain, height: probed.found.height }) : undefined;
  if (block) return { last: block.height, tail: tailOf(block) };
  const last = behind === undefined && probed?.found ? probed.found.height : await lastEntry(store, chain, behind);
  if (last === undefined) throw notFound(chain);
  if (probed && behind !== undefined && behind > above) missing(above);
  for (let height = last; height >= 0 && height > last - MAX_READS; height--) {
    try {
      const bytes = await store.find(entryKey(chain, height));
      const found = soundBlock(bytes, { chain, height });
      if (found) return { last, tail: tailOf(found) };
      if (bytes) onUnseen(entryKey(chain, height), new BlockhubError('CHAIN_DAMAGED', 'the entry does not hold the block of its height'));
      else missing(height);
    } catch (error) {
      onUnseen(entryKey(chain, height), error);
    }
  }
  return { last };
}

/** Halving by list requests, which find the entries above a missing one. */
async function lastEntry(store: Store, chain: string, known: number | undefined): Promise<number | undefined> {
  let low = known ?? (await nextEntry(store, chain, 0));
  if (low === undefined) return undefined;
  let above = Number.POSITIVE_INFINITY;
  for (let step = 1; low + step < above; step *= GALLOP) {
    const next = await nextEntry(store, chain, low + step);
    if (next === undefined) above = low + step;
    else low = next;
  }
  while (above - low > 1) {
    const middle = Math.floor((low + above) / 2);
    const next = await nextEntry(store, chain, middle);
    if (next === undefined) above = middle;
    else low = next;
  }
  return low;
}

const notFound = (chain: string): BlockhubError =>
  new BlockhubError('CHAIN_NOT_FOUND', `no chain has the id ${chain}`, { details: { chain, key: chainPrefix(chain) } });
