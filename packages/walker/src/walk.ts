import { entryKey, readChain, type Tail } from '@blockhub/chain';
import { type Clock, systemClock } from '@blockhub/clock';
import { BlockhubError, isTransient } from '@blockhub/errors';
import type { OnUnseen, Store } from '@blockhub/store';
import { Checker, covers } from './checker.ts';
import { getChain } from './find.ts';
import { pipeline } from './in-order.ts';
import type { Segment } from './linker.ts';
import { findHeight } from './position.ts';
import { ChainReader } from './reader.ts';
import type { Fault, Position, VerifyLevel, WalkBatch } from './types.ts';
import { reasonOf } from './unchecked.ts';

export interface WalkOptions {
  /** Id or name. */
  chain: string;
  /** First block. Default: the root. A negative number counts from the tail; −1 is the tail. */
  from?: Position | number | string | undefined;
  /** Last block, inclusive. Default: the tail at the time it is reached. */
  to?: Position | number | string | undefined;
  /** Do not end at the tail, but read the next height every `pollMs`. */
  live?: { pollMs: number };
  /** Default `links`. */
  verify?: VerifyLevel;
  /** Do not check that each block names the one before it: no LINK_BROKEN, no ENTRY_CHANGED. */
  skipNextCheck?: boolean;
  /** `stop` (default): throw after the last block before a fault. `report`: add it to the batch. */
  onFault?: 'stop' | 'report';
  /** Maximum number of requests for entries in flight. Default 32. */
  prefetch?: number | undefined;
  /** Ends the walk with the signal's reason, even while it waits. */
  signal?: AbortSignal | undefined;
  clock?: Clock;
  /** Called for each object that was skipped in the search for `from` and `to`. */
  onUnseen?: OnUnseen | undefined;
  /** Called once, when all blocks up to the tail were taken. */
  onTail?: (tail: Tail | undefined) => void;
  /** Called once, when a live walk starts to wait for the next block. */
  onCaughtUp?: () => void;
}

const PREFETCH = 32;
/** Segments that are checked at a time, so that reads overlap with hashing. */
const CHECKS = 3;

/**
 * Gives the blocks of a chain in order. Heights are read ahead in parallel, but only as the caller
 * takes blocks. If the caller leaves the loop, reading ends.
 * @throws CHAIN_NOT_FOUND; CHAIN_DAMAGED with the fault in `details.fault`; OBJECT_MISSING for an
 * unknown block id; USAGE; the store's error
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
    checkLinks: verify !== 'none' && !skipNextCheck,
    signal,
  });
  const checker = new Checker(store, chain, verify);
  if (from > to) return reader.assertExists();
  for (let caughtUp = false; ; caughtUp = true) {
    const checked = covers(verify, 'blocks')
      ? pipeline(reader.segments(caughtUp), live ? 1 : CHECKS, (segment) => checker.check(segment))
      : reader.segments(caughtUp);
    for await (const segment of checked) {
      signal?.throwIfAborted();
      yield* give(segment, onFault);
    }
    if (!caughtUp) await reader.assertExists();
    if (reader.height > to) return;
    if (!caughtUp) options.onTail?.(reader.tail);
    if (!live) return;
    if (!caughtUp) options.onCaughtUp?.();
    await waitFor(store, entryKey(chain, reader.height), { pollMs: live.pollMs, clock, signal });
  }
}

function* give({ blocks: linked, faults, unchecked }: Segment, onFault: 'stop' | 'report'): Generator<WalkBatch> {
  if (onFault === 'report') {
    const blocks = linked.map(({ block, entry, next, faults: own }) => ({
      ...block,
      next,
      faults: own,
      ...(entry ? {} : { fromCopy: true as const }),
    }));
    if (blocks.length + faults.length + unchecked.length > 0)
      yield { blocks, faults: inOrderOfHeight(faults), unchecked: unchecked.map(reasonOf) };
    return;
  }
  const [fault] = inOrderOfHeight(faults);
  const end = fault ? (fault.height ?? 0) : Number.MAX_SAFE_INTEGER;
  const blocks = linked.filter(({ block }) => block.height < end).map(({ block, next }) => ({ ...block, next, faults: [] }));
  if (blocks.length > 0) yield { blocks, faults: [], unchecked: [] };
  if (fault) throw new BlockhubError('CHAIN_DAMAGED', fault.message, { details: { chain: fault.chain, fault } });
  if (unchecked[0]) throw unchecked[0].error;
}

const inOrderOfHeight = (faults: readonly Fault[]): Fault[] => faults.toSorted((a, b) => (a.height ?? 0) - (b.height ?? 0));

/** Polls until the object exists. A store that does not answer is asked again. */
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
