import { blockId, entryKey, type Tail } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import type { Store } from '@blockhub/store';

/** `winner` is the entry that stands where ours, or the block that ours follows, would have to be. */
export type SetNext = { mine: true } | { mine: false; winner: Buffer };

export interface SetNextOptions {
  /** The caller has seen the entry at the tail's height hold the tail's id; entries never change, so it is not read again. */
  known?: boolean;
}

/**
 * Makes a block the next of `tail`, by creating the chain's entry at the next height if it is absent. This is the only decision in a chain's
 * life: it may be repeated, raced and interrupted. An outcome that is unknown is read back by the store.
 * @param bytes the block's exact bytes; it must be built behind `tail`
 * @throws CHAIN_DAMAGED when there is no entry at the tail's height
 */
export async function setNext(
  store: Store,
  tail: Pick<Tail, 'chain' | 'height' | 'id'>,
  bytes: Buffer,
  options: SetNextOptions = {},
): Promise<SetNext> {
  if (!options.known) {
    const key = entryKey(tail.chain, tail.height);
    const before = await store.find(key);
    if (!before)
      throw new BlockhubError('CHAIN_DAMAGED', `${key} is missing`, { details: { chain: tail.chain, height: tail.height, key } });
    if (blockId(before) !== tail.id) return { mine: false, winner: before };
  }
  const key = entryKey(tail.chain, tail.height + 1);
  if ((await store.create(key, bytes)) === 'created') return { mine: true };
  const there = await store.get(key);
  // The same id is the same block: the second lines of two tries may differ, and both are right.
  return blockId(there) === blockId(bytes) ? { mine: true } : { mine: false, winner: there };
}
