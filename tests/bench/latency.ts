import { entryKey, parseBlock } from '@blockhub/chain';
import type { Store } from '@blockhub/store';
import { getChain } from '@blockhub/walker';

export interface LatencyPlan {
  readonly url: string;
  readonly store: Store;
  /** Name of the chain; it has nothing but its root yet. */
  readonly chain: string;
  readonly perSecond: number;
  readonly seconds: number;
  /** Between two looks for the next block: about half of it is in each wait. */
  readonly lookMs: number;
}

/** Time from each receipt to its event in a block, in ms, as a follower of the bucket sees it, at a steady rate; the least first. */
export async function waitsOf({ url, store, chain, perSecond, seconds, lookMs }: LatencyPlan): Promise<number[]> {
  const answered = new Map<string, number>();
  const waits: number[] = [];
  let sending = true;
  const follower = follow(store, chain, lookMs, {
    tell: (event) => {
      const at = answered.get(event);
      if (at !== undefined) waits.push(performance.now() - at);
      answered.delete(event);
    },
    done: () => !sending && answered.size === 0,
  });
  const body = Buffer.alloc(500, 'b');
  const posts: Promise<void>[] = [];
  const started = performance.now();
  for (let n = 0; n < perSecond * seconds; n++) {
    const wait = started + (n * 1000) / perSecond - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    posts.push(
      fetch(`${url}/append/chain/${chain}`, { method: 'POST', body }).then(async (answer) => {
        const { event } = (await answer.json()) as { event: string };
        answered.set(event, performance.now());
      }),
    );
  }
  await Promise.all(posts);
  sending = false;
  await follower;
  return waits.toSorted((a, b) => a - b);
}

/** Looks for the next height again and again; tells each event. */
async function follow(
  store: Store,
  name: string,
  lookMs: number,
  { tell, done }: { tell(event: string): void; done(): boolean },
): Promise<void> {
  const chain = (await getChain(store, name)).id;
  for (let height = 1; !done(); ) {
    const bytes = await store.find(entryKey(chain, height));
    if (!bytes) {
      await new Promise((resolve) => setTimeout(resolve, lookMs));
      continue;
    }
    for (const { event } of parseBlock(bytes).blobs) tell(event);
    height++;
  }
}

/** The value below which such a share of sorted values lies. */
export const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
