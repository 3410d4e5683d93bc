import { checkBlock, entryKey } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import type { OnUnseen, Store } from '@blockhub/store';

/** A height from `low` to `high`. They differ only if the heights between them cannot be read. */
export interface TimeRange {
  low: number;
  high: number;
}

/** Every height of a range this small is tried before the range counts as unreadable. */
const SMALL = 64;

/**
 * The first height whose block has at least this time; one above the tail if none has. Time never
 * decreases with height, so it is found by halving; near an unreadable middle, a neighbour decides.
 * @param tail height of the newest entry
 */
export async function firstNotBefore(
  store: Store,
  chain: string,
  time: number,
  tail: number,
  onUnseen: OnUnseen = () => {},
): Promise<TimeRange> {
  const unreadable = new Set<number>();
  let low = 0;
  let high = tail + 1;
  while (low < high) {
    let found: { height: number; time: number } | undefined;
    for (const height of near(low, high)) {
      if (unreadable.has(height)) continue;
      const there = await timeAt(store, chain, height, onUnseen);
      if (there !== undefined) {
        found = { height, time: there };
        break;
      }
      unreadable.add(height);
    }
    if (!found) break;
    if (found.time < time) low = found.height + 1;
    else high = found.height;
  }
  return { low, high };
}

/** From the middle outwards: at doubling distances in a large range, then evenly spread. */
function* near(low: number, high: number): Generator<number> {
  const middle = Math.floor((low + high) / 2);
  const length = high - low;
  yield middle;
  if (length > SMALL) for (let step = 1; step < length; step *= 2) yield* bothSides(middle, step, low, high);
  const even = Math.max(1, Math.floor(length / SMALL));
  for (let step = even; step < length; step += even) yield* bothSides(middle, step, low, high);
}

function* bothSides(middle: number, step: number, low: number, high: number): Generator<number> {
  if (middle + step < high) yield middle + step;
  if (middle - step >= low) yield middle - step;
}

/** Undefined if no sound block can be read. */
async function timeAt(store: Store, chain: string, height: number, onUnseen: OnUnseen): Promise<number | undefined> {
  const key = entryKey(chain, height);
  try {
    const bytes = await store.find(key);
    const { tail, faults } = bytes ? checkBlock(bytes, { chain, height }) : { faults: [] };
    if (tail && faults.length === 0) return tail.time;
    onUnseen(key, new BlockhubError('CHAIN_DAMAGED', `height ${height} ${bytes ? (faults[0]?.message ?? 'is damaged') : 'is missing'}`));
  } catch (error) {
    onUnseen(key, error);
  }
  return undefined;
}
