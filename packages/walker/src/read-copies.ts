import { type Block, blockKey, entryKey, type Tail } from '@blockhub/chain';
import type { OnUnseen, Store } from '@blockhub/store';
import { blockIds } from './block-ids.ts';
import type { IdSet } from './id-set.ts';
import { pipeline } from './in-order.ts';
import { soundBlock } from './sound-block.ts';

export interface ReadCopiesOptions {
  signal?: AbortSignal | undefined;
  onUnseen?: OnUnseen | undefined;
}

export interface UnlinkedBlocksOptions extends ReadCopiesOptions {
  /** Only blocks of these chains, above these heights. The key is the chain's id. */
  above: Pick<ReadonlyMap<string, Pick<Tail, 'height'>>, 'get'>;
  /** Ids of blocks that have an entry. They are not read. */
  linked?: IdSet;
}

const READS = 16;

/**
 * Blocks without a sound, readable entry, from their copies. Reads all blocks of the store, so it
 * is the last resort of a search. A block that lost the race for its height is left out.
 */
export async function* readCopies(
  store: Store,
  { chain, ...options }: ReadCopiesOptions & { chain?: string | undefined },
): AsyncGenerator<Block> {
  const isWanted = async (block: Block): Promise<boolean> =>
    (chain === undefined || block.chain === chain) && !(await hasSoundEntry(store, block).catch(() => false));
  yield* readAll(store, isWanted, options);
}

/** Sound blocks whose entries were not read. Lists all blocks, and reads those not linked. */
export function unlinkedBlocks(store: Store, { above, linked, ...options }: UnlinkedBlocksOptions): AsyncGenerator<Block> {
  const isWanted = ({ chain, height }: Block): boolean => height > (above.get(chain)?.height ?? Number.POSITIVE_INFINITY);
  return readAll(store, isWanted, options, linked);
}

async function* readAll(
  store: Store,
  isWanted: (block: Block) => boolean | Promise<boolean>,
  { signal, onUnseen }: ReadCopiesOptions,
  except?: IdSet,
): AsyncGenerator<Block> {
  const read = async (id: string): Promise<Block | undefined> => {
    signal?.throwIfAborted();
    try {
      const block = soundBlock(await store.find(blockKey(id)), { id });
      return block && (await isWanted(block)) ? block : undefined;
    } catch (error) {
      onUnseen?.(blockKey(id), error);
      return undefined;
    }
  };
  for await (const block of pipeline(blockIds(store, '', { except, onUnseen }), READS, read)) if (block) yield block;
}

export async function hasSoundEntry(store: Store, { chain, height }: Pick<Tail, 'chain' | 'height'>): Promise<boolean> {
  return soundBlock(await store.find(entryKey(chain, height)), { chain, height }) !== undefined;
}
