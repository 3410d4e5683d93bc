/** @group long: it damages each object of a chain in turn. */
import { blockKey, entryKey, nameKey } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import { MemoryStore, Store, type StoreDriver } from '@blockhub/store';
import { describe, expect, test } from '@jest/globals';
import { findChain, listChains } from './find.ts';
import { findHeight } from './position.ts';
import { readCopies } from './read-copies.ts';
import { findReceipt } from './receipt.ts';
import { type Sample, writeSample } from './sample-chain.ts';
import { findNewest, findTail } from './tail.ts';
import { verifyAll } from './verify.ts';

const START = 1_700_000_000_000;

/** A store of which some keys cannot be read, as where permissions or a disk are bad. */
function openHalfBlind(): { store: Store; hide: (...keys: string[]) => void } {
  const hidden = new Set<string>();
  const driver = new MemoryStore().driver();
  const look = (key: string): void => {
    if (hidden.has(key)) throw Object.assign(new Error(`EACCES: ${key}`), { code: 'EACCES' });
  };
  const blind: StoreDriver = {
    ...driver,
    get: async (key, range) => {
      look(key);
      return driver.get(key, range);
    },
    head: async (key) => {
      look(key);
      return driver.head(key);
    },
    list: async function* (prefix, after, onUnseen) {
      if (hidden.has(prefix)) onUnseen ? onUnseen(prefix, new Error('EACCES')) : look(prefix);
      else yield* driver.list(prefix, after);
    },
    classify: () => 'denied',
  };
  return { store: new Store(blind), hide: (...keys) => keys.forEach((key) => void hidden.add(key)) };
}

type Blind = ReturnType<typeof openHalfBlind>;
type Harm = (blind: Blind, key: string) => Promise<unknown> | unknown;

const harms: readonly (readonly [string, Harm])[] = [
  ['missing', ({ store }, key) => store.remove(key)],
  ['damaged', ({ store }, key) => store.put(key, Buffer.from('{"nonsense":1}\n'))],
  [
    'changed in one bit',
    async ({ store }, key) => {
      const bytes = await store.get(key);
      bytes[20] = (bytes[20] ?? 0) ^ 1;
      await store.put(key, bytes);
    },
  ],
  ['empty', ({ store }, key) => store.put(key, Buffer.alloc(0))],
  ['unreadable', ({ hide }, key) => hide(key)],
];

/** 20 blocks, each a second after the one before. */
async function sample(): Promise<Blind & { sample: Sample; unseen: string[]; onUnseen: (key: string) => void }> {
  const blind = openHalfBlind();
  const unseen: string[] = [];
  return {
    ...blind,
    sample: await writeSample(blind.store, { blocks: 20, name: 'sample', time: START }),
    unseen,
    onUnseen: (key) => void unseen.push(key),
  };
}

