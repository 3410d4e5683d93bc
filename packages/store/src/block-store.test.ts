import { describe, expect, test } from '@jest/globals';
import { BlobStore } from './blob-store.ts';
import { BlockStore } from './block-store.ts';
import { MemoryStore } from './drivers/memory.ts';
import { Store } from './store.ts';

const text = (value: string): Buffer => Buffer.from(value);
const entry = (chain: string, height: number): string => `chains/${chain}/${String(height).padStart(12, '0')}.block`;
const keys = { block: (id: string) => `blocks/${id}.block`, entry };

/** A chain with heights 0 to `tail` without the memory for them. */
function chainOf(tail: () => number) {
  const lies = (key: string): boolean => Number(/(\d{12})\.block$/.exec(key)?.[1]) <= tail();
  const driver = {
    ...new MemoryStore().driver(),
    head: async (key: string) => (lies(key) ? { length: 1 } : undefined),
    get: async (key: string) => (lies(key) ? text(key) : undefined),
  };
  const store = new Store(driver);
  return {
    store,
    blocks: new BlockStore(store, keys),
    requests: () => Object.values(store.requests).reduce((sum, count) => sum + count, 0),
  };
}

describe('the tail of a chain', () => {
  test('of a million heights is found without a hint in 40 requests at most', async () => {
    let most = 0;
    for (const tail of [1_000_000, 999_999, 1_000_001, 524_287, 1_118_480, 1_118_481, 1_118_482]) {
      const { blocks, requests, store } = chainOf(() => tail);
      expect(await blocks.tail('c')).toEqual({ height: tail, bytes: text(entry('c', tail)) });
      expect(store.requests.get).toBe(1);
      most = Math.max(most, requests());
    }
    expect(most).toBeLessThanOrEqual(40);
  });

  test('is found for every small chain and every hint', async () => {
    for (let tail = 0; tail < 40; tail++) {
      for (const hint of [undefined, ...Array(60).keys()]) {
        expect((await chainOf(() => tail).blocks.tail('c', hint))?.height).toBe(tail);
      }
    }
  });

  test('costs 3 requests with the right hint, and few with one a little behind', async () => {
    const exact = chainOf(() => 1_000_000);
    await exact.blocks.tail('c', 1_000_000);
    expect(exact.requests()).toBe(3);
    const behind = chainOf(() => 1_000_000);
    await behind.blocks.tail('c', 999_950);
    expect(behind.requests()).toBeLessThanOrEqual(14);
  });

  test('is none for a chain that is not there, whatever the hint', async () => {
    const { blocks } = chainOf(() => -1);
    expect(await blocks.tail('c')).toBeUndefined();
    expect(await blocks.tail('c', 1000)).toBeUndefined();
  });

  test('may grow while it is looked for', async () => {
    let tail = 100;
    const { blocks } = chainOf(() => tail++);
    expect((await blocks.tail('c'))?.height).toBeGreaterThanOrEqual(100);
  });
});

test('a height is set once', async () => {
  const blocks = new BlockStore(new Store(new MemoryStore().driver()), keys);
  expect(await blocks.create('id', text('block'))).toBe('created');
  expect((await blocks.get('id')).toString()).toBe('block');
  expect(await blocks.setNext('c', 1, text('one'))).toBe('created');
  expect(await blocks.setNext('c', 1, text('two'))).toBe('exists');
  expect((await blocks.at('c', 1))?.toString()).toBe('one');
  expect([await blocks.head('c', 1), await blocks.head('c', 2)]).toEqual([true, false]);
  await expect(blocks.get('other')).rejects.toMatchObject({ code: 'OBJECT_MISSING' });
});

describe('blobs', () => {
  const open = (): BlobStore => new BlobStore(new Store(new MemoryStore().driver()), (id) => `blobs/${id}.blob`);

  test('lie by id, are made once or replaced', async () => {
    const blobs = open();
    expect(await blobs.create('a', text('one'))).toBe('created');
    expect(await blobs.create('a', text('two'))).toBe('exists');
    expect((await blobs.get('a')).toString()).toBe('one');
    await blobs.put('a', text('three'));
    expect((await blobs.get('a')).toString()).toBe('three');
    await expect(blobs.get('b')).rejects.toMatchObject({ code: 'OBJECT_MISSING' });
  });

  test('are pieces of objects, or whole ones', async () => {
    const blobs = open();
    await blobs.create('pack', text('0123456789'));
    const key = 'blobs/pack.blob';
    expect((await blobs.read({ key, offset: 2, length: 3 })).toString()).toBe('234');
    expect((await blobs.read({ key, offset: 10, length: 0 })).toString()).toBe('');
    expect((await blobs.read({ key, length: 10 })).toString()).toBe('0123456789');
    await expect(blobs.read({ key, offset: 8, length: 3 })).rejects.toMatchObject({ code: 'OBJECT_MISSING', details: { found: 2 } });
    await expect(blobs.read({ key, length: 11 })).rejects.toMatchObject({ code: 'OBJECT_MISSING' });
    await expect(blobs.read({ key, length: 9 })).rejects.toMatchObject({ code: 'OBJECT_HASH_MISMATCH' });
    await expect(blobs.read({ key: '../x', length: 9 })).rejects.toMatchObject({ code: 'STORE_KEY_INVALID' });
  });

  test('are checked on read by who knows the hash', async () => {
    const blobs = open();
    await blobs.create('a', text('right'));
    const right = (bytes: Buffer): boolean => bytes.toString() === 'right';
    expect((await blobs.get('a', right)).toString()).toBe('right');
    await blobs.put('a', text('wrong'));
    await expect(blobs.get('a', right)).rejects.toMatchObject({ code: 'OBJECT_HASH_MISMATCH', details: { key: 'blobs/a.blob' } });
    await expect(blobs.read({ key: 'blobs/a.blob', offset: 0, length: 5 }, right)).rejects.toMatchObject({ code: 'OBJECT_HASH_MISMATCH' });
  });
});
