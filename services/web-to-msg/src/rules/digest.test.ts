import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { digestRule } from './digest.ts';
import { headOf, ruleOf, ruleTest, verdictOf } from './rule.fixture.ts';

const body = Buffer.from('{"hello":"world"}\n');
const of = (algorithm: string, encoding: 'base64' | 'hex' = 'base64', bytes = body): string =>
  createHash(algorithm).update(bytes).digest(encoding);
const [sha256, sha512, sha1, md5] = [of('sha256'), of('sha512'), of('sha1'), of('md5')];
const SIGNS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const wrong256 = of('sha256', 'base64', Buffer.from('other'));

const otherSpelling = (base64: string): string => base64.replace(/(.)=$/, (_, sign: string) => `${SIGNS[(SIGNS.indexOf(sign) & ~3) | 1]}=`);

test('is off when the setting says so', async () => {
  expect(digestRule(await ruleTest({ verifyDigests: false }))).toBeUndefined();
});

describe.each(['content-digest', 'repr-digest'])('%s', (header) => {
  test.each([
    [`sha-256=:${sha256}:`, 'passed'],
    [`sha-512=:${sha512}:`, 'passed'],
    [`sha=:${sha1}:, md5=:${md5}:`, 'passed'],
    [`sha-256=:${wrong256}:`, 'DIGEST_MISMATCH'],
    [`sha-512=:${sha512}:,sha-256=:${wrong256}:`, 'DIGEST_MISMATCH'],
    [`sha-256=:${sha256}:,md5=:${of('md5', 'base64', Buffer.from('x'))}:`, 'DIGEST_MISMATCH'],
    [`sha-256=:${wrong256}:, sha-256=:${sha256}:`, 'passed'],
    [`sha-256=:${sha256}:, sha-256=:${wrong256}:`, 'DIGEST_MISMATCH'],
    [`sha-256=:${sha256}:;p=1`, 'passed'],
    ['', 'passed'],
    // An unknown algorithm is ignored (RFC 9530, section 2); what is not
    // bytes is not a digest of any.
    ['unixsum=:MzA2Mzc=:, crc32c=:abcdef:', 'passed'],
    ['unixsum=30637', 'REQUEST_INVALID'],
    ['new=?1', 'REQUEST_INVALID'],
    ['lol', 'REQUEST_INVALID'],
    [`sha-256=:${sha256}:, lol`, 'REQUEST_INVALID'],
    ['constructor=:AAAA:', 'passed'],
    [`sha-256=${sha256}`, 'REQUEST_INVALID'],
    [`sha-256="${sha256}"`, 'REQUEST_INVALID'],
    [`sha-256=:${sha256}`, 'REQUEST_INVALID'],
    ['sha-256=::', 'REQUEST_INVALID'],
    ['sha-256', 'REQUEST_INVALID'],
    [`sha-256=(:${sha256}:)`, 'REQUEST_INVALID'],
    [`sha-256=:${sha512}:`, 'REQUEST_INVALID'],
    [`SHA-256=:${sha256}:`, 'REQUEST_INVALID'],
    [`sha-256=:${sha256}:,`, 'REQUEST_INVALID'],
    ['sha-256=:@@@@:', 'REQUEST_INVALID'],
    // The last sign of 32 bytes has two bits that say nothing: another way to write the same hash.
    [`sha-256=:${otherSpelling(sha256)}:`, 'passed'],
    [`sha-256=:${otherSpelling(wrong256)}:`, 'DIGEST_MISMATCH'],
    [`sha-256=:${sha256.replaceAll('+', '-').replaceAll('/', '_')}-_:`, 'REQUEST_INVALID'],
    [`sha-256=:${sha256}:, sha-256=:é:`, 'REQUEST_INVALID'],
    [`sha-256=:${'A'.repeat(512)}:`, 'REQUEST_INVALID'],
  ])('%s', async (value, expected) => {
    const rule = await ruleOf(digestRule, {});
    const head = headOf({ [header]: value });
    const [first, second] = [await verdictOf(() => rule.head?.(head)), await verdictOf(() => rule.body?.(head, body))];
    // A malformed header is refused before the body is read.
    expect(first).toBe(expected === 'REQUEST_INVALID' ? expected : 'passed');
    if (first === 'passed') expect(second).toBe(expected);
  });
});

