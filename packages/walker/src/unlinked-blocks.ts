import { blockKey, checkBlock, entryKey, type Tail } from '@blockhub/chain';
import type { Clock } from '@blockhub/clock';
import type { OnUnseen, Store } from '@blockhub/store';
import { idOfCopy } from './block-ids.ts';
import type { IdSet } from './id-set.ts';
import { pipeline } from './in-order.ts';
import type { Fault } from './types.ts';
import { reasonOf } from './unchecked.ts';

export interface UnlinkedBlocksOptions {
  /** Only blocks of these chains, above these heights. The key is the chain's id. */
  above: Pick<ReadonlyMap<string, Pick<Tail, 'height'>>, 'get'>;
  /** Ids of blocks that have an entry. They are not read. */
  linked?: IdSet;
  signal?: AbortSignal | undefined;
  onError?: (key: string, error: unknown) => void;
}

export interface FindDetachedOptions {
  /** The newest block of each chain; the key is the chain's id. */
  tails: ReadonlyMap<string, Pick<Tail, 'id' | 'height'>>;
  linked: IdSet;
  clock: Clock;
  /** How long a running mesh may take from storing a block to creating its entry. */
  settleMs: number;
  signal?: AbortSignal | undefined;
}

/** A sound block whose entry was not read. It may still have one. */
export interface UnlinkedBlock {
  chain: string;
  id: string;
  prev: string | null;
  height: number;
}

const READS = 16;
/** Maximum number of unlinked blocks that are held; the search ends there. */
const MAX_BLOCKS = 100_000;

/**
 * Finds blocks that follow the tail of a chain but have no entry. They are left over when the
 * newest entries are lost. A block that lost the race for its height, or waits for it, is not a
 * fault. Lists all blocks of the store and reads those that are not linked.
 */
export async function findDetached(store: Store, options: FindDetachedOptions): Promise<{ faults: Fault[]; unchecked: string[] }> {
  const { tails, linked, clock, settleMs, signal } = options;
  const unchecked: string[] = [];
  const onError = (key: string, error: unknown): void => void unchecked.push(reasonOf({ key, error }));
  const byChain = new Map<string, UnlinkedBlock[]>();
  const dropGrown = async (): Promise<void> => {
    for (const chain of byChain.keys()) if (await hasGrown(store, chain, options)) byChain.delete(chain);
  };
  try {
    let count = 0;
    for await (const block of unlinkedBlocks(store, { above: tails, linked, signal, onError })) {
      if (count++ >= MAX_BLOCKS) break;
      const others = byChain.get(block.chain);
      if (others) others.push(block);
      else byChain.set(block.chain, [block]);
    }
    await dropGrown();
    if (byChain.size > 0) await clock.sleep(settleMs, signal);
    signal?.throwIfAborted();
    await dropGrown();
  } catch (error) {
    if (signal?.aborted) throw error;
    onError('blocks/', error);
    return { faults: [], unchecked };
  }
  return { faults: [...byChain].flatMap(([chain, blocks]) => lineFrom(tails.get(chain)?.id ?? '', blocks)), unchecked };
}

/** Sound blocks that are not linked. Lists all blocks of the store, and reads those not linked. */
export async function* unlinkedBlocks(store: Store, options: UnlinkedBlocksOptions): AsyncGenerator<UnlinkedBlock> {
  for await (const block of pipeline(unlinkedIds(store, options), READS, (id) => readCopy(store, id, options))) if (block) yield block;
}

async function* unlinkedIds(store: Store, { linked, signal, onError }: UnlinkedBlocksOptions): AsyncGenerator<string> {
  const onUnseen: OnUnseen = (key, error) => {
    const id = idOfCopy(key);
    if (key === 'blocks/' || (id !== undefined && !linked?.has(id))) onError?.(key, error);
  };
  for await (const { key } of store.list('blocks/', { onUnseen })) {
    signal?.throwIfAborted();
    const id = idOfCopy(key);
    if (id !== undefined && !linked?.has(id)) yield id;
  }
}

async function readCopy(store: Store, id: string, { above, onError }: UnlinkedBlocksOptions): Promise<UnlinkedBlock | undefined> {
  try {
    const bytes = await store.find(blockKey(id));
    const { block, faults } = bytes ? checkBlock(bytes, { id }) : { faults: [] };
    const limit = block && above.get(block.chain);
    if (!limit || faults.length > 0 || block.height <= limit.height) return undefined;
    return { chain: block.chain, id, prev: block.prev, height: block.height };
  } catch (error) {
    onError?.(blockKey(id), error);
    return undefined;
  }
}

/** True if the height above the tail has a sound entry now, so the race for that height is over. */
async function hasGrown(store: Store, chain: string, { tails }: FindDetachedOptions): Promise<boolean> {
  const height = (tails.get(chain)?.height ?? 0) + 1;
  const bytes = await store.find(entryKey(chain, height));
  return bytes !== undefined && checkBlock(bytes, { chain, height }).faults.length === 0;
}

/** The blocks that follow the tail, and those that follow them. */
function lineFrom(tail: string, candidates: readonly UnlinkedBlock[]): Fault[] {
  const line = new Set([tail]);
  const faults: Fault[] = [];
  for (const { chain, id, prev, height } of candidates.toSorted((a, b) => a.height - b.height)) {
    if (prev === null || !line.has(prev)) continue;
    line.add(id);
    const message = `${blockKey(id)} follows ${prev}, but ${entryKey(chain, height)} is missing`;
    faults.push({ code: 'BLOCK_DETACHED', chain, height, id, key: blockKey(id), message });
  }
  return faults;
}
