import { blockKey, entryKey } from '@blockhub/chain';
import { VirtualClock } from '@blockhub/clock';
import { MemoryStore, Store, type StoreDriver } from '@blockhub/store';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { findChain, listChains } from './find.ts';
import { parsePosition } from './position.ts';
import { type Sample, writeSample } from './sample-chain.ts';
import { findTail } from './tail.ts';
import type { WalkBatch, WalkedBlock } from './types.ts';
import { type Report, verifyChain } from './verify.ts';
import { type WalkOptions, walk } from './walk.ts';

const openMemory = (clock?: VirtualClock): Store => new Store(new MemoryStore(clock ? { clock } : {}).driver(), clock ? { clock } : {});

async function blocksOf(batches: AsyncIterable<WalkBatch>): Promise<WalkedBlock[]> {
  const blocks: WalkedBlock[] = [];
  for await (const batch of batches) blocks.push(...batch.blocks);
  return blocks;
}

const heights = async (store: Store, options: WalkOptions): Promise<number[]> =>
  (await blocksOf(walk(store, options))).map(({ height }) => height);

describe('walk', () => {
  test('gives any range, by height, count from the tail, id and time, as a slice of the whole does', async () => {
    const store = openMemory();
    const blocks = 23;
    const sample = await writeSample(store, { blocks, blobsPerBlock: 1 });
    const { chain, tails } = sample;
    const time = (height: number): number => tails[height]?.time ?? Number.POSITIVE_INFINITY;
    const all = tails.map(({ height }) => height);
    const place = fc.oneof(
      fc.nat(30).map((height) => ({ at: { height }, from: height, to: height })),
      fc
        .integer({ min: 1, max: 30 })
        .map((fromTail) => ({ at: { fromTail }, from: Math.max(0, blocks + 1 - fromTail), to: Math.max(0, blocks + 1 - fromTail) })),
      fc.nat(blocks).map((height) => ({ at: { id: tails[height]?.id ?? '' }, from: height, to: height })),
      fc
        .tuple(fc.integer({ min: -2, max: blocks + 2 }), fc.constantFrom(-1, 0, 1, 500))
        .map(([step, off]) => time(0) + step * 1000 + off)
        .map((at) => ({
          at: { time: at },
          from: all.filter((height) => time(height) < at).length,
          to: all.filter((height) => time(height) <= at).length - 1,
        })),
    );
    await fc.assert(
      fc.asyncProperty(fc.option(place), fc.option(place), fc.integer({ min: 1, max: 40 }), async (from, to, prefetch) => {
        const walked = await blocksOf(walk(store, { chain, prefetch, ...(from ? { from: from.at } : {}), ...(to ? { to: to.at } : {}) }));
        expect(walked.map(({ height }) => height)).toEqual(all.slice(from?.from ?? 0, Math.max(0, (to?.to ?? blocks) + 1)));
        for (const { height, id, next } of walked) expect([id, next]).toEqual([tails[height]?.id, tails[height + 1]?.id ?? null]);
      }),
      { numRuns: 300 },
    );
  });

  test('reads each height once, and few beyond the tail', async () => {
    const store = openMemory();
    const { chain } = await writeSample(store, { blocks: 100, blobsPerBlock: 1 });
    const before = store.requests.get;
    await heights(store, { chain });
    expect(store.requests.get - before).toBeLessThanOrEqual(101 + 32);
    expect(store.requests.list).toBe(1);
  });

  test('a consumer that is slow, or leaves, stops the reading', async () => {
    const driver = new MemoryStore().driver();
    let inFlight = 0;
    const get: StoreDriver['get'] = (...args) => {
      inFlight++;
      return driver.get(...args).finally(() => inFlight--);
    };
    const store = new Store({ ...driver, get });
    /** A reader that reads on by itself ends only when it has read all heights. */
    const quiet = async (): Promise<void> => {
      do await new Promise(setImmediate);
      while (inFlight > 0);
    };
    const { chain } = await writeSample(store, { blocks: 500, blobsPerBlock: 1 });
    const before = store.requests.get;
    for await (const batch of walk(store, { chain, prefetch: 8 })) {
      expect(batch.blocks.length).toBeGreaterThan(0);
      await quiet();
      break;
    }
    await quiet();
    expect(store.requests.get - before).toBeLessThan(20);
  });

  test('a signal ends it with its reason', async () => {
    const store = openMemory();
    const { chain } = await writeSample(store, { blocks: 50, blobsPerBlock: 1 });
    const abort = new AbortController();
    const walking = (async () => {
      for await (const { blocks } of walk(store, { chain, live: { pollMs: 5 }, signal: abort.signal }))
        if (blocks.some(({ height }) => height >= 50)) abort.abort(new Error('enough'));
    })();
    await expect(walking).rejects.toThrow('enough');
  });

  test('live: gives what is there, says so once, then each new block as it comes', async () => {
    const clock = new VirtualClock();
    const store = openMemory(clock);
    const sample = await writeSample(store, { blocks: 6, blobsPerBlock: 1 });
    const later = await Promise.all([4, 5, 6].map((height) => store.get(entryKey(sample.chain, height))));
    for (const height of [4, 5, 6]) await store.remove(entryKey(sample.chain, height));
    const events: (number | string)[] = [];
    const abort = new AbortController();
    const options: WalkOptions = {
      chain: sample.chain,
      live: { pollMs: 1000 },
      clock,
      signal: abort.signal,
      onTail: (tail) => events.push(`tail ${tail?.height}`),
      onCaughtUp: () => events.push('caught up'),
    };
    const walking = (async () => {
      for await (const { blocks } of walk(store, options)) for (const { height } of blocks) events.push(height);
    })().catch((error: Error) => events.push(error.name));
    await clock.advance(3500);
    expect(events).toEqual([0, 1, 2, 3, 'tail 3', 'caught up']);
    await store.create(entryKey(sample.chain, 4), later[0] as Buffer);
    await clock.advance(1000);
    await store.create(entryKey(sample.chain, 5), later[1] as Buffer);
    await store.create(entryKey(sample.chain, 6), later[2] as Buffer);
    await clock.advance(1000);
    expect(events.slice(6)).toEqual([4, 5, 6]);
    abort.abort();
    await clock.advance(1000);
    await walking;
    expect(events.at(-1)).toBe('AbortError');
  });

  test('live: a block that does not follow is found', async () => {
    const clock = new VirtualClock();
    const store = openMemory(clock);
    const sample = await writeSample(store, { blocks: 3 });
    const other = await writeSample(store, { blocks: 4, blobBytes: 30 });
    const foreign = await store.get(entryKey(sample.chain, 4));
    expect(other.chain).toBe(sample.chain);
    await store.remove(entryKey(sample.chain, 4));
    const walking = heights(store, { chain: sample.chain, live: { pollMs: 100 }, clock });
    const failed = expect(walking).rejects.toMatchObject({
      code: 'CHAIN_DAMAGED',
      details: { fault: { code: 'ENTRY_CHANGED', height: 3 } },
    });
    await clock.advance(500);
    await store.create(entryKey(sample.chain, 4), foreign);
    await clock.advance(500);
    await failed;
  });

  test('stops behind the last block before a fault, or reports and goes on', async () => {
    const store = openMemory();
    const { chain, tails } = await writeSample(store, { blocks: 20 });
    await store.remove(entryKey(chain, 7));
    const seen: number[] = [];
    const stopping = (async () => {
      for await (const { blocks } of walk(store, { chain })) seen.push(...blocks.map(({ height }) => height));
    })();
    await expect(stopping).rejects.toMatchObject({ code: 'CHAIN_DAMAGED', details: { fault: { code: 'ENTRY_MISSING', height: 7 } } });
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6]);
    const blocks = await blocksOf(walk(store, { chain, onFault: 'report' }));
    expect(blocks.map(({ id }) => id)).toEqual(tails.map(({ id }) => id));
    expect(blocks.filter(({ fromCopy }) => fromCopy).map(({ height }) => height)).toEqual([7]);
    await expect(heights(store, { chain, verify: 'none' })).resolves.toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  describe('with the next check skipped', () => {
    /**
     * Height 3 is a sound block of the same chain that follows another block than 2, and that 4
     * does not follow.
     */
    async function disagreeing(crypt: 'sha256' | 'md5' = 'sha256'): Promise<{ store: Store; sample: Sample; foreign: string }> {
      const store = openMemory();
      const sample = await writeSample(store, { blocks: 6, crypt });
      const other = await writeSample(store, { blocks: 6, crypt, blobBytes: 30 });
      await store.put(entryKey(sample.chain, 3), await store.get(blockKey(other.tails[3]?.id ?? '')));
      return { store, sample, foreign: other.tails[3]?.id ?? '' };
    }
    const codesOf = ({ faults }: Report): unknown[] => faults.map(({ code, height }) => [code, height]);

    test.each(['sha256', 'md5'] as const)('a chain whose next disagrees is read, as it stands (%s)', async (crypt) => {
      const { store, sample, foreign } = await disagreeing(crypt);
      const { chain, tails } = sample;
      await expect(heights(store, { chain })).rejects.toMatchObject({ code: 'CHAIN_DAMAGED' });
      const ids = tails.map(({ id }, height) => (height === 3 ? foreign : id));
      for (const verify of ['links', 'full'] as const) {
        const blocks = await blocksOf(walk(store, { chain, verify, skipNextCheck: true }));
        expect(blocks.map(({ id }) => id)).toEqual(ids);
        expect(blocks.map(({ next }) => next)).toEqual([...ids.slice(1), null]);
      }
      // The block behind the last one wanted is looked at, too.
      for (const to of [2, 3]) expect(await heights(store, { chain, to, skipNextCheck: true })).toHaveLength(to + 1);
      expect(await heights(store, { chain, verify: 'none' })).toHaveLength(7);
    });

    test('verify finds everything else, and says what it skipped', async () => {
      const { store, sample } = await disagreeing();
      const { chain, tails, receipts } = sample;
      const options = { skipNextCheck: true, settleMs: 0 };
      expect(codesOf(await verifyChain(store, chain, { settleMs: 0 }))).not.toEqual([]);
      const whole = await verifyChain(store, chain, options);
      expect(whole).toMatchObject({ level: 'full', nextSkipped: true, blocks: 7, faults: [], uncheckedCount: 0 });
      expect(await verifyChain(store, chain, { settleMs: 0 })).not.toHaveProperty('nextSkipped');
      for (const [key, code, height] of [
        [entryKey(chain, 1), 'ENTRY_MISSING', 1],
        [entryKey(chain, 4), 'ENTRY_MISSING', 4],
        [blockKey(tails[5]?.id ?? ''), 'BLOCK_MISSING', 5],
        [receipts[4]?.[0]?.at.key ?? '', 'BLOB_MISSING', 4],
        [entryKey(chain, 6), 'BLOCK_DETACHED', 6],
      ] as const) {
        const bytes = await store.get(key);
        await store.remove(key);
        const { faults } = await verifyChain(store, chain, options);
        expect(faults).toContainEqual(expect.objectContaining({ code, height }));
        expect(faults.filter((fault) => fault.code === 'LINK_BROKEN' || fault.code === 'ENTRY_CHANGED')).toEqual([]);
        await store.put(key, bytes);
      }
      // A block of another height is not a block of this one.
      await store.put(entryKey(chain, 2), await store.get(entryKey(chain, 1)));
      expect(codesOf(await verifyChain(store, chain, options))).toContainEqual(['HEIGHT_MISMATCH', 2]);
    });
  });

  test('says what is unknown: chain, block id, position', async () => {
    const store = openMemory();
    const { chain, tails } = await writeSample(store);
    const other = await writeSample(store, { seed: 2 });
    const unknown = 'ab'.repeat(32);
    await expect(heights(store, { chain: unknown })).rejects.toMatchObject({ code: 'CHAIN_NOT_FOUND' });
    await expect(heights(store, { chain: 'missing' })).rejects.toMatchObject({ code: 'CHAIN_NOT_FOUND' });
    await expect(heights(store, { chain, from: unknown })).rejects.toMatchObject({ code: 'OBJECT_MISSING' });
    await expect(heights(store, { chain: other.chain, from: tails[1]?.id ?? '' })).rejects.toMatchObject({ code: 'OBJECT_MISSING' });
    expect(() => parsePosition('yesterday')).toThrow(expect.objectContaining({ code: 'USAGE' }));
    expect(parsePosition('2026-05-01T12:00:00Z')).toEqual({ time: Date.UTC(2026, 4, 1, 12) });
  });

  test('a beyond-the-tail walk is empty', async () => {
    const store = openMemory();
    const { chain } = await writeSample(store);
    expect(await heights(store, { chain, from: 99 })).toEqual([]);
    expect(await heights(store, { chain, from: 3, to: 1 })).toEqual([]);
  });
});