describe('content-md5 and x-hash', () => {
  test.each([
    ['content-md5', md5, 'passed'],
    ['content-md5', of('md5', 'base64', Buffer.from('x')), 'DIGEST_MISMATCH'],
    ['content-md5', of('md5', 'hex'), 'REQUEST_INVALID'],
    // A line that a proxy repeated has the meaning of one line.
    ['content-md5', `${md5}, ${md5}`, 'passed'],
    ['content-md5', `${md5}, ${of('md5', 'base64', Buffer.from('x'))}`, 'REQUEST_INVALID'],
    ['content-md5', `${md5},`, 'REQUEST_INVALID'],
    // It declares nothing, as an empty Content-Digest does.
    ['content-md5', '', 'passed'],
    ['x-hash', ' ', 'passed'],
    ['x-hash', `${of('sha256', 'hex')}, ${of('sha256', 'hex')}`, 'passed'],
    ['x-hash', `${of('sha256', 'hex')}, ${of('md5', 'hex')}`, 'REQUEST_INVALID'],
    ['x-hash', of('sha256', 'hex'), 'passed'],
    ['x-hash', of('sha256', 'hex').toUpperCase(), 'passed'],
    ['x-hash', of('sha512', 'hex'), 'passed'],
    ['x-hash', of('sha1', 'hex'), 'passed'],
    ['x-hash', of('md5', 'hex'), 'passed'],
    ['x-hash', '0'.repeat(64), 'DIGEST_MISMATCH'],
    ['x-hash', '0'.repeat(32), 'DIGEST_MISMATCH'],
    ['x-hash', '0'.repeat(63), 'REQUEST_INVALID'],
    ['x-hash', 'z'.repeat(64), 'REQUEST_INVALID'],
    ...['sha256:', 'SHA-256:', 'sha256=', '{', '"', '0x', ' ', '\t{ "'].map((label): [string, string, string] => [
      'x-hash',
      `${label}${of('sha256', 'hex')}${label.includes('"') ? '" } ' : ''}`,
      'passed',
    ]),
    ['x-hash', `sha256:${'0'.repeat(64)}`, 'DIGEST_MISMATCH'],
    ['x-hash', `sha512:${of('sha512', 'hex')}`, 'passed'],
    ['x-hash', `sha-1:${of('sha1', 'hex').toUpperCase()}`, 'passed'],
    ['x-hash', `md5:${of('md5', 'hex')}`, 'passed'],
    // A label that does not fit is a mistake, not a difference of the body.
    ['x-hash', `md5:${of('sha256', 'hex')}`, 'REQUEST_INVALID'],
    ['x-hash', `sha256:${of('md5', 'hex')}`, 'REQUEST_INVALID'],
    ['x-hash', `uuid:${of('md5', 'hex')}`, 'REQUEST_INVALID'],
    ['x-hash', `sha256:${of('sha256', 'base64')}`, 'REQUEST_INVALID'],
    ['x-hash', of('sha256', 'hex').replace(/\d/, 'O'), 'REQUEST_INVALID'],
    ['x-hash', `${of('sha256', 'hex').slice(0, 20)}…`, 'REQUEST_INVALID'],
    ['x-hash', `${of('sha256', 'hex')}${' '.repeat(900)}${of('sha256', 'hex')}`, 'REQUEST_INVALID'],
  ])('%s: %s', async (header, value, expected) => {
    const rule = await ruleOf(digestRule, {});
    const head = headOf({ [header]: value });
    const first = await verdictOf(() => rule.head?.(head));
    expect(first === 'passed' ? await verdictOf(() => rule.body?.(head, body)) : first).toBe(expected);
  });
});

test('every declared hash counts, not only the first', async () => {
  const rule = await ruleOf(digestRule, {});
  const head = headOf({ 'content-digest': `sha-256=:${sha256}:`, 'x-hash': '0'.repeat(32) });
  expect(await verdictOf(() => rule.body?.(head, body))).toBe('DIGEST_MISMATCH');
});

test('of a compressed body the bytes as sent are meant; a part proves nothing about the whole', async () => {
  const rule = await ruleOf(digestRule, {});
  const sent = gzipSync(body);
  const encoded = { 'content-encoding': 'gzip' };
  const ofSent = `sha-256=:${of('sha256', 'base64', sent)}:`;
  expect(await verdictOf(() => rule.body?.(headOf({ ...encoded, 'repr-digest': ofSent, 'content-digest': ofSent }), sent))).toBe('passed');
  expect(await verdictOf(() => rule.body?.(headOf({ ...encoded, 'content-digest': `sha-256=:${sha256}:` }), sent))).toBe('DIGEST_MISMATCH');
  const part = headOf({ 'content-range': 'bytes 0-1/9', 'repr-digest': `sha-256=:${wrong256}:` });
  expect(await verdictOf(() => rule.body?.(part, body))).toBe('passed');
});

test('a body without a declared hash is not hashed', async () => {
  const rule = await ruleOf(digestRule, {});
  expect([rule.head?.(headOf()), rule.body?.(headOf(), undefined as unknown as Buffer)]).toEqual([undefined, undefined]);
});

describe('a malformed digest is refused, and named, whatever stands beside it', () => {
  const malformed = { 'content-digest': 'lol', 'repr-digest': 'sha-256=lol', 'content-md5': 'lol', 'x-hash': 'lol' };
  const beside = {
    nothing: {},
    'a good digest': { 'content-digest': `sha-256=:${sha256}:` },
    'a good hash': { 'x-hash': of('sha256', 'hex') },
    'a part': { 'content-range': 'bytes 0-1/9' },
    'a coding': { 'content-encoding': 'gzip' },
    'an unknown algorithm': { 'repr-digest': 'unixsum=:MzA2Mzc=:' },
  };
  test.each(
    Object.entries(malformed).flatMap(([header, value]) =>
      Object.entries(beside).map(([name, more]) => [header, name, value, more] as const),
    ),
  )('%s beside %s', async (header, _name, value, more) => {
    const rule = await ruleOf(digestRule, {});
    for (const headers of [
      { ...more, [header]: value },
      { [header]: value, ...Object.fromEntries(Object.entries(more).filter(([name]) => name !== header)) },
    ])
      expect(rule.head?.(headOf(headers))).toMatchObject({
        code: 'REQUEST_INVALID',
        message: expect.stringMatching(/malformed: expected .*, got ".*lol"/),
      });
  });
});