describe.each(harms)('an entry that is %s', (_, harm) => {
  test.each([0, 1, 9, 10, 11, 19, 20])('at height %i hides no event or blob of another block', async (height) => {
    const { sample: made, onUnseen, ...blind } = await sample();
    await harm(blind, entryKey(made.chain, height));
    for (const [at, receipts] of made.receipts.entries()) {
      const [wanted] = receipts;
      if (!wanted || at === height) continue;
      for (const id of [wanted.event, wanted.hash])
        expect([at, (await findReceipt(blind.store, made.chain, id, { onUnseen }))?.block.height]).toEqual([at, at]);
    }
  });

  test('is gone around by the copy of its block, so that nothing is hidden', async () => {
    const { sample: made, unseen, onUnseen, ...blind } = await sample();
    await harm(blind, entryKey(made.chain, 9));
    for (const id of [made.receipts[9]?.[1]?.hash ?? '', made.receipts[9]?.[2]?.event ?? ''])
      expect(await findReceipt(blind.store, made.chain, id, {})).toMatchObject({ block: { height: 9 } });
    expect(await findReceipt(blind.store, made.chain, 'ab'.repeat(32), { onUnseen })).toBeUndefined();
    expect(unseen).toEqual([]);
  });

  test('is reported, if the copy is bad too', async () => {
    for (const [, harmCopy] of harms) {
      const { sample: made, unseen, onUnseen, ...blind } = await sample();
      await harm(blind, entryKey(made.chain, 9));
      await harmCopy(blind, blockKey(made.tails[9]?.id ?? ''));
      expect(await findReceipt(blind.store, made.chain, made.receipts[9]?.[0]?.hash ?? '', { onUnseen })).toBeUndefined();
      expect(unseen).toEqual([entryKey(made.chain, 9)]);
      expect(await findReceipt(blind.store, made.chain, made.receipts[12]?.[0]?.hash ?? '')).toMatchObject({ block: { height: 12 } });
    }
  });

  test('at the end is reported, and its block is found among the copies', async () => {
    const { sample: made, unseen, onUnseen, ...blind } = await sample();
    await harm(blind, entryKey(made.chain, 20));
    const found: unknown[] = [];
    for await (const { height } of readCopies(blind.store, { onUnseen })) found.push(height);
    expect(found).toEqual([20]);
    expect(unseen).toEqual([]);
  });

  test.each([0, 1, 9, 10, 15, 19, 20])('at height %i does not keep times from being found', async (bad) => {
    const { sample: made, onUnseen, ...blind } = await sample();
    await harm(blind, entryKey(made.chain, bad));
    const last = bad === 20 && (await findNewest(blind.store, made.chain)).last === 19 ? 19 : 20;
    for (let height = 0; height <= 20; height++) {
      const time = START + height * 1000;
      const from = await findHeight(blind.store, made.chain, { time }, 'from', onUnseen);
      const to = await findHeight(blind.store, made.chain, { time }, 'to', onUnseen);
      // The bad height may be of the time, so it is never left out.
      expect([height, from]).toEqual([height, Math.min(height === bad + 1 ? bad : height, last + 1)]);
      expect([height, to]).toEqual([height, Math.min(height === bad - 1 ? bad : height, last)]);
    }
  });

  test.each([1, 9, 19])('in the middle (%i) is not taken for the end', async (height) => {
    const { sample: made, onUnseen, ...blind } = await sample();
    await harm(blind, entryKey(made.chain, height));
    expect(await findNewest(blind.store, made.chain, onUnseen)).toEqual({ last: 20, tail: made.tails[20] });
    expect(await findHeight(blind.store, made.chain, -3, 'from')).toBe(18);
  });
});

test('a run of entries that cannot be read is gone around, however long', async () => {
  for (const [, harm] of harms) {
    const blind = openHalfBlind();
    const made = await writeSample(blind.store, { blocks: 300, blobsPerBlock: 1, time: START });
    for (let height = 60; height < 240; height++) await harm(blind, entryKey(made.chain, height));
    expect(await findHeight(blind.store, made.chain, { time: START + 20_000 }, 'from')).toBe(20);
    expect(await findHeight(blind.store, made.chain, { time: START + 290_000 }, 'to')).toBe(290);
    expect(await findHeight(blind.store, made.chain, { time: START + 100_000 }, 'from')).toBe(60);
    expect(await findHeight(blind.store, made.chain, { time: START + 100_000 }, 'to')).toBe(239);
    expect((await findNewest(blind.store, made.chain)).tail?.height).toBe(300);
    expect(await findReceipt(blind.store, made.chain, made.receipts[295]?.[0]?.hash ?? '')).toMatchObject({ block: { height: 295 } });
  }
});

describe('the end of a chain', () => {
  test('where nothing is wrong costs one request more than the tail', async () => {
    const { store, sample: made } = await sample();
    const count = (): number => Object.values(store.requests).reduce((sum, one) => sum + one, 0);
    const [before, first] = [count(), await findTail(store, made.chain)];
    const between = count();
    expect(await findNewest(store, made.chain)).toEqual({ last: 20, tail: first });
    expect(count() - between).toBe(between - before + 1);
  });

  test.each(harms.slice(1))('that is %s gives the newest block that can be read, and the height that cannot', async (_, harm) => {
    const { sample: made, unseen, onUnseen, ...blind } = await sample();
    for (const height of [18, 19, 20]) await harm(blind, entryKey(made.chain, height));
    expect(await findNewest(blind.store, made.chain, onUnseen)).toEqual({ last: 20, tail: made.tails[17] });
    expect(unseen).toEqual([20, 19, 18].map((height) => entryKey(made.chain, height)));
  });

  test('of an unknown chain is not found', async () => {
    await expect(findNewest(openHalfBlind().store, 'ab'.repeat(32))).rejects.toMatchObject({ code: 'CHAIN_NOT_FOUND' });
  });
});

