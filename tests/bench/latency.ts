import { setTimeout as sleep } from 'node:timers/promises';
import { entryKey, parseBlock } from '@blockhub/chain';
import type { Store } from '@blockhub/store';
import { getChain } from '@blockhub/walker';

const PATIENCE_MS = 60_000;

export interface LatencyPlan {
  readonly url: string;
  readonly store: Store;
  /** Name of the chain; it has nothing but its root yet. */
  readonly chain: string;
  readonly perSecond: number;
  readonly seconds: number;
  /** Between two requests for the next block. About half of it is part of each wait. */
  readonly pollMs: number;
  /** How long an answer, and then the blocks of what was answered, may take. */
  readonly patienceMs?: number;
}

/**
 * Times in ms from each receipt to its event in a block, as a follower of the bucket sees it,
 * sorted. The load has a steady rate. The time is 0 if the block was seen before the answer.
 * @throws if an answer is not 201, or if an event is in no block in time
 */
export async function waitsOf(plan: LatencyPlan): Promise<number[]> {
  const { store, chain, pollMs, patienceMs = PATIENCE_MS } = plan;
  const answered = new Map<string, number>();
  const seen = new Map<string, number>();
  let endsAt = Number.POSITIVE_INFINITY;
  let isDone = (): boolean => false;
  const sending = send(plan, patienceMs, answered).then(
    () => {
      endsAt = performance.now() + patienceMs;
      isDone = () => missing() === 0;
    },
    (error) => {
      isDone = () => true;
      throw error;
    },
  );
  const missing = (): number => [...answered.keys()].filter((event) => !seen.has(event)).length;
  const note = (event: string): void => void seen.set(event, performance.now());
  const following = follow(store, chain, pollMs, note, () => {
    if (isDone()) return true;
    if (performance.now() > endsAt) throw new Error(`${missing()} of ${answered.size} events are in no block after ${patienceMs} ms`);
    return false;
  });
  await Promise.all([sending, following]);
  return Array.from(answered, ([event, at]) => Math.max(0, (seen.get(event) ?? 0) - at)).toSorted((a, b) => a - b);
}

/**
 * Posts at this rate and notes when each event was answered. Ends at the first answer that is not
 * 201.
 */
async function send({ url, chain, perSecond, seconds }: LatencyPlan, patienceMs: number, answered: Map<string, number>): Promise<void> {
  const body = Buffer.alloc(500, 'b');
  const refused = new AbortController();
  const post = async (): Promise<void> => {
    const answer = await fetch(`${url}/append/chain/${chain}`, { method: 'POST', body });
    const text = await answer.text();
    if (answer.status !== 201) throw new Error(`an event was answered with ${answer.status} ${text}`);
    answered.set((JSON.parse(text) as { event: string }).event, performance.now());
  };
  const posts: Promise<void>[] = [];
  const started = performance.now();
  for (let n = 0; n < perSecond * seconds && !refused.signal.aborted; n++) {
    const wait = started + (n * 1000) / perSecond - performance.now();
    if (wait > 0) await sleep(wait);
    posts.push(post().catch((error) => refused.abort(error)));
  }
  // One time-out for all requests: a signal in each of them would cost what is measured.
  const late = new AbortController();
  const overdue = sleep(patienceMs, undefined, { signal: late.signal }).then(() =>
    refused.abort(new Error('an event was not answered in time')),
  );
  await Promise.race([Promise.all(posts), overdue]);
  late.abort();
  await overdue.catch(() => undefined);
  refused.signal.throwIfAborted();
}

/** Reads the next height again and again, and calls `note` with each event. */
async function follow(store: Store, name: string, pollMs: number, note: (event: string) => void, isDone: () => boolean): Promise<void> {
  const chain = (await getChain(store, name)).id;
  for (let height = 1; !isDone(); ) {
    const bytes = await store.find(entryKey(chain, height));
    if (!bytes) {
      await sleep(pollMs);
      continue;
    }
    for (const { event } of parseBlock(bytes).blobs) note(event);
    height++;
  }
}

/** The value below which such a share of sorted values lies. */
export const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
