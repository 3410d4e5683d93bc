import { VirtualClock } from '@blockhub/clock';
import { MemoryRegistry } from '@blockhub/registry';
import { MemoryStore, Store } from '@blockhub/store';
import { createChain } from '@blockhub/writer';
import { describe, expect, test } from '@jest/globals';
import { Chains } from './chains.ts';

test.each([0, -3_600_000])('what does not exist is remembered for 250 ms, also when the clock is set by %i ms', async (ms) => {
  const clock = new VirtualClock();
  const store = new Store(new MemoryStore({ clock }).driver(), { clock });
  const chains = new Chains(new MemoryRegistry(), store, clock);
  const missing = async (): Promise<boolean> => {
    const found = chains.get('late').then(
      () => true,
      () => false,
    );
    await clock.advance(0);
    return !(await found);
  };
  expect(await missing()).toBe(true);
  await createChain(store, { name: 'late', now: clock.now(), random: Math.random });
  clock.step(ms);
  await clock.advance(249);
  expect(await missing()).toBe(true);
  await clock.advance(1);
  expect(await missing()).toBe(false);
});

describe('an id is the same chain however it is written', () => {
  async function chainsOf() {
    const clock = new VirtualClock();
    const store = new Store(new MemoryStore({ clock }).driver(), { clock });
    const create = (name: string, crypt: 'sha256' | 'md5') => createChain(store, { name, crypt, now: clock.now(), random: Math.random });
    const [new256, old] = [await create('new', 'sha256'), await create('old', 'md5')];
    return { store, chains: new Chains(new MemoryRegistry(), store, clock), ids: { sha256: new256.id, md5: old.id } };
  }

  test.each<[string, (id: string) => string]>([
    ['capitals', (id) => id.toUpperCase()],
    ['mixed case', (id) => id.slice(0, 9).toUpperCase() + id.slice(9)],
    ['braces', (id) => `{${id}}`],
    ['quotes', (id) => `"${id}"`],
    ['blanks', (id) => ` ${id} `],
    ['line breaks', (id) => `${id}\r\n`],
    ['its hash', (id) => `${id.length === 32 ? 'md5' : 'sha256'}:${id}`],
    ['0x', (id) => `0x${id}`],
  ])('%s', async (_, write) => {
    const { store, chains, ids } = await chainsOf();
    for (const id of Object.values(ids)) {
      expect(chains.peek(write(id))).toBeUndefined();
      expect((await chains.get(write(id))).id).toBe(id);
      // All spellings are one chain in memory, so another one costs no request.
      const before = store.requests.get;
      for (const again of [id, write(id), id.toUpperCase()]) expect(chains.peek(again)?.id).toBe(id);
      expect(store.requests.get).toBe(before);
    }
  });

  test.each<[string, (id: string) => string, string, RegExp]>([
    ['a digit too few', (id) => id.slice(1), 'REQUEST_INVALID', /has 63 hex digits, expected 64/],
    ['a digit too many', (id) => `${id}0`, 'REQUEST_INVALID', /has 65 hex digits/],
    ['a letter O', (id) => `O${id.slice(1)}`, 'REQUEST_INVALID', /"O" at position 1/],
    ['no hex digit', (id) => `${id.slice(0, 40)}x${id.slice(41)}`, 'REQUEST_INVALID', /"x" at position 41/],
    ['cut off', (id) => `${id.slice(0, 12)}…`, 'REQUEST_INVALID', /is cut off/],
    ['another label', (id) => `md5:${id}`, 'REQUEST_INVALID', /has 64 hex digits, expected 32/],
    ['a beginning only', (id) => id.slice(0, 12), 'CHAIN_NOT_FOUND', /There is no chain/],
    ['another id', (id) => id.split('').reverse().join(''), 'CHAIN_NOT_FOUND', /There is no chain/],
    ['a name', () => 'orders', 'CHAIN_NOT_FOUND', /There is no chain "orders"/],
    ['a UUID as a name', () => '6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'CHAIN_NOT_FOUND', /There is no chain/],
  ])('%s', async (_, write, code, message) => {
    const { chains, ids } = await chainsOf();
    for (let time = 0; time < 2; time++)
      await expect(chains.get(write(ids.sha256))).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  test('a chain whose name looks like an id with too few digits is found by its name', async () => {
    const clock = new VirtualClock();
    const store = new Store(new MemoryStore({ clock }).driver(), { clock });
    const name = 'ab'.repeat(20);
    const { id } = await createChain(store, { name, now: clock.now(), random: Math.random });
    expect((await new Chains(new MemoryRegistry(), store, clock).get(name)).id).toBe(id);
  });
});
