import { type Block, blockKey, entryKey, type Tail } from '@blockhub/chain';
import type { Clock } from '@blockhub/clock';
import type { Store } from '@blockhub/store';
import type { IdSet } from './id-set.ts';
import { hasSoundEntry, unlinkedBlocks } from './read-copies.ts';
import type { Fault } from './types.ts';
import { reasonOf } from './unchecked.ts';

export interface FindDetachedOptions {
  /** The newest block of each chain; the key is the chain's id. */
  tails: ReadonlyMap<string, Pick<Tail, 'id' | 'height'>>;
  linked: IdSet;
  clock: Clock;
  /** How long a running mesh may take from storing a block to creating its entry. */
  settleMs: number;
  signal?: AbortSignal | undefined;
}

/** Small, because many are held. */
type UnlinkedBlock = Pick<Block, 'chain' | 'id' | 'prev' | 'height'>;

/** Maximum number of unlinked blocks that are held; the search ends there. */
const MAX_BLOCKS = 100_000;

/**
 * Finds blocks that follow the tail of a chain but have no entry, because the newest entries were
 * lost. A block that lost the race for its height, or waits for it, is not a fault. Lists all
 * blocks of the store and reads those that are not linked.
 */
export async function findDetached(store: Store, options: FindDetachedOptions): Promise<{ faults: Fault[]; unchecked: string[] }> {
  const { tails, linked, clock, settleMs, signal } = options;
  const unchecked: string[] = [];
  const onUnseen = (key: string, error: unknown): void => void unchecked.push(reasonOf({ key, error }));
  const byChain = new Map<string, UnlinkedBlock[]>();
  // If the height above the tail has an entry now, the race for it is over.
  const dropGrown = async (): Promise<void> => {
    for (const chain of byChain.keys())
      if (await hasSoundEntry(store, { chain, height: (tails.get(chain)?.height ?? 0) + 1 })) byChain.delete(chain);
  };
  try {
    let count = 0;
    for await (const { chain, id, prev, height } of unlinkedBlocks(store, { above: tails, linked, signal, onUnseen })) {
      if (count++ >= MAX_BLOCKS) break;
      const blocks = byChain.get(chain) ?? [];
      byChain.set(chain, blocks);
      blocks.push({ chain, id, prev, height });
    }
    await dropGrown();
    if (byChain.size > 0) await clock.sleep(settleMs, signal);
    signal?.throwIfAborted();
    await dropGrown();
  } catch (error) {
    if (signal?.aborted) throw error;
    onUnseen('blocks/', error);
    return { faults: [], unchecked };
  }
  return { faults: [...byChain].flatMap(([chain, blocks]) => lineFrom(tails.get(chain)?.id ?? '', blocks)), unchecked };
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
