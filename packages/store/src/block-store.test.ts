import { describe, expect, test } from '@jest/globals';
import { type BlockForm, BlockStore } from './block-store.ts';
import { MemoryStore } from './drivers/memory.ts';
import { Store } from './store.ts';

const text = (value: string): Buffer => Buffer.from(value);
const entry = (chain: string, height: number): string => `chains/${chain}/${String(height).padStart(12, '0')}.block`;
/** As in real blocks, the first line has the id; the second one may differ between two tries. */
const form: BlockForm = {
  block: (id) => `blocks/${id}.block`,
  entry,
  id(bytes) {
    const [, id] = /^block (\w+)\n/.exec(bytes.toString()) ?? [];
    if (id === undefined) throw new Error('no block');
    return id;
  },
};
const block = (id: string, second = ''): Buffer => text(`block ${id}\n${second}`);

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
    blocks: new BlockStore(store, form),
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

const open = (): { store: Store; blocks: BlockStore } => {
  const store = new Store(new MemoryStore().driver());
  return { store, blocks: new BlockStore(store, form) };
};

describe('a block', () => {
  test('lies by its id; the first of two tries of it stays', async () => {
    const { blocks } = open();
    expect(await blocks.create(block('a', 'one'))).toEqual(block('a', 'one'));
    expect(await blocks.create(block('a', 'two'))).toEqual(block('a', 'one'));
    expect(await blocks.get('a')).toEqual(block('a', 'one'));
    await expect(blocks.get('b')).rejects.toMatchObject({ code: 'OBJECT_MISSING' });
  });

  test.each([
    ['another block', block('b')],
    ['no block', text('damage')],
  ])('is not stored where %s lies', async (_, there) => {
    const { store, blocks } = open();
    await store.put('blocks/a.block', there);
    await expect(blocks.create(block('a'))).rejects.toMatchObject({ code: 'OBJECT_EXISTS', details: { key: 'blocks/a.block' } });
    await expect(blocks.create(text('no block'))).rejects.toThrow('no block');
  });
});

describe('the next block', () => {
  const root = { chain: 'c', height: 0, id: 'root' };
  const rooted = async (): Promise<ReturnType<typeof open>> => {
    const opened = open();
    await opened.store.create(entry('c', 0), block('root'));
    return opened;
  };

  test('is set once: the first wins, may repeat it, and the others get the winner', async () => {
    const { blocks } = await rooted();
    expect(await blocks.setNext(root, block('ours', 'one'))).toEqual({ mine: true });
    expect(await blocks.setNext(root, block('ours', 'one'))).toEqual({ mine: true });
    expect(await blocks.setNext(root, block('theirs'))).toEqual({ mine: false, winner: block('ours', 'one') });
    // The same block with another second line is the same block.
    expect(await blocks.setNext(root, block('ours', 'two'))).toEqual({ mine: true });
    expect(await blocks.at('c', 1)).toEqual(block('ours', 'one'));
    expect(await blocks.at('c', 2)).toBeUndefined();
  });

  test('is not set behind one that lost, or behind nothing', async () => {
    const { blocks } = await rooted();
    await blocks.setNext(root, block('winner'));
    const lost = { chain: 'c', height: 1, id: 'loser' };
    expect(await blocks.setNext(lost, block('later'))).toEqual({ mine: false, winner: block('winner') });
    expect(await blocks.at('c', 2)).toBeUndefined();
    await expect(blocks.setNext({ ...lost, height: 5 }, block('later'))).rejects.toMatchObject({
      code: 'CHAIN_DAMAGED',
      details: { chain: 'c', height: 5, key: entry('c', 5) },
    });
  });

  test('costs one request if the caller passes the tail', async () => {
    const { store, blocks } = await rooted();
    const before = { ...store.requests };
    await blocks.setNext(root, block('a'), { known: true });
    expect(store.requests).toEqual({ ...before, create: before.create + 1 });
  });
});
