import { randomBytes } from 'node:crypto';
import { openStore, type Store } from '@blockhub/store';
import { expect, test } from '@jest/globals';
import { isSecretOf, parseKey } from './key.ts';
import { createKey, findKey, listKeys, revokeKey } from './keys.ts';

const open = () => openStore('memory:');
const make = (store: Store, more: object = {}) => createKey(store, { now: 1000, random: randomBytes(40), ...more });

test('a key is found by its id, with its limits; the bucket has the hash of its secret and never the secret', async () => {
  const store = await open();
  const { key, record } = await make(store, { label: 'shop', chains: ['a'], sources: ['10.0.0.0/8'], expiresAt: 2000 });
  const { id, secret } = parseKey(key) ?? { id: '', secret: '' };
  expect(await findKey(store, id)).toEqual({ record, sources: expect.anything() });
  expect(record).toEqual({
    id,
    hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    label: 'shop',
    chains: ['a'],
    sources: ['10.0.0.0/8'],
    createdAt: 1000,
    expiresAt: 2000,
  });
  expect([isSecretOf(record, secret), isSecretOf(record, `${secret.slice(1)}x`)]).toEqual([true, false]);
  const kept = await Array.fromAsync(store.list(''), async ({ key: name }) => `${name} ${await store.get(name)}`);
  expect(kept.join()).not.toContain(secret);
});

test.each([
  '',
  'bh_',
  `bh_${'0'.repeat(16)}_${'x'.repeat(42)}`,
  `bh_${'0'.repeat(16)}_${'x'.repeat(44)}`,
  `bh_${'0'.repeat(15)}G_${'x'.repeat(43)}`,
  `bh_${'0'.repeat(16)}_${'x'.repeat(43)}\n`,
  ` bh_${'0'.repeat(16)}_${'x'.repeat(43)}`,
  `BH_${'0'.repeat(16)}_${'x'.repeat(43)}`,
])('%j is not a key', (text) => {
  expect(parseKey(text)).toBeUndefined();
});

test.each(['', '../../etc', '0'.repeat(15), 'A'.repeat(16)])('%j is not an id, and no object is asked for', async (id) => {
  const store = await open();
  store.find = () => Promise.reject(new Error('asked'));
  expect(await findKey(store, id)).toBeUndefined();
  await expect(revokeKey(store, id, { at: 1 })).rejects.toMatchObject({ code: 'KEY_NOT_FOUND' });
});

test('a text that is not an id is not repeated: it may be a key', async () => {
  const error = await revokeKey(await open(), 'bh_almost-a-secret', { at: 1 }).catch((thrown: Error) => thrown);
  expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('almost');
});

test('sources that are none make no key', async () => {
  const store = await open();
  await expect(make(store, { sources: ['10.0.0.0/8', 'home'] })).rejects.toThrow(/sources: "home" is not an address/);
  expect(await Array.fromAsync(store.list('keys/'))).toEqual([]);
});

test('the first revocation stays, also with others later or at once', async () => {
  const store = await open();
  const { record } = await make(store);
  const all = await Promise.all([1, 2, 3].map((at) => revokeKey(store, record.id, { at, reason: `reason ${at}` })));
  expect(new Set(all.map(({ at }) => at)).size).toBe(1);
  expect(await revokeKey(store, record.id, { at: 9 })).toEqual(all[0]);
  expect(await findKey(store, record.id)).toEqual({ record, revoked: all[0] });
});

test('keys are listed by id, whatever else lies there', async () => {
  const store = await open();
  const ids = (await Promise.all(Array.from({ length: 5 }, () => make(store)))).map(({ record }) => record.id);
  await revokeKey(store, ids[0] ?? '', { at: 1 });
  await store.create('keys/readme.txt', Buffer.from('x'));
  await store.create('keys/0000000000000000.revoked', Buffer.from('{}'));
  expect(await Array.fromAsync(listKeys(store))).toEqual(ids.toSorted());
});

test('an id that is taken is not taken twice', async () => {
  const store = await open();
  const random = randomBytes(40);
  await make(store, { random });
  await expect(make(store, { random: Buffer.concat([random.subarray(0, 8), randomBytes(32)]) })).rejects.toMatchObject({
    code: 'OBJECT_EXISTS',
  });
});

test.each([
  ['cut', (text: string) => text.slice(0, -5)],
  ['with limits that cannot be read', (text: string) => text.replace('["a"]', '"a"')],
  ['with chains that are no texts', (text: string) => text.replace('["a"]', '[1]')],
  ['with an end that is not a time', (text: string) => text.replace('"expiresAt":2000', '"expiresAt":"never"')],
  ['of another id', (text: string) => text.replace(/"id":"./, '"id":"g')],
  ['without its hash', (text: string) => text.replace('"hash"', '"hush"')],
  ['that is null', () => 'null'],
])('a record %s is KEY_DAMAGED, and can be revoked', async (_name, damage) => {
  const store = await open();
  const { record } = await make(store, { chains: ['a'], expiresAt: 2000 });
  const key = `keys/${record.id}.key`;
  await store.put(key, Buffer.from(damage((await store.get(key)).toString())));
  await expect(findKey(store, record.id)).rejects.toMatchObject({ code: 'KEY_DAMAGED', details: { id: record.id } });
  expect(await revokeKey(store, record.id, { at: 5 })).toEqual({ at: 5 });
});

test.each(['', 'null', '{}', '{"at":"x","reason":7}'])('a damaged revocation (%j) revokes', async (text) => {
  const store = await open();
  const { record } = await make(store);
  await store.create(`keys/${record.id}.revoked`, Buffer.from(text));
  expect(await findKey(store, record.id)).toEqual({ record, revoked: { at: 0 } });
});
