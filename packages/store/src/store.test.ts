import { VirtualClock } from '@blockhub/clock';
import { hasCode } from '@blockhub/errors';
import { describe, expect, test } from '@jest/globals';
import type { FailureClass, StoreDriver } from './driver.ts';
import { keyBehaviour } from './drivers/key-behaviour.fixture.ts';
import { MemoryStore } from './drivers/memory.ts';
import { Store, type StoreOptions } from './store.ts';

const text = (value: string): Buffer => Buffer.from(value);

function open(options: StoreOptions = {}, change: (driver: StoreDriver) => Partial<StoreDriver> = () => ({})) {
  const clock = new VirtualClock(0);
  const shared = new MemoryStore({ clock });
  const driver = shared.driver({ behaviour: keyBehaviour() });
  const store = new Store({ ...driver, ...change(driver) }, { clock, random: () => 1, ...options });
  return { clock, shared, store };
}

/** Lets virtual time run until the promise is settled. */
async function settle<T>(clock: VirtualClock, promise: Promise<T>): Promise<T> {
  let done = false;
  const finish = (): void => {
    done = true;
  };
  promise.then(finish, finish);
  await clock.run(() => done, 600_000);
  return promise;
}

describe('keys', () => {
  const bad = [
    '',
    '/',
    '/a',
    'a/',
    'a//b',
    '.',
    '..',
    '../a',
    'a/../b',
    'a/.b',
    '.tmp/x',
    'a\\b',
    'a\0b',
    'a\nb',
    '\ud800',
    'x'.repeat(256),
    `${'abc/'.repeat(300)}x`,
  ];
  test.each(bad)('%j is refused by every operation', async (key) => {
    const { store } = open();
    const refused = (error: unknown): boolean => hasCode(error, 'STORE_KEY_INVALID');
    for (const ask of [store.find(key), store.head(key), store.create(key, text('')), store.put(key, text('')), store.remove(key)]) {
      expect(refused(await ask.catch((error: unknown) => error))).toBe(true);
    }
    expect(store.requests).toEqual({ get: 0, head: 0, create: 0, put: 0, remove: 0, list: 0 });
  });

  test.each(['/', '../', 'a/../', 'a//', '.tmp/', '/etc'])('%j is refused as a prefix', async (prefix) => {
    await expect(open().store.list(prefix).next()).rejects.toMatchObject({ code: 'STORE_KEY_INVALID' });
  });

  test.each(['a', 'blocks/0f.block', 'chains/a/000000000001.block', 'é/ü', 'a b', 'a..b', 'x'.repeat(255)])('%j is fine', async (key) => {
    expect(await open().store.create(key, text('x'))).toBe('created');
  });
});

test('what is kept is there, or was there and is the same; other bytes are refused', async () => {
  const { store } = open();
  const [one, two] = [text('same: one'), text('same: two')];
  const isSame = (there: Buffer): boolean => there.toString().startsWith('same');
  expect(await store.keep('a', one)).toBe(one);
  const again = text('same: one');
  expect(await store.keep('a', again)).toBe(again);
  await expect(store.keep('a', two)).rejects.toMatchObject({ code: 'OBJECT_EXISTS', details: { key: 'a' } });
  expect(await store.keep('a', two, isSame)).toEqual(one);
  await expect(store.keep('a', text('other'), () => false)).rejects.toMatchObject({ code: 'OBJECT_EXISTS' });
  expect(await store.get('a')).toEqual(one);
});

