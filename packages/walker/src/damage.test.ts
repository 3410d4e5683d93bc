/** @group long: it changes every bit of a chain. */
import { blockKey, entryKey, nameKey } from '@blockhub/chain';
import { systemClock } from '@blockhub/clock';
import { MemoryStore, Store } from '@blockhub/store';
import { describe, expect, test } from '@jest/globals';
import { type Sample, writeSample } from './sample-chain.ts';
import type { Fault } from './types.ts';
import { type Report, verifyAll, verifyChain } from './verify.ts';

const openMemory = (): Store => new Store(new MemoryStore().driver());

async function sampleFiles(crypt: 'sha256' | 'md5' = 'sha256'): Promise<{ store: Store; sample: Sample; files: Map<string, Buffer> }> {
  const store = openMemory();
  const sample = await writeSample(store, { blocks: 3, blobsPerBlock: 3, ownObject: 3, blobBytes: 12, name: 'sample', crypt });
  const files = new Map<string, Buffer>();
  for (const folder of ['blobs', 'blocks', 'chains', 'names', 'packs']) {
    for await (const { key } of store.list(`${folder}/`)) files.set(key, await store.get(key));
  }
  return { store, sample, files };
}

const verify = (store: Store, { chain }: Sample): Promise<Report> => verifyChain(store, chain, { settleMs: 0 });

/**
 * Nothing vouches for the id of the tail but its copy: a sound change of its entry shows as a copy
 * that is missing.
 */
function locates(fault: Fault, key: string, { chain, tails }: Sample): boolean {
  const tail = tails.length - 1;
  return fault.key === key || (key === entryKey(chain, tail) && fault.height === tail && fault.code === 'BLOCK_MISSING');
}

