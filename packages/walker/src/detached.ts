import { blockKey, checkBlock, entryKey, type Tail } from '@blockhub/chain';
import type { Clock } from '@blockhub/clock';
import type { OnUnseen, Store } from '@blockhub/store';
import type { IdSet } from './id-set.ts';
import { pipeline } from './in-order.ts';
import { reasonOf } from './reason.ts';
import type { Fault } from './types.ts';

export interface LooseBlocksOptions {
  /** Blocks of these chains above these heights are wanted; by chain id. */
  above: Pick<ReadonlyMap<string, Pick<Tail, 'height'>>, 'get'>;
  /** Ids that need no look, because they are in their chains. */
  known?: IdSet;
  signal?: AbortSignal | undefined;
  onError?: (key: string, error: unknown) => void;
}

export interface FindDetachedOptions {
  /** The newest block of each chain in question, by chain id. */
  tails: ReadonlyMap<string, Pick<Tail, 'id' | 'height'>>;
  known: IdSet;
  clock: Clock;
  /** How long a block may take from being stored to being linked, in a mesh that runs. */
  settleMs: number;
  signal?: AbortSignal | undefined;
}

/** A sound block by its id, which may or may not be in its chain. */
export interface LooseBlock {
  chain: string;
  id: string;
  prev: string | null;
  height: number;
}

const READS = 16;
/** More than so many loose blocks above the tails are not remembered. */
const MOST = 100_000;

/**
 * Blocks that claim to follow the tail of a chain, but have no entry: what is left when the newest entries are lost. A block that lost the race
 * for its height, or waits for it, is no fault. Lists all blocks of the store and reads those that are not known.
 */
export async function findDetached(store: Store, options: FindDetachedOptions): Promise<{ faults: Fault[]; unchecked: string[] }> {
  const { tails, known, clock, settleMs, signal } = options;
  const unchecked: string[] = [];
  const onError = (key: string, error: unknown): void => void unchecked.push(reasonOf({ key, error }));
  const byChain = new Map<string, LooseBlock[]>();
  const dropGrown = async (): Promise<void> => {
    for (const chain of byChain.keys()) if (await hasGrown(store, chain, options)) byChain.delete(chain);
  };
  try {
    let count = 0;
    for await (const block of looseBlocks(store, { above: tails, known, signal, onError })) {
      if (count++ >= MOST) break;
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

/** Sound blocks of some chains above some heights. Lists all blocks of the store, and reads those that are not known. */
export async function* looseBlocks(store: Store, options: LooseBlocksOptions): AsyncGenerator<LooseBlock> {
  for await (const block of pipeline(looseIds(store, options), READS, (id) => readLoose(store, id, options))) if (block) yield block;
}

async function* looseIds(store: Store, { known, signal, onError }: LooseBlocksOptions): AsyncGenerator<string> {
  // A block that is in its chain is not hidden when its copy is.
  const onUnseen: OnUnseen = (key, error) => {
    const id = idOf(key);
    if (key === 'blocks/' || (id !== undefined && !known?.has(id))) onError?.(key, error);
  };
  for await (const { key } of store.list('blocks/', { onUnseen })) {
    signal?.throwIfAborted();
    const id = idOf(key);
    if (id && !known?.has(id)) yield id;
  }
}

const idOf = (key: string): string | undefined => /^blocks\/([0-9a-f]{32,64})\.block$/.exec(key)?.[1];

async function readLoose(store: Store, id: string, { above, onError }: LooseBlocksOptions): Promise<LooseBlock | undefined> {
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

/** A sound block stands behind the tail now, so what claimed that place has won it or lost it. */
async function hasGrown(store: Store, chain: string, { tails }: FindDetachedOptions): Promise<boolean> {
  const height = (tails.get(chain)?.height ?? 0) + 1;
  const bytes = await store.find(entryKey(chain, height));
  return bytes !== undefined && checkBlock(bytes, { chain, height }).faults.length === 0;
}

/** Those that follow the tail, and those that follow them. */
function lineFrom(tail: string, candidates: readonly LooseBlock[]): Fault[] {
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
