import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { blockhubHere, linesOf, type Ran } from './blockhub.fixture.ts';

let data: string;
const keys = (...args: string[]): Promise<Ran> => blockhubHere(['keys', ...args, '--data', data], { env: {} });
const created = async (...args: string[]) => linesOf(await keys('create', ...args))[0];

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'blockhub-keys-'));
  await blockhubHere(['create', 'default', '--data', data], { env: {} });
});
afterEach(() => rm(data, { recursive: true }));

test('a key is printed once, listed without its secret, revoked, and its first revocation stays', async () => {
  const made = await keys('create', '--label', 'shop');
  expect(made).toMatchObject({ code: 0, stderr: expect.stringContaining('only its hash is stored') });
  const [{ key, id, createdAt }] = linesOf(made);
  expect(key).toMatch(new RegExp(`^bh_${id}_[\\w-]{43}$`));
  expect(made.stdout).not.toContain('hash');

  const listed = await keys('list');
  expect(linesOf(listed)).toEqual([{ id, state: 'valid', label: 'shop', createdAt }]);
  expect(listed.stdout).not.toContain(key.slice(20));

  const [first] = linesOf(await keys('revoke', id, '--reason', 'left the company'));
  expect(first).toEqual({ id, revokedAt: expect.any(Number), reason: 'left the company' });
  // Who has only the key, say in a log where it should not be, can end it with that.
  expect(linesOf(await keys('revoke', key, '--reason', 'again'))).toEqual([first]);
  expect(linesOf(await keys('list'))).toMatchObject([{ id, state: 'revoked', revokedAt: first.revokedAt, reason: 'left the company' }]);
});

test('a key for chains has their ids, however they were named', async () => {
  const [{ chain }] = linesOf(await blockhubHere(['create', 'other', '--data', data], { env: {} }));
  const { id, chains } = await created('--chain', 'other', chain, 'default');
  expect(chains).toEqual([chain, expect.stringMatching(/^[0-9a-f]{64}$/)]);
  expect(linesOf(await keys('list'))).toMatchObject([{ id, chains }]);
  expect(await keys('create', '--chain', 'missing')).toMatchObject({ code: 4, stderr: expect.stringContaining('CHAIN_NOT_FOUND') });
});

test('a key for addresses keeps them', async () => {
  const { id, sources } = await created('--source', '10.0.0.0/8', '2001:db8::1');
  expect(sources).toEqual(['10.0.0.0/8', '2001:db8::1']);
  expect(linesOf(await keys('list'))).toMatchObject([{ id, state: 'valid', sources }]);
});

test('a table is for people: the key alone on stdout, and what became of each', async () => {
  const made = await keys('create', '--output', 'table');
  expect(made.stdout).toMatch(/^bh_[0-9a-f]{16}_[\w-]{43}\n$/);
  expect((await keys('list', '--output', 'table')).stdout).toMatch(/^ID .*\n[0-9a-f]{16} {2}valid {9}all {5}all /);
});

test('a key that ends is expired then', async () => {
  const { id, expiresAt } = await created('--expires', '2999-01-31T12:00:00Z');
  expect(new Date(expiresAt).toISOString()).toBe('2999-01-31T12:00:00.000Z');
  const path = join(data, 'store', 'keys', `${id}.key`);
  const record = JSON.parse(await readFile(path, 'utf8'));
  await rm(path);
  await writeFile(path, JSON.stringify({ ...record, expiresAt: 1 }));
  expect(linesOf(await keys('list'))).toMatchObject([{ id, state: 'expired' }]);
});

test('one damaged key hides no other, is a fault, and can be revoked', async () => {
  const [one, two] = [await created(), await created()];
  const path = join(data, 'store', 'keys', `${one.id}.key`);
  await rm(path);
  await writeFile(path, 'nonsense');
  const listed = await keys('list');
  expect(listed.code).toBe(1);
  expect(new Map(linesOf(listed).map(({ id, state }) => [id, state]))).toEqual(
    new Map([
      [one.id, 'damaged'],
      [two.id, 'valid'],
    ]),
  );
  expect(await keys('revoke', one.id)).toMatchObject({ code: 0 });
});

test.each<[string, string[], number, RegExp]>([
  ['an end in the past', ['create', '--expires', '2001-01-01'], 2, /is in the past/],
  ['an end that is not a time', ['create', '--expires', 'tomorrow'], 2, /--expires: "tomorrow" is not a time, expected a time such as/],
  ['an end that no calendar has', ['create', '--expires', '2999-13-01'], 2, /month 13/],
  [
    'an end without a time zone',
    ['create', '--expires', '2999-01-31T12:00'],
    2,
    /--expires: .* no time zone: write 2999-01-31T12:00Z for UTC/,
  ],
  ['an empty label', ['create', '--label', ' '], 2, /--label must have 1 to 200/],
  ['an endless label', ['create', '--label', 'x'.repeat(201)], 2, /--label must have 1 to 200/],
  ['what is not an address', ['create', '--source', '10.0.0.1', 'home'], 2, /--source: "home" is not an address/],
  ['a block with bits behind it', ['create', '--source', '10.0.0.1/8'], 2, /--source: "10.0.0.1\/8" has bits after/],
  ['a key that is not there', ['revoke', '0'.repeat(16)], 4, /KEY_NOT_FOUND/],
  ['what is not an id', ['revoke', '../x'], 2, /USAGE: expected a key or its id/],
  ['an id with the letter O', ['revoke', `O${'0'.repeat(15)}`], 2, /16 hex digits/],
  ['a part of an id', ['revoke', '0'.repeat(15)], 2, /16 hex digits/],
  ['nothing', ['revoke', ''], 2, /16 hex digits/],
])('%s is refused, and nothing is made', async (_name, args, code, text) => {
  expect(await keys(...args)).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(text) });
  expect(await readdir(join(data, 'store', 'keys')).catch(() => [])).toEqual([]);
});
