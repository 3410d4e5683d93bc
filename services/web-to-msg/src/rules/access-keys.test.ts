import { randomBytes } from 'node:crypto';
import { createKey, revokeKey } from '@blockhub/access';
import { BlockhubError } from '@blockhub/errors';
import { createChain } from '@blockhub/writer';
import { describe, expect, test } from '@jest/globals';
import { type AccessTest, ask, open, subjectOf } from './access.fixture.ts';
import { headOf, verdictOf } from './rule.fixture.ts';
import type { Head } from './rule.ts';

describe('API keys', () => {
  const made = async (rule: AccessTest, options: { chains?: string[]; sources?: string[]; expiresAt?: number } = {}) =>
    createKey(rule.test.store, { now: rule.test.clock.now(), random: randomBytes(40), ...options });

  test('are accepted in x-api-key and as Bearer, and name the sender', async () => {
    const rule = await open({ apiKeys: true });
    const { key, record } = await made(rule);
    expect(await subjectOf(rule, { 'x-api-key': key })).toEqual({ subject: `key:${record.id}` });
    expect(await subjectOf(rule, { authorization: `bearer  ${key}` })).toEqual({ subject: `key:${record.id}` });
  });

  test.each<[string, (key: string) => Head['headers'], string]>([
    ['none', () => ({}), 'ACCESS_REQUIRED'],
    ['another secret', (key) => ({ 'x-api-key': `${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}` }), 'ACCESS_DENIED'],
    ['another id', (key) => ({ 'x-api-key': `bh_${'0'.repeat(16)}${key.slice(19)}` }), 'ACCESS_DENIED'],
    ['no key at all', () => ({ 'x-api-key': 'x' }), 'ACCESS_DENIED'],
    ['a way out of the folder', (key) => ({ 'x-api-key': `bh_../../../../x${key.slice(19)}` }), 'ACCESS_DENIED'],
    ['the id in capitals', (key) => ({ 'x-api-key': `bh_${key.slice(3, 19).toUpperCase()}${key.slice(19)} ` }), 'ACCESS_DENIED'],
    ['two headers', (key) => ({ 'x-api-key': `${key}, ${key}` }), 'ACCESS_DENIED'],
    ['Basic', (key) => ({ authorization: `Basic ${key}` }), 'ACCESS_REQUIRED'],
    ['a wrong key and a right Bearer', (key) => ({ 'x-api-key': 'x', authorization: `Bearer ${key}` }), 'ACCESS_DENIED'],
  ])('%s', async (_name, headers, expected) => {
    const rule = await open({ apiKeys: true });
    const { key } = await made(rule);
    expect(await ask(rule, headers(key))).toBe(expected);
  });

  test('of some chains are good for no other, by id or name, and tell nothing of those', async () => {
    const rule = await open({ apiKeys: true });
    const create = (name: string) => createChain(rule.test.store, { name, now: 1, random: Math.random });
    const [mine, other] = [await create('mine'), await create('other')];
    const { key } = await made(rule, { chains: [mine.id] });
    const headers = { 'x-api-key': key };
    expect(await Promise.all(['mine', mine.id, 'other', other.id, 'unknown'].map((chain) => ask(rule, headers, chain)))).toEqual([
      'passed',
      'passed',
      'ACCESS_FORBIDDEN',
      'ACCESS_FORBIDDEN',
      'ACCESS_FORBIDDEN',
    ]);
    const none = await made(rule, { chains: [] });
    expect(await ask(rule, { 'x-api-key': none.key }, 'mine')).toBe('ACCESS_FORBIDDEN');
  });

  test.each<[string, (id: string) => string]>([
    ['as it is', (id) => id],
    ['in capitals', (id) => id.toUpperCase()],
    ['in mixed case', (id) => id.slice(0, 30).toUpperCase() + id.slice(30)],
    ['with its hash', (id) => `sha256:${id}`],
    ['with its hash in capitals', (id) => `SHA-256:${id.toUpperCase()}`],
    ['in braces', (id) => `{${id}}`],
    ['with blanks', (id) => ` ${id}\n`],
  ])('a chain written %s is the same chain, in the key and in the request', async (_, write) => {
    const rule = await open({ apiKeys: true });
    const create = (name: string) => createChain(rule.test.store, { name, now: 1, random: Math.random });
    const [mine, other] = [await create('mine'), await create('other')];
    const [plain, written] = [await made(rule, { chains: [mine.id] }), await made(rule, { chains: [write(mine.id)] })];
    for (const { key } of [plain, written]) {
      for (const chain of ['mine', mine.id, write(mine.id)]) expect(await ask(rule, { 'x-api-key': key }, chain)).toBe('passed');
      for (const chain of ['other', write(other.id), write(mine.id).slice(1, -2), `${write(mine.id)}0`])
        expect(await ask(rule, { 'x-api-key': key }, chain)).toBe('ACCESS_FORBIDDEN');
    }
  });

  test.each<[string[] | undefined, string, string]>([
    [undefined, '192.0.2.1', 'passed'],
    [['192.0.2.0/24', '10.1.2.3'], '192.0.2.1', 'passed'],
    [['192.0.2.0/24', '10.1.2.3'], '::ffff:10.1.2.3', 'passed'],
    [['fe80::/10'], 'fe80::1%eth0', 'passed'],
    [['192.0.2.0/24'], '192.0.3.1', 'ACCESS_FORBIDDEN'],
    [['192.0.2.0/24'], '2001:db8::1', 'ACCESS_FORBIDDEN'],
    [['0.0.0.0/0', '::/0'], '', 'ACCESS_FORBIDDEN'],
    [[], '192.0.2.1', 'ACCESS_FORBIDDEN'],
  ])('for the sources %j: from %j', async (sources, ip, expected) => {
    const rule = await open({ apiKeys: true });
    const { key } = await made(rule, sources && { sources });
    const head = headOf({ 'x-api-key': key }, { client: { ip, port: 1, tls: false } });
    expect(await verdictOf(() => rule.head?.(head))).toBe(expected);
  });

  test('end when their time comes', async () => {
    const rule = await open({ apiKeys: true });
    const { key } = await made(rule, { expiresAt: rule.test.clock.now() + 1000 });
    expect(await ask(rule, { 'x-api-key': key })).toBe('passed');
    rule.test.clock.step(1000);
    expect(await ask(rule, { 'x-api-key': key })).toBe('ACCESS_DENIED');
  });

  test('that are revoked end within apiKeyRefresh; until then the store is not asked', async () => {
    const rule = await open({ apiKeys: true, apiKeyRefresh: 5000 });
    const { key, record } = await made(rule);
    expect(await ask(rule, { 'x-api-key': key })).toBe('passed');
    await revokeKey(rule.test.store, record.id, { at: 1 });
    const { get } = rule.test.store.requests;
    await rule.test.clock.run(() => false, 4999);
    expect(await ask(rule, { 'x-api-key': key })).toBe('passed');
    expect(rule.test.store.requests.get).toBe(get);
    await rule.test.clock.run(() => false, 1);
    expect(await ask(rule, { 'x-api-key': key })).toBe('ACCESS_DENIED');
  });

  test('unavailable: a store that is away, a damaged key; never passed, never the fault of the sender', async () => {
    const rule = await open({ apiKeys: true });
    const { key, record } = await made(rule);
    const { store } = rule.test;
    const find = store.find.bind(store);
    store.find = () => Promise.reject(new BlockhubError('STORE_UNAVAILABLE', 'away'));
    expect(await ask(rule, { 'x-api-key': key })).toBe('thrown STORE_UNAVAILABLE');
    store.find = find;
    for (const limit of [{ chains: 'mine' }, { sources: ['everywhere'] }, { methods: ['POST'] }]) {
      await store.put(`keys/${record.id}.key`, Buffer.from(JSON.stringify({ ...record, ...limit })));
      expect(await ask(rule, { 'x-api-key': key })).toBe('thrown KEY_DAMAGED');
    }
  });

  test('that are made up do not fill the store with questions', async () => {
    const rule = await open({ apiKeys: true });
    const gate = Promise.withResolvers<undefined>();
    rule.test.store.find = () => gate.promise;
    const asked = Array.from({ length: 40 }, () => ask(rule, { 'x-api-key': `bh_${randomBytes(8).toString('hex')}_${'x'.repeat(43)}` }));
    gate.resolve(undefined);
    const verdicts = await Promise.all(asked);
    expect([
      verdicts.filter((one) => one === 'ACCESS_DENIED').length,
      verdicts.filter((one) => one === 'thrown CAPTURE_BUSY').length,
    ]).toEqual([16, 24]);
    rule.test.store.find = () => Promise.resolve(undefined);
    expect(await ask(rule, { 'x-api-key': `bh_${'1'.repeat(16)}_${'x'.repeat(43)}` })).toBe('ACCESS_DENIED');
  });
});
