import { entryKey, readChain, type Tail } from '@blockhub/chain';
import { type Clock, systemClock } from '@blockhub/clock';
import { BlockhubError, isTransient } from '@blockhub/errors';
import type { OnUnseen, Store } from '@blockhub/store';
import { Checker, covers } from './check.ts';
import { getChain } from './find.ts';
import { pipeline } from './in-order.ts';
import { findHeight } from './position.ts';
import { ChainReader, type Stretch } from './reader.ts';
import { reasonOf } from './reason.ts';
import type { Fault, Position, VerifyLevel, WalkBatch } from './types.ts';

export interface WalkOptions {
  /** Id or name. */
  chain: string;
  /** First block; default the root. A negative number counts from the tail: −1 is the tail. */
  from?: Position | number | string;
  /** Last block, inclusive; default the tail at the time of arriving there. */
  to?: Position | number | string;
  /** Do not end at the tail: ask for the next height every `pollMs`. */
  live?: { pollMs: number };
  /** Default `links`. */
  verify?: VerifyLevel;
  /**
   * Does not check that a block is the one that the next height follows, so that a chain whose heights do not belong together can be read:
   * no LINK_BROKEN, no ENTRY_CHANGED. Everything else of the level is checked.
   */
  skipNextCheck?: boolean;
  /** What a fault does: end the walk behind the last block before it (default), or only be told in the batch. */
  onFault?: 'stop' | 'report';
  /** Most requests for heights in flight. Default 32. */
  prefetch?: number;
  /** Ends the walk with the signal's reason, also while it waits. */
  signal?: AbortSignal;
  clock?: Clock;
  /** Told of what could not be looked at when `from` and `to` were searched. */
  onUnseen?: OnUnseen | undefined;
  /** Once, when the tail is reached and all blocks up to it were taken. */
  onTail?: (tail: Tail | undefined) => void;
  /** Once, in a live walk, when it starts to wait for blocks that do not exist yet. */
  onCaughtUp?: () => void;
}

const PREFETCH = 32;
/** Stretches that are checked at once, so that their reads overlap with the hashing of others. */
const CHECKS = 3;

/**
 * Gives the blocks of a chain in order. Heights are read ahead in parallel, but no further than the consumer takes them; leaving the loop
 * ends everything.
 * @throws CHAIN_NOT_FOUND; CHAIN_DAMAGED with the fault in `details.fault`; the store's error for what could not be read; OBJECT_MISSING for an unknown block id; USAGE
 */
export async function* walk(store: Store, options: WalkOptions): AsyncGenerator<WalkBatch> {
  const { live, verify = 'links', skipNextCheck = false, onFault = 'stop', signal, clock = systemClock, onUnseen } = options;
  const chain = readChain(options.chain).id ?? (await getChain(store, options.chain)).id;
  const from = options.from === undefined ? 0 : await findHeight(store, chain, options.from, 'from', onUnseen);
  const to = options.to === undefined ? Number.MAX_SAFE_INTEGER - 1 : await findHeight(store, chain, options.to, 'to', onUnseen);
  const reader = new ChainReader(store, chain, {
    from,
    to,
    prefetch: options.prefetch ?? PREFETCH,
    thorough: verify !== 'none' || onFault === 'report',
    next: verify !== 'none' && !skipNextCheck,
    signal,
  });
  const checker = new Checker(store, chain, verify);
  if (from > to) return reader.assertExists();
  for (let caughtUp = false; ; caughtUp = true) {
    const checked = covers(verify, 'blocks')
      ? pipeline(reader.stretches(), live ? 1 : CHECKS, (stretch) => checker.check(stretch))
      : reader.stretches();
    for await (const stretch of checked) {
      signal?.throwIfAborted();
      yield* give(stretch, onFault);
    }
    if (!caughtUp) await reader.assertExists();
    if (reader.height > to) return;
    if (!caughtUp) options.onTail?.(reader.tail);
    if (!live) return;
    if (!caughtUp) options.onCaughtUp?.();
    reader.follow();
    await waitFor(store, entryKey(chain, reader.height), { pollMs: live.pollMs, clock, signal });
  }
}

function* give({ seen, faults, unchecked }: Stretch, onFault: 'stop' | 'report'): Generator<WalkBatch> {
  if (onFault === 'report') {
    const blocks = seen.map(({ block, entry, next, faults: own }) => ({
      ...block,
      next,
      faults: own,
      ...(entry ? {} : { mended: true as const }),
    }));
    if (blocks.length + faults.length + unchecked.length > 0)
      yield { blocks, faults: inOrderOfHeight(faults), unchecked: unchecked.map(reasonOf) };
    return;
  }
  const [fault] = inOrderOfHeight(faults);
  const end = fault ? (fault.height ?? 0) : Number.MAX_SAFE_INTEGER;
  const blocks = seen.filter(({ block }) => block.height < end).map(({ block, next }) => ({ ...block, next, faults: [] }));
  if (blocks.length > 0) yield { blocks, faults: [], unchecked: [] };
  if (fault) throw new BlockhubError('CHAIN_DAMAGED', fault.message, { details: { chain: fault.chain, fault } });
  if (unchecked[0]) throw unchecked[0].error;
}

const inOrderOfHeight = (faults: readonly Fault[]): Fault[] => faults.toSorted((a, b) => (a.height ?? 0) - (b.height ?? 0));

/** Polls until the object is there. A store that does not answer now may answer later. */
async function waitFor(
  store: Store,
  key: string,
  { pollMs, clock, signal }: { pollMs: number; clock: Clock; signal: AbortSignal | undefined },
): Promise<void> {
  for (;;) {
    await clock.sleep(pollMs, signal);
    signal?.throwIfAborted();
    try {
      if (await store.head(key)) return;
    } catch (error) {
      if (!isTransient(error)) throw error;
    }
  }
}
