import { VirtualClock } from '@blockhub/clock';
import { describe, expect, test } from '@jest/globals';
import type { StoreDriver, StoredObject } from './driver.ts';
import { MemoryStore } from './drivers/memory.ts';
import { Store } from './store.ts';

type Lie = (honest: StoreDriver) => Partial<StoreDriver>;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function gather(objects: AsyncIterable<StoredObject>): Promise<StoredObject[]> {
  const all: StoredObject[] = [];
  for await (const object of objects) all.push(object);
  return all;
}

const open = (lie: Lie = () => ({})): Store => {
  const honest = new MemoryStore().driver();
  return new Store({ ...honest, ...lie(honest) }, { retryMs: 0 });
};

/** Each is a store that was seen in the wild, or the least change that breaks one thing. */
const liars: Record<string, [Lie, failed: string[]]> = {
  'ignores the condition': [
    (honest) => ({ create: (key, bytes) => honest.put(key, bytes).then(() => true) }),
    ['create if absent', 'one winner of a race'],
  ],
  'keeps the first and tells everybody that he won': [
    (honest) => ({ create: (key, bytes) => honest.create(key, bytes).then(() => true) }),
    ['create if absent', 'one winner of a race'],
  ],
  'looks first and writes then': [
    (honest) => ({
      async create(key, bytes) {
        if (await honest.head(key)) return false;
        await turn();
        await honest.put(key, bytes);
        return true;
      },
    }),
    ['one winner of a race'],
  ],
  'ignores ranges': [(honest) => ({ get: (key) => honest.get(key) }), ['range']],
  'lists out of order': [
    (honest) => ({
      async *list(prefix, after) {
        yield* (await gather(honest.list(prefix, after))).reverse();
      },
    }),
    ['list order'],
  ],
  'ignores where to list from': [(honest) => ({ list: (prefix) => honest.list(prefix) }), ['list order']],
  'cuts large objects': [(honest) => ({ create: (key, bytes) => honest.create(key, bytes.subarray(0, 5_000_000)) }), ['large object']],
  'shows old bytes': [
    (honest) => {
      const first = new Map<string, Buffer>();
      const put: StoreDriver['put'] = async (key, bytes) => {
        if (!first.has(key)) first.set(key, Buffer.from(bytes));
        await honest.put(key, first.get(key) ?? bytes);
      };
      return { put };
    },
    ['replace'],
  ],
};