describe('finding', () => {
  const two = async (store: Store): Promise<Sample[]> => [
    await writeSample(store, { name: 'one', blocks: 2 }),
    await writeSample(store, { seed: 2, crypt: 'md5', blocks: 3 }),
  ];

  test('chains by id and by name, but not by half of one', async () => {
    const store = openMemory();
    const [one, unnamed] = await two(store);
    expect(await findChain(store, 'one')).toMatchObject({ id: one?.chain, name: 'one', crypt: 'sha256' });
    expect(await findChain(store, unnamed?.chain ?? '')).toMatchObject({ id: unnamed?.chain, crypt: 'md5' });
    expect(await findChain(store, 'two')).toBeUndefined();
    expect(await findChain(store, '..')).toBeUndefined();
    for (const height of [0, 1, 2]) await store.remove(entryKey(one?.chain ?? '', height));
    expect(await findChain(store, 'one')).toBeUndefined();
  });

  test('a chain by name although the name is damaged, or when asked to look, missing', async () => {
    const store = openMemory();
    const [one] = await two(store);
    const bytes = await store.get('names/one.block');
    bytes[bytes.indexOf('salt') + 8] = 0x61;
    await store.put('names/one.block', bytes);
    expect((await findChain(store, 'one'))?.id).toBe(one?.chain);
    await store.remove('names/one.block');
    expect(await findChain(store, 'one')).toBeUndefined();
    expect((await findChain(store, 'one', { scan: true }))?.id).toBe(one?.chain);
  });

  test('lists chains with few list requests, however long they are', async () => {
    const store = openMemory();
    const ids: string[] = [];
    for (let seed = 1; seed <= 5; seed++)
      ids.push((await writeSample(store, { seed, blocks: seed === 3 ? 2500 : 2, blobsPerBlock: 1 })).chain);
    const before = store.requests.list;
    const found: string[] = [];
    for await (const { id } of listChains(store)) found.push(id);
    expect(found).toEqual(ids.sort());
    expect(store.requests.list - before).toBe(2);
  });

  test('lists a chain whose root is gone', async () => {
    const store = openMemory();
    const { chain } = await writeSample(store);
    await store.remove(entryKey(chain, 0));
    await store.remove(blockKey(chain));
    for await (const record of listChains(store)) expect(record).toMatchObject({ id: chain, damaged: true });
    expect(await findChain(store, chain)).toMatchObject({ id: chain });
  });

  test('the tail, in few requests', async () => {
    const store = openMemory();
    const { chain, tails } = await writeSample(store, { blocks: 3000, blobsPerBlock: 1 });
    const before = store.requests.head + store.requests.get;
    expect(await findTail(store, chain)).toEqual(tails.at(-1));
    expect(store.requests.head + store.requests.get - before).toBeLessThan(30);
    await expect(findTail(store, chain, 3001)).rejects.toMatchObject({ code: 'CHAIN_DAMAGED' });
    await expect(findTail(store, 'ab'.repeat(32))).rejects.toMatchObject({ code: 'CHAIN_NOT_FOUND' });
    await store.remove(entryKey(chain, 0));
    await expect(findTail(store, chain)).rejects.toMatchObject({ code: 'CHAIN_DAMAGED', message: `${entryKey(chain, 0)} is missing` });
  });
});