describe('verify at level full', () => {
  test('finds nothing in a whole chain', async () => {
    for (const crypt of ['sha256', 'md5'] as const) {
      const { store, sample } = await sampleFiles(crypt);
      const report = await verify(store, sample);
      expect(report).toMatchObject({ height: 3, blocks: 4, events: 9, bytes: 108, faultCount: 0, uncheckedCount: 0 });
    }
  });

  test.each([
    ['every single changed bit', 'sha256', 1],
    ['a changed bit on an md5 chain', 'md5', 11],
  ] as const)(
    'finds and locates %s',
    async (_, crypt, step) => {
      const { store, sample, files } = await sampleFiles(crypt);
      const missed: string[] = [];
      for (const [key, bytes] of files) {
        for (let bit = 0; bit < bytes.length * 8; bit += step) {
          const changed = Buffer.from(bytes);
          changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
          await store.put(key, changed);
          const { faults, unchecked } = await verify(store, sample);
          if (!faults.some((fault) => locates(fault, key, sample)) || unchecked.length > 0)
            missed.push(`${key} bit ${bit}: ${JSON.stringify(faults)}${unchecked}`);
        }
        await store.put(key, bytes);
      }
      expect(missed).toEqual([]);
    },
    600_000,
  );

  test('finds every missing file, and says what is missing', async () => {
    const { store, sample, files } = await sampleFiles();
    for (const [key, bytes] of files) {
      await store.remove(key);
      const { faults } = await verify(store, sample);
      const last = key === entryKey(sample.chain, 3);
      expect({
        key,
        found: faults.some(
          (fault) => fault.key === (last ? blockKey(sample.tails[3]?.id ?? '') : key) && /MISSING|DETACHED/.test(fault.code),
        ),
      }).toEqual({ key, found: true });
      await store.create(key, bytes);
    }
  });

  test('finds any two files that were swapped', async () => {
    const { store, sample, files } = await sampleFiles();
    const keys = [...files.keys()];
    for (const a of keys) {
      for (const b of keys.slice(keys.indexOf(a) + 1)) {
        const [bytesA, bytesB] = [files.get(a) as Buffer, files.get(b) as Buffer];
        if (bytesA.equals(bytesB)) continue;
        await store.put(a, bytesB);
        await store.put(b, bytesA);
        const { faults } = await verify(store, sample);
        const located = [a, b].filter((key) => faults.some((fault) => locates(fault, key, sample)));
        expect({ a, b, located }).toEqual({ a, b, located: [a, b] });
        await store.put(a, bytesA);
        await store.put(b, bytesB);
      }
    }
  }, 300_000);

  test('finds every truncated or lengthened file', async () => {
    const { store, sample, files } = await sampleFiles();
    for (const [key, bytes] of files) {
      for (const changed of [Buffer.alloc(0), bytes.subarray(0, -1), Buffer.concat([bytes, Buffer.from('\n')])]) {
        await store.put(key, changed);
        const { faults } = await verify(store, sample);
        expect({ key, length: changed.length, found: faults.some((fault) => locates(fault, key, sample)) }).toMatchObject({ found: true });
      }
      await store.put(key, bytes);
    }
  });

  test('finds all of many faults in one pass', async () => {
    const store = openMemory();
    const sample = await writeSample(store, { blocks: 40, name: 'many', ownObject: 2 });
    const id = (height: number): string => sample.tails[height]?.id ?? '';
    const flip = async (key: string): Promise<void> => {
      const bytes = await store.get(key);
      bytes[5] = (bytes[5] ?? 0) ^ 1;
      await store.put(key, bytes);
    };
    const [own, packed] = sample.receipts[20] ?? [];
    for (const key of [
      entryKey(sample.chain, 0),
      entryKey(sample.chain, 5),
      entryKey(sample.chain, 6),
      entryKey(sample.chain, 7),
      blockKey(id(12)),
      nameKey('many'),
    ])
      await store.remove(key);
    for (const key of [
      entryKey(sample.chain, 9),
      entryKey(sample.chain, 10),
      blockKey(id(15)),
      own?.at.key ?? '',
      packed?.at.key ?? '',
      entryKey(sample.chain, 40),
    ])
      await flip(key);
    // Gone in both places: its content is lost.
    for (const key of [entryKey(sample.chain, 30), blockKey(id(30))]) await store.remove(key);
    const { faults, blocks } = await verify(store, sample);
    expect(
      faults.map(({ code, height, toHeight, key, event }) => [code, height, toHeight, key.split('/')[0], event !== undefined]),
    ).toEqual([
      ['ENTRY_MISSING', 0, undefined, 'chains', false],
      ['NAME_MISSING', 0, undefined, 'names', false],
      ['ENTRY_MISSING', 5, 7, 'chains', false],
      ['BLOCK_INVALID', 9, undefined, 'chains', false],
      ['BLOCK_INVALID', 10, undefined, 'chains', false],
      ['BLOCK_MISSING', 12, undefined, 'blocks', false],
      ['ID_MISMATCH', 15, undefined, 'blocks', false],
      ['BLOCK_INVALID', 15, undefined, 'blocks', false],
      ['PACK_CORRUPT', undefined, undefined, 'packs', false],
      ['BLOB_CORRUPT', 20, undefined, 'blobs', true],
      ['BLOB_CORRUPT', 20, undefined, 'packs', true],
      ['ENTRY_MISSING', 30, undefined, 'chains', false],
      ['BLOCK_MISSING', 30, undefined, 'blocks', false],
      ['BLOCK_INVALID', 40, undefined, 'chains', false],
      ['BLOCK_DETACHED', 40, undefined, 'blocks', false],
    ]);
    // All but 30, which is missing, and 40, which only the listing of blocks has.
    expect(blocks).toBe(39);
  });

  test('does not take a lost entry behind the tail for the end', async () => {
    const store = openMemory();
    const sample = await writeSample(store, { blocks: 12 });
    for (const height of [10, 11, 12]) await store.remove(entryKey(sample.chain, height));
    const { faults } = await verify(store, sample);
    expect(faults.map(({ code, height }) => [code, height])).toEqual([10, 11, 12].map((height) => ['BLOCK_DETACHED', height]));
  });

  test.each(['no block', 'the copy of its root'])('a chain that lost all its entries and %s is not passed over', async (also) => {
    const { store, sample } = await sampleFiles();
    const other = await writeSample(store, { blocks: 1, name: 'other' });
    for (const height of [0, 1, 2, 3]) await store.remove(entryKey(sample.chain, height));
    if (also !== 'no block') await store.remove(blockKey(sample.chain));
    const reports = await verifyAll(store, { settleMs: 0 });
    expect(reports.map(({ chain, faults }) => [chain, faults.map(({ code, height }) => [code, height])])).toEqual([
      [other.chain, []],
      [sample.chain, [['ENTRY_MISSING', 0], ...[1, 2, 3].map((height) => ['BLOCK_DETACHED', height])]],
    ]);
    const one = verify(store, sample);
    if (also === 'no block') expect((await one).faults).toEqual(reports[1]?.faults);
    else await expect(one).rejects.toMatchObject({ code: 'CHAIN_NOT_FOUND' });
  });

  test('a block that may tell of a lost chain, but is not given, leaves every chain unchecked', async () => {
    const driver = new MemoryStore().driver();
    const store = new Store(driver);
    const { tails } = await writeSample(store, { blocks: 1 });
    await store.remove(entryKey(tails[0]?.id ?? '', 0));
    await store.remove(entryKey(tails[0]?.id ?? '', 1));
    await writeSample(store, { blocks: 1, name: 'other' });
    const unanswered = blockKey(tails[1]?.id ?? '');
    const get = driver.get.bind(driver);
    driver.get = (key, range) => (key === unanswered ? Promise.reject(new Error('no answer')) : get(key, range));
    const reports = await verifyAll(store, { settleMs: 0 });
    expect(reports).toMatchObject([{ faults: [], unchecked: [expect.stringContaining(`${unanswered}: `)], uncheckedCount: 1 }]);
  });

  test('blocks that lost their height, what follows them, and a block that is linked a moment later, are no faults', async () => {
    const store = openMemory();
    const sample = await writeSample(store, { blocks: 3 });
    const key = entryKey(sample.chain, 3);
    const tail = await store.get(key);
    const lost = await writeSample(store, { blocks: 5, blobBytes: 21 });
    expect(lost.chain).toBe(sample.chain);
    for (const height of [4, 5]) await store.remove(entryKey(sample.chain, height));
    await store.remove(key);
    const sleep = async (): Promise<void> => void (await store.create(key, tail));
    const clock = { ...systemClock, sleep };
    expect((await verifyChain(store, sample.chain, { clock })).faults).toEqual([]);
    // Linked for good, so that nothing above it but the line of those that lost is left.
    expect((await verify(store, sample)).faults).toEqual([]);
    await store.remove(key);
    expect((await verify(store, sample)).faults).toMatchObject([{ code: 'BLOCK_DETACHED', height: 3, id: sample.tails[3]?.id }]);
  });

  test('a pack that is missing is reported with every event in it', async () => {
    const { store, sample } = await sampleFiles();
    const packed = (sample.receipts[2] ?? []).filter(({ at }) => at.offset !== undefined);
    await store.remove(packed[0]?.at.key ?? '');
    const { faults } = await verify(store, sample);
    expect(faults.map(({ code, event }) => ({ code, event }))).toEqual([
      { code: 'PACK_MISSING', event: undefined },
      ...packed.map(({ event }) => ({ code: 'BLOB_MISSING', event })),
    ]);
  });

  test('what the store does not answer is unchecked, not a fault', async () => {
    const { store, sample, files } = await sampleFiles();
    for (const key of files.keys()) {
      const driver = new MemoryStore().driver();
      for (const [copied, bytes] of files) await driver.put(copied, bytes);
      const get = driver.get.bind(driver);
      const refusing = new Store(
        Object.assign(driver, {
          get: (asked: string, range?: { offset: number; length: number }) =>
            asked === key ? Promise.reject(new Error('no answer')) : get(asked, range),
        }),
      );
      const report = await verify(refusing, sample);
      expect({ key, faults: report.faults, unchecked: report.unchecked.length > 0 }).toEqual({ key, faults: [], unchecked: true });
    }
    await store.close();
  });
});