describe('the probe', () => {
  test('finds nothing wrong with an honest store and leaves nothing behind', async () => {
    const store = open();
    const report = await store.probe();
    expect(report.checks.filter((check) => !check.ok)).toEqual([]);
    expect(report).toMatchObject({ ok: true, left: [] });
    expect(report.checks.length).toBeGreaterThanOrEqual(7);
    expect(await gather(store.list(''))).toEqual([]);
    await store.assertSafe();
  });

  test.each(Object.entries(liars))('refuses a store that %s', async (_, [lie, failed]) => {
    const store = open(lie);
    const report = await store.probe();
    expect(report.ok).toBe(false);
    expect(report.checks.filter((check) => !check.ok).map((check) => check.name)).toEqual(failed);
    await expect(store.assertSafe()).rejects.toMatchObject({ code: 'STORE_UNSAFE', transient: false, details: { failed } });
    await expect(store.assertSafe()).rejects.toThrow(failed[0] ?? '');
  });

  test('gives no verdict on a store that does not answer, and asks again later', async () => {
    let down = true;
    const store = open((honest) => ({
      head: (key) => (down ? Promise.reject(new Error('down')) : honest.head(key)),
      classify: () => 'transient',
    }));
    await expect(store.assertSafe()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    down = false;
    await store.assertSafe();
  });

  test('runs once for a process', async () => {
    let creates = 0;
    const store = open((honest) => ({
      create(key, bytes) {
        creates++;
        return honest.create(key, bytes);
      },
    }));
    await Promise.all([store.assertSafe(), store.assertSafe()]);
    const once = creates;
    await store.assertSafe();
    expect(creates).toBe(once);
  });

  describe('a verdict', () => {
    const DAY = 24 * 3_600_000;
    const memory = new MemoryStore({ clock: new VirtualClock(0) });
    /** A process of its own that starts at this time; gives how many creates that took. */
    const start = async (hours: number, { url = 's3://one/bucket', lie }: { url?: string; lie?: Lie } = {}): Promise<number> => {
      let creates = 0;
      const honest = memory.driver();
      const create: StoreDriver['create'] = (key, bytes) => {
        creates++;
        return honest.create(key, bytes);
      };
      const clock = new VirtualClock(DAY * 1000 + hours * 3_600_000);
      await new Store({ ...honest, create, ...lie?.(honest) }, { url, clock, retryMs: 0 }).assertSafe();
      return creates;
    };

    test('is for all processes, for a day and for one URL', async () => {
      const whole = await start(0);
      expect(whole).toBeGreaterThan(500);
      expect(await start(1)).toBeLessThan(5);
      expect(await start(23)).toBeLessThan(5);
      expect(await start(23, { url: 's3://two/bucket' })).toBe(whole);
      expect(await start(25)).toBe(whole);
      expect(await start(26)).toBeLessThan(5);
    });

    test('saves no store that ignores the condition now', async () => {
      const lie: Lie = (honest) => ({ create: (key, bytes) => honest.put(key, bytes).then(() => true) });
      await expect(start(27, { lie })).rejects.toMatchObject({ code: 'STORE_UNSAFE', details: { failed: ['create if absent'] } });
    });
  });

  test('takes a store that refuses to replace, but not one that does not answer', async () => {
    let replaced = 0;
    const refusing = (verdict: 'denied' | 'transient') =>
      open((honest) => ({
        put: (key, bytes) => (replaced++ % 2 === 0 ? honest.put(key, bytes) : Promise.reject(new Error('write once'))),
        classify: () => verdict,
      }));
    expect((await refusing('denied').probe()).checks.at(-1)).toMatchObject({ name: 'replace', ok: true });
    await refusing('denied').assertSafe();
    await expect(refusing('transient').assertSafe()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });

  test('reports what a write-once lock keeps, and removes what a dead probe left', async () => {
    const locked = open(() => ({ remove: () => Promise.reject(new Error('locked')), classify: () => 'denied' }));
    const report = await locked.probe();
    expect(report.ok).toBe(true);
    expect(report.left.length).toBeGreaterThan(30);

    const store = open();
    // Hours, because the clocks of machines that probe at the same time may be so far apart.
    const [old, ...running] = [25, 23, 0].map((hours) => `probe/${Date.now() - hours * 3_600_000}-x/race-1`) as [string, ...string[]];
    for (const key of [old, ...running]) await store.create(key, Buffer.from('x'));
    await store.probe();
    expect((await gather(store.list(''))).map((object) => object.key)).toEqual(running);
  });

  test('is not disturbed by what others left beside its keys, even where it cannot be opened', async () => {
    const foreign = ['probe/#recycle/x', 'probe/@eaDir/y'];
    const store = open((honest) => ({
      list: async function* (prefix, after, onUnseen) {
        if (prefix === 'probe/' && !onUnseen) throw new Error('may not be opened');
        if (prefix === 'probe/') onUnseen?.('probe/@eaDir/', new Error('may not be opened'));
        yield* honest.list(prefix, after);
      },
    }));
    const old = `probe/${Date.now() - 25 * 3_600_000}-x/race-1`;
    for (const key of [...foreign, old]) await store.create(key, Buffer.from('x'));
    expect(await store.probe()).toMatchObject({ ok: true });
    await store.assertSafe();
    const keys = (await gather(store.list(''))).map((object) => object.key);
    expect(keys).toEqual(expect.arrayContaining(foreign));
    expect(keys).not.toContain(old);
  });
});