describe('a block by its id', () => {
  test.each(harms)('is found in the chain although its copy is %s', async (_, harm) => {
    const { sample: made, onUnseen, ...blind } = await sample();
    await harm(blind, blockKey(made.tails[7]?.id ?? ''));
    expect(await findHeight(blind.store, made.chain, { id: made.tails[7]?.id ?? '' }, 'from', onUnseen)).toBe(7);
  });

  test.each(harms)('is found by its copy although its entry is %s', async (_, harm) => {
    const { sample: made, ...blind } = await sample();
    await harm(blind, entryKey(made.chain, 7));
    expect(await findHeight(blind.store, made.chain, { id: made.tails[7]?.id ?? '' }, 'to')).toBe(7);
  });

  test('is missing only where everything was looked at', async () => {
    const { sample: made, ...blind } = await sample();
    const unknown = { id: 'ab'.repeat(32) };
    await expect(findHeight(blind.store, made.chain, unknown, 'from')).rejects.toMatchObject({ code: 'OBJECT_MISSING' });
    blind.hide(entryKey(made.chain, 5), blockKey(made.tails[5]?.id ?? ''));
    await expect(findHeight(blind.store, made.chain, unknown, 'from')).rejects.toMatchObject({
      code: 'SEARCH_INCOMPLETE',
      message: expect.stringContaining(entryKey(made.chain, 5)),
    });
  });
});

describe('one chain of many', () => {
  async function many(): Promise<Blind & { samples: Sample[] }> {
    const blind = openHalfBlind();
    const samples: Sample[] = [];
    for (let seed = 1; seed <= 4; seed++) samples.push(await writeSample(blind.store, { blocks: 2, seed, name: `chain-${seed}` }));
    return { ...blind, samples };
  }
  const keysOf = ({ chain, tails }: Sample): string[] => [
    `chains/${chain}/`,
    ...tails.flatMap(({ id, height }) => [entryKey(chain, height), blockKey(id)]),
  ];

  test('that cannot be read hides no other in a list, nor in a verify of all', async () => {
    const { store, hide, samples } = await many();
    hide(...keysOf(samples[1] as Sample));
    const listed = await Array.fromAsync(listChains(store));
    expect(new Map(listed.map(({ id, name, error }) => [id, [name, (error as BlockhubError | undefined)?.code]]))).toEqual(
      new Map(samples.map(({ chain }, at) => [chain, at === 1 ? [undefined, 'STORE_DENIED'] : [`chain-${at + 1}`, undefined]])),
    );
    const reports = await verifyAll(store, { settleMs: 0, level: 'blobs' });
    expect(reports.map(({ chain, faultCount, uncheckedCount }) => [chain, faultCount, uncheckedCount > 0]).sort()).toEqual(
      samples.map(({ chain }, at) => [chain, 0, at === 1]).sort(),
    );
  });

  test('is found by its name although another, or the object of its name, cannot be read', async () => {
    const { store, hide, samples } = await many();
    hide(...keysOf(samples[1] as Sample), nameKey('chain-3'), nameKey('missing'));
    const unseen: string[] = [];
    const onUnseen = (key: string): void => void unseen.push(key);
    expect((await findChain(store, 'chain-1', { onUnseen }))?.id).toBe(samples[0]?.chain);
    expect(unseen).toEqual([]);
    expect((await findChain(store, 'chain-3', { onUnseen }))?.id).toBe(samples[2]?.chain);
    expect(unseen).toContain(nameKey('chain-3'));
    // The chain that cannot be read may have that name.
    for (const options of [{}, { scan: true }])
      await expect(findChain(store, 'missing', options)).rejects.toMatchObject({ code: 'SEARCH_INCOMPLETE' });
    expect(await findChain(store, 'another')).toBeUndefined();
    await expect(findChain(store, 'another', { scan: true })).rejects.toMatchObject({ code: 'SEARCH_INCOMPLETE' });
  });

  test('by its id, however that is written', async () => {
    const { store, samples } = await many();
    const id = samples[0]?.chain ?? '';
    for (const text of [id, id.toUpperCase(), `sha256:${id}`, `{${id}}`, ` ${id}\n`]) expect((await findChain(store, text))?.id).toBe(id);
    expect(await findChain(store, id.slice(0, 20))).toBeUndefined();
  });

  test('a list of chains that cannot be listed says so, and throws only if onUnseen is not set', async () => {
    const { store, hide } = await many();
    hide('chains/');
    const unseen: unknown[] = [];
    expect(await Array.fromAsync(listChains(store, { onUnseen: (key, error) => unseen.push(key, (error as BlockhubError).code) }))).toEqual(
      [],
    );
    expect(unseen).toEqual(['chains/', 'STORE_DENIED']);
    await expect(Array.fromAsync(listChains(store))).rejects.toBeInstanceOf(BlockhubError);
  });
});
