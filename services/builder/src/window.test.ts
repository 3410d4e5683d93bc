import { buildBlock, entryKey, type Receipt, type Tail } from '@blockhub/chain';
import type { Store } from '@blockhub/store';
import { testWorker } from '@blockhub/worker';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { receiptAt, sampleChain } from './sample-chain.ts';
import { uniqueByEvent } from './unique-receipts.ts';
import { Windows } from './window.ts';
import { worker } from './worker.ts';

let store: Store;
let chain: Awaited<ReturnType<typeof sampleChain>>;
let windows: Windows;

/** An empty store in memory. */
async function emptyStore(): Promise<Store> {
  await using test = await testWorker(worker);
  return test.store;
}

/** The same numbers each time, in [0, 1). */
function numbers(seed: number): () => number {
  let state = seed + 1;
  return () => {
    state = (state * 16_807) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

beforeEach(async () => {
  store = await emptyStore();
  chain = await sampleChain(store);
  windows = new Windows(store, { maxEvents: 1000, maxChains: 10 });
});

const unseen = async (tail: Tail, ...receipts: Receipt[]): Promise<Receipt[]> => windows.unseen(tail, uniqueByEvent(receipts));
const at = (height: number): Tail => chain.tails[height] as Tail;

describe('the window', () => {
  test('drops exactly what is in the chain up to the tail', async () => {
    const [a, b, c, d] = [receiptAt(1, 1), receiptAt(2, 2), receiptAt(2, 3), receiptAt(9, 4)];
    await chain.append([a]);
    await chain.append([b]);
    await chain.append([c]);
    expect(await unseen(at(3), a, b, c, d)).toEqual([d]);
    expect(await unseen(at(1), a, b, c, d)).toEqual([b, c, d]);
    expect(await unseen(at(0), a, d)).toEqual([a, d]);
    expect(await unseen(at(2), a, b, c)).toEqual([c]);
  });

  test('reads blocks of the same time as the oldest event', async () => {
    const twin = receiptAt(5, 1);
    await chain.append([twin]);
    await chain.append([receiptAt(5, 2)]);
    await chain.append([receiptAt(5, 3)]);
    expect(await unseen(at(3), twin)).toEqual([]);
  });

  test('reads nothing where the tail is older than every item, nor for blocks of its own', async () => {
    let tail = await chain.append([receiptAt(1, 1)]);
    store.requests.get = 0;
    for (let number = 2; number < 50; number++) {
      const item = receiptAt(number, number);
      expect(await unseen(tail, item, receiptAt(number - 1, number - 1))).toEqual([item]);
      windows.propose(tail, buildBlock(tail, [item]), [item.event]);
      tail = await chain.append([item]);
    }
    // Once for the item that was there before: its block, and the older one below it.
    expect(store.requests.get).toBeLessThanOrEqual(2);
  });

  test('a proposal that lost is not in the chain', async () => {
    const [mine, other] = [receiptAt(1, 1), receiptAt(2, 2)];
    await unseen(at(0), mine);
    windows.propose(at(0), buildBlock(at(0), [mine]), [mine.event]);
    await chain.append([other]);
    expect(await unseen(at(1), mine, other)).toEqual([mine]);
  });

  test('a tail that comes late may name a proposal that was read meanwhile', async () => {
    const [first, second] = [receiptAt(1, 1), receiptAt(2, 2)];
    await unseen(at(0), first);
    windows.propose(at(0), buildBlock(at(0), [first]), [first.event]);
    await chain.append([first]);
    await chain.append([second]);
    expect(await unseen(at(2), first, second)).toEqual([]);
    expect(await unseen(at(1), first, second)).toEqual([second]);
    expect(await unseen(at(2), first, second)).toEqual([]);
  });

  test('what other builders added is read', async () => {
    await unseen(at(0), receiptAt(1, 1));
    for (let number = 1; number <= 40; number++) await chain.append([receiptAt(number, number)]);
    expect(await unseen(at(40), receiptAt(1, 1), receiptAt(40, 40), receiptAt(41, 41))).toEqual([receiptAt(41, 41)]);
    expect(await unseen(at(40), receiptAt(17, 17))).toEqual([]);
  });

  test('a missing, damaged or swapped block is an error', async () => {
    await chain.append([receiptAt(1, 1)]);
    await chain.append([receiptAt(2, 2)]);
    const key = entryKey(at(0).chain, 1);
    const bytes = await store.get(key);
    await store.remove(key);
    await expect(unseen(at(2), receiptAt(1, 1))).rejects.toMatchObject({ code: 'CHAIN_DAMAGED', details: { height: 1 } });
    bytes[40] = (bytes[40] ?? 0) ^ 1;
    await store.put(key, bytes);
    await expect(unseen(at(2), receiptAt(1, 1))).rejects.toMatchObject({ code: 'CHAIN_DAMAGED' });
    await store.put(key, await store.get(entryKey(at(0).chain, 2)));
    await expect(unseen(at(2), receiptAt(1, 1))).rejects.toMatchObject({ code: 'CHAIN_DAMAGED' });
  });

  test('an event whose time lies ahead costs reads until that time has come, and nothing after', async () => {
    windows = new Windows(store, { maxEvents: 50, maxChains: 10 });
    let tail = await chain.append([receiptAt(300_000, 0)]);
    const reads: number[] = [];
    for (let number = 1; number <= 400; number++) {
      const item = receiptAt(number * 1000, number);
      store.requests.get = 0;
      expect(await unseen(tail, item)).toEqual([item]);
      reads.push(store.requests.get);
      windows.propose(tail, buildBlock(tail, [item]), [item.event]);
      tail = await chain.append([item]);
    }
    expect(Math.max(...reads)).toBeGreaterThan(100);
    expect(reads.slice(302)).toEqual(Array(98).fill(0));
  });

  test('chains that read far back at the same time do not drop windows in use', async () => {
    windows = new Windows(store, { maxEvents: 20, maxChains: 10 });
    const other = await sampleChain(store, '1');
    for (let number = 1; number <= 60; number++) {
      await chain.append([receiptAt(number, number)]);
      await other.append([receiptAt(number, number + 1000)]);
    }
    const [seen, late] = [receiptAt(1, 1), receiptAt(1, 2000)];
    let most = 0;
    const find = store.find.bind(store);
    store.find = (...given) => {
      most = Math.max(most, windows.size);
      return find(...given);
    };
    const both = await Promise.all([unseen(at(60), seen, late), unseen(other.tails[60] as Tail, seen, late)]);
    expect(both).toEqual([[late], [seen, late]]);
    expect(most).toBe(20);
    // No window was dropped while it was in use.
    expect(windows.size).toBe(20);
  });

  test('is right with any limit, and keeps to it', async () => {
    for (const maxEvents of [0, 1, 7, 40, 1000]) {
      const random = numbers(maxEvents);
      const whole = (below: number): number => Math.floor(random() * below);
      store = await emptyStore();
      chain = await sampleChain(store);
      windows = new Windows(store, { maxEvents, maxChains: 2 });
      const heights = new Map<string, number>();
      for (let number = 0, height = 0; height < 120; ) {
        const tail = at(random() < 0.7 ? height : whole(height + 1));
        const items = Array.from({ length: 1 + whole(6) }, () => {
          const which = random() < 0.4 ? whole(number + 1) : number++;
          return receiptAt(Math.floor(which / 3) * 700, which);
        });
        const unique = uniqueByEvent(items);
        const expected = [...unique.values()].filter(({ event }) => (heights.get(event) ?? Number.POSITIVE_INFINITY) > tail.height);
        const got = await windows.unseen(tail, unique);
        expect(got).toEqual(expected);
        if (got.length === 0) continue;
        const block = buildBlock(tail, got);
        if (random() < 0.8)
          windows.propose(
            tail,
            block,
            got.map(({ event }) => event),
          );
        expect(windows.size).toBeLessThanOrEqual(maxEvents + got.length);
        if (tail.height !== height || random() < 0.1) continue;
        const next = await chain.append(got);
        height = next.height;
        for (const { event } of got) heights.set(event, height);
      }
    }
  });
});