describe('failures', () => {
  test('transient ones are tried again with a growing wait', async () => {
    const { clock, store } = open();
    expect(await settle(clock, store.create('BAD3', text('x')))).toBe('created');
    expect(clock.now()).toBe(20 + 40 + 80);
    expect(store.requests.create).toBe(4);
  });

  test('every answer is reported, with its time and what its failure means', async () => {
    const raw = new Error('no');
    const answers: unknown[] = [];
    const { clock, store } = open({ onAnswer: (...answer) => answers.push(answer) }, () => ({
      get: () => clock.sleep(30).then(() => undefined),
      put: () => Promise.reject(raw),
      list: () => {
        throw raw;
      },
      classify: () => 'denied',
    }));
    await settle(clock, store.find('a'));
    await expect(store.put('a', text('x'))).rejects.toMatchObject({ code: 'STORE_DENIED' });
    await expect(store.list('').next()).rejects.toMatchObject({ code: 'STORE_DENIED' });
    expect(answers).toEqual([
      ['get', 30, undefined],
      ['put', 0, 'denied'],
      ['list', 0, 'denied'],
    ]);
  });

  test('after retryMs the error says so, and can be waited for', async () => {
    const { clock, store } = open({ retryMs: 1000 });
    const error = await settle(
      clock,
      store.find('BAD1000').catch((thrown: unknown) => thrown),
    );
    expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', transient: true, details: { operation: 'get', key: 'BAD1000' } });
    expect((error as Error).cause).toBeInstanceOf(Error);
    expect(clock.now()).toBeLessThanOrEqual(1000);
    expect(clock.now()).toBeGreaterThan(500);
  });

  test('a server that asks to wait is waited for', async () => {
    let asked = 0;
    const { clock, store } = open({}, (driver) => ({
      get: (key) => (asked++ === 0 ? Promise.reject(new Error('slow down')) : driver.get(key)),
      classify: () => 'transient',
      retryAfterMs: () => 3000,
    }));
    await settle(clock, store.find('a'));
    expect([asked, clock.now()]).toEqual([2, 3000]);
  });

  test('a server that asks for longer than retryMs is given up at once', async () => {
    const { clock, store } = open({}, () => ({
      get: () => Promise.reject(new Error('slow down')),
      classify: () => 'transient',
      retryAfterMs: () => 3_600_000,
    }));
    await expect(store.find('a')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect([store.requests.get, clock.now()]).toEqual([1, 0]);
  });

  test.each([-3_600_000, 3_600_000])('retryMs is what passes, also when the clock is set by %i ms meanwhile', async (ms) => {
    const { clock, store } = open({ retryMs: 1000 }, (driver) => ({
      async *list(prefix, after) {
        yield* after === undefined ? driver.list(prefix) : [];
        throw new Error('broken');
      },
      classify: () => 'transient',
    }));
    await store.create('a', text('x'));
    clock.step(-ms);
    clock.after(500, () => clock.step(ms));
    const failures: unknown[] = [];
    const tries = [store.find('BAD1000'), Array.fromAsync(store.list('')), Array.fromAsync(store.list('none'))];
    for (const one of tries) one.catch((error: unknown) => failures.push(error));
    await clock.advance(1000);
    expect(failures).toMatchObject(tries.map(() => ({ code: 'STORE_UNAVAILABLE' })));
    expect(store.requests).toMatchObject({ get: 6, list: 12 });
  });

  test('retryMs 0 means one try', async () => {
    const { store } = open({ retryMs: 0 });
    await expect(store.head('BAD1')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(store.requests.head).toBe(1);
  });

  test('a create whose answer is lost is read back: ours', async () => {
    const { store } = open({ retryMs: 0 });
    expect(await store.create('LOST1', text('mine'))).toBe('created');
    expect(store.requests).toMatchObject({ create: 1, get: 1 });
  });

  test('a create whose answer is lost is read back: another one’s', async () => {
    const { shared, store } = open({ retryMs: 0 });
    await shared.driver().create('LOST1', text('other'));
    expect(await store.create('LOST1', text('mine'))).toBe('exists');
  });

  test('a known loser gets exists although the bytes are the same', async () => {
    const { store } = open();
    expect(await store.create('a', text('x'))).toBe('created');
    expect(await store.create('a', text('x'))).toBe('exists');
    expect(store.requests.get).toBe(0);
  });

  test.each([
    ['denied', 'STORE_DENIED'],
    ['full', 'STORE_FULL'],
  ] as const)('%s is thrown at once as %s', async (failure: FailureClass, code) => {
    const raw = new Error('raw');
    const { store } = open({}, () => ({ put: () => Promise.reject(raw), classify: () => failure }));
    await expect(store.put('a', text('x'))).rejects.toMatchObject({ code, cause: raw, transient: true });
    expect(store.requests.put).toBe(1);
  });

  test('a permanent one is thrown as it is', async () => {
    const raw = new TypeError('bug');
    const { store } = open({}, () => ({ get: () => Promise.reject(raw) }));
    await expect(store.find('a')).rejects.toBe(raw);
  });

  test('a listing goes on where it broke off', async () => {
    let breaks = 2;
    const { clock, store } = open({}, (driver) => ({
      async *list(prefix, after) {
        let given = 0;
        for await (const object of driver.list(prefix, after)) {
          if (given++ === 2 && breaks-- > 0) throw new Error('broken');
          yield object;
        }
      },
      classify: () => 'transient',
    }));
    for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) await store.create(key, text('x'));
    const seen: string[] = [];
    const listing = (async () => {
      for await (const { key } of store.list('')) seen.push(key);
    })();
    await settle(clock, listing);
    expect(seen).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
    expect(store.requests.list).toBe(3);
  });

  test('close ends the waiting', async () => {
    const { clock, store } = open({ retryMs: 1_000_000 });
    const waiting = store.find('BAD1000').catch((thrown: unknown) => thrown);
    await clock.advance(5000);
    await store.close();
    expect(await settle(clock, waiting)).toMatchObject({ code: 'STORE_UNAVAILABLE', message: 'store memory: is closed' });
  });
});

test('close ends a probe', async () => {
  let tries = 0;
  const { clock, store } = open({}, (driver) => ({
    create: () => {
      tries++;
      return Promise.reject(new Error('away'));
    },
    classify: (error) => ((error as Error).message === 'away' ? 'unknown' : driver.classify(error)),
  }));
  const probing = store.probe();
  await clock.advance(1);
  expect(tries).toBe(1);
  await store.close();
  expect(await settle(clock, probing)).toMatchObject({ ok: false });
  expect(tries).toBe(1);
  expect(clock.now()).toBeLessThan(1000);
  expect(await store.probe()).toMatchObject({ ok: false });
  expect(tries).toBe(1);
});

test('get throws where nothing lies, find does not', async () => {
  const { store } = open();
  expect(await store.find('a')).toBeUndefined();
  await expect(store.get('a')).rejects.toMatchObject({ code: 'OBJECT_MISSING', details: { key: 'a' } });
});

test('no more requests than allowed are in flight, and all are served in order', async () => {
  let flying = 0;
  let most = 0;
  const order: string[] = [];
  const { clock, store } = open({ concurrency: 3 }, (driver) => ({
    async get(key) {
      order.push(key);
      most = Math.max(most, ++flying);
      const bytes = await driver.get(key);
      flying--;
      return bytes;
    },
  }));
  const keys = Array.from({ length: 20 }, (_, at) => `${at}/BAD0-10`);
  await settle(clock, Promise.all(keys.map((key) => store.find(key))));
  expect(most).toBe(3);
  expect(order).toEqual(keys);
  expect(clock.now()).toBe(70);
});

test('every request is counted and reported', async () => {
  const seen: string[] = [];
  const { clock, store } = open({ onRequest: (operation, key) => seen.push(`${operation} ${key}`) });
  await settle(clock, store.create('BAD1', text('x')));
  await store.head('BAD0');
  for await (const _ of store.list('B'));
  expect(seen).toEqual(['create BAD1', 'get BAD1', 'create BAD1', 'head BAD0', 'list B']);
  expect(store.requests).toEqual({ get: 1, head: 1, create: 2, put: 0, remove: 0, list: 1 });
});
