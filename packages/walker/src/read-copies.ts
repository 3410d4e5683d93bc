import { type Block, blockKey, checkBlock, entryKey } from '@blockhub/chain';
import type { OnUnseen, Store } from '@blockhub/store';
import { blockIds } from './block-ids.ts';
import { pipeline } from './in-order.ts';

const READS = 16;

/**
 * Blocks whose entry is missing, damaged or cannot be read, from their copies. Lists all blocks of
 * the store and reads each, so it is the last resort of a search. A block that lost the race for
 * its height is left out.
 * @param chain only blocks of this chain
 */
export async function* readCopies(
  store: Store,
  { chain, signal, onUnseen }: { chain?: string | undefined; signal?: AbortSignal; onUnseen?: OnUnseen },
): AsyncGenerator<Block> {
  const read = async (id: string): Promise<Block | undefined> => {
    signal?.throwIfAborted();
    const key = blockKey(id);
    try {
      const bytes = await store.find(key);
      const { block, faults } = bytes ? checkBlock(bytes, { id }) : { faults: [] };
      if (!block || faults.length > 0 || (chain !== undefined && block.chain !== chain)) return undefined;
      return (await hasSoundEntry(store, block)) ? undefined : block;
    } catch (error) {
      onUnseen?.(key, error);
      return undefined;
    }
  };
  for await (const block of pipeline(blockIds(store, '', { onUnseen }), READS, read)) if (block) yield block;
}

/** Then the search has read the block of that height. */
async function hasSoundEntry(store: Store, { chain, height }: Block): Promise<boolean> {
  const bytes = await store.find(entryKey(chain, height)).catch(() => undefined);
  return bytes !== undefined && checkBlock(bytes, { chain, height }).faults.length === 0;
}
