import { hashOf, type Receipt } from '@blockhub/chain';
import { MemoryStore, Store } from '@blockhub/store';
import { describe, expect, test } from '@jest/globals';
import { type HydratedBlob, readBlobs } from './blobs.ts';
import { findReceipt } from './receipt.ts';
import { type Sample, writeSample } from './sample-chain.ts';
import type { WalkedBlock } from './types.ts';
import { verifyChain } from './verify.ts';
import { walk } from './walk.ts';

const openMemory = (): Store => new Store(new MemoryStore().driver());

async function* blocksOf(store: Store, { chain }: Sample): AsyncGenerator<WalkedBlock> {
  for await (const { blocks } of walk(store, { chain })) yield* blocks;
}

async function all(blobs: AsyncIterable<HydratedBlob>): Promise<HydratedBlob[]> {
  const found: HydratedBlob[] = [];
  for await (const blob of blobs) found.push(blob);
  return found;
}

describe('readBlobs', () => {
  test('gives every blob in chain order with its bytes, by few reads', async () => {
    const store = openMemory();
    const sample = await writeSample(store, { blocks: 10, blobsPerBlock: 50, ownObject: 25, blobBytes: 100 });
    const before = store.requests.get;
    const blobs = await all(readBlobs(store, blocksOf(store, sample)));
    expect(blobs.map(({ receipt }) => receipt.event)).toEqual(sample.receipts.flat().map(({ event }) => event));
    for (const { receipt, bytes } of blobs) expect(hashOf('sha256', bytes ?? Buffer.alloc(0))).toBe(receipt.hash);
    // Entries, and per block one range of its pack and two objects.
    expect(store.requests.get - before).toBeLessThanOrEqual(11 + 32 + 10 * 3);
  });

  test('reads neighbours in a pack together, and those far apart alone', async () => {
    const ranges: string[] = [];
    const store = new Store(new MemoryStore().driver());
    const sample = await writeSample(store, { blocks: 1, blobsPerBlock: 40, blobBytes: 10_000 });
    const find = store.find.bind(store);
    store.find = (key, range) => {
      if (range) ranges.push(`${range.offset}+${range.length}`);
      return find(key, range);
    };
    const wanted = new Set([2, 3, 5, 30].map((index) => sample.receipts[1]?.[index]?.event));
    const blobs = await all(readBlobs(store, blocksOf(store, sample), { only: ({ event }) => wanted.has(event) }));
    expect(blobs.map(({ index }) => index)).toEqual([2, 3, 5, 30]);
    expect(ranges).toEqual(['20000+40000', '300000+10000']);
  });

  test('gives a fault in place of bytes that are missing or wrong', async () => {
    const store = openMemory();
    const sample = await writeSample(store, { blocks: 2, blobsPerBlock: 2, ownObject: 2 });
    const [own, packed] = sample.receipts[1] as [Receipt, Receipt];
    await store.remove(own.at.key);
    const pack = await store.get(packed.at.key);
    await store.put(packed.at.key, pack.subarray(0, -1));
    const blobs = await all(readBlobs(store, blocksOf(store, sample)));
    expect(blobs.map(({ fault, bytes }) => [fault?.code, bytes === undefined])).toEqual([
      ['BLOB_MISSING', true],
      ['BLOB_CORRUPT', true],
      [undefined, false],
      [undefined, false],
    ]);
  });
});

describe('large objects', () => {
  test('are checked piece by piece: blobs over a chunk, and packs too large to hold', async () => {
    const store = openMemory();
    const sample = await writeSample(store, { blocks: 1, blobsPerBlock: 3, ownObject: 3, blobBytes: 9 * 1024 * 1024 });
    const [own, first] = sample.receipts[1] as [Receipt, Receipt, Receipt];
    expect(await verifyChain(store, sample.chain, { settleMs: 0 })).toMatchObject({ faults: [], events: 3 });
    for (const key of [own.at.key, first.at.key]) {
      const bytes = await store.get(key);
      bytes[100] = (bytes[100] ?? 0) ^ 1;
      await store.put(key, bytes);
    }
    await store.put(own.at.key, Buffer.concat([await store.get(own.at.key), Buffer.from('more')]));
    const { faults } = await verifyChain(store, sample.chain, { settleMs: 0 });
    expect(faults.map(({ code, event }) => [code, event]).sort()).toEqual([
      ['BLOB_CORRUPT', own.event],
      ['BLOB_CORRUPT', first.event],
      ['PACK_CORRUPT', undefined],
    ]);
  });
});

describe('findReceipt', () => {
  test('finds an event by its time in a few reads, and a hash by reading the chain', async () => {
    const store = openMemory();
    const sample = await writeSample(store, { blocks: 400, blobsPerBlock: 2 });
    const wanted = sample.receipts[300]?.[1] as Receipt;
    const before = store.requests.get;
    expect(await findReceipt(store, sample.chain, wanted.event)).toMatchObject({ index: 1, block: { height: 300 }, receipt: wanted });
    expect(store.requests.get - before).toBeLessThan(30);
    expect(await findReceipt(store, sample.chain, wanted.hash)).toMatchObject({ block: { height: 300 } });
    expect(await findReceipt(store, sample.chain, 'ab'.repeat(32))).toBeUndefined();
  });
});
