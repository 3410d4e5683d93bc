import { blockKey, buildRoot, nameKey } from '@blockhub/chain';
import { MemoryStore, Store } from '@blockhub/store';
import { findChain, verifyChain } from '@blockhub/walker';
import { describe, expect, test } from '@jest/globals';
import { createChain } from './create-chain.ts';

const openMemory = (): Store => new Store(new MemoryStore().driver());
const options = { now: 1_700_000_000_000, random: Math.random };

describe('createChain', () => {
  test('creates a chain that verifies, and gives it again for the same name', async () => {
    const store = openMemory();
    const first = await createChain(store, { ...options, name: 'mine', payload: { by: 'me' }, settings: { requests: false } });
    expect(first).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{64}$/),
      name: 'mine',
      crypt: 'sha256',
      settings: { requests: false },
      time: options.now,
      created: true,
    });
    expect(await createChain(store, { ...options, name: 'mine' })).toEqual({ ...first, created: false });
    expect(await verifyChain(store, 'mine', { settleMs: 0 })).toMatchObject({ faults: [], blocks: 1 });
  });

  test('without a name each is another', async () => {
    const store = openMemory();
    const [a, b] = [await createChain(store, options), await createChain(store, { ...options, crypt: 'md5' })];
    expect(a.id).not.toBe(b.id);
    expect(b).toMatchObject({ id: expect.stringMatching(/^[0-9a-f]{32}$/), crypt: 'md5', created: true });
  });

  test.each([1, 2])('finishes what another began and left after %d objects', async (objects) => {
    const store = openMemory();
    const root = buildRoot({ salt: '0'.repeat(32), time: 1, name: 'half' });
    for (const key of [nameKey('half'), blockKey(root.id)].slice(0, objects)) await store.create(key, root.bytes);
    expect(await findChain(store, 'half')).toBeUndefined();
    expect(await createChain(store, { ...options, name: 'half' })).toMatchObject({ id: root.id, created: false });
    expect(await verifyChain(store, 'half', { settleMs: 0 })).toMatchObject({ faults: [], blocks: 1 });
  });

  test('many at once agree on one chain', async () => {
    const store = openMemory();
    const all = await Promise.all(Array.from({ length: 20 }, () => createChain(store, { ...options, name: 'one' })));
    expect(new Set(all.map(({ id }) => id)).size).toBe(1);
    expect(all.filter(({ created }) => created)).toHaveLength(1);
  });

  test('does not begin a second chain because a bit of the name changed', async () => {
    const store = openMemory();
    await createChain(store, { ...options, name: 'mine' });
    const bytes = await store.get(nameKey('mine'));
    const at = bytes.indexOf('"salt":"') + 8;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    await store.put(nameKey('mine'), bytes);
    await expect(createChain(store, { ...options, name: 'mine' })).rejects.toMatchObject({ code: 'CHAIN_DAMAGED' });
  });

  test('refuses what cannot be', async () => {
    const store = openMemory();
    await createChain(store, { ...options, name: 'mine' });
    await expect(createChain(store, { ...options, name: 'mine', crypt: 'md5' })).rejects.toMatchObject({ code: 'CHAIN_NAME_TAKEN' });
    await expect(createChain(store, { ...options, name: 'Not A Name' })).rejects.toMatchObject({ code: 'CHAIN_INVALID' });
  });
});
