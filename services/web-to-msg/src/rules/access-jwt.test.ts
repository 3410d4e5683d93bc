import { createHmac, createPublicKey } from 'node:crypto';
import { BlockhubError } from '@blockhub/errors';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { exportSPKI, importJWK, type JWK } from 'jose';
import type { CaptureSettings } from '../settings.ts';
import { type AccessTest, ask, open } from './access.fixture.ts';
import { AUDIENCE, bearer, claimsOf, type Issuer, json, makePair, type Pair, sign, startIssuer } from './issuer.fixture.ts';
import { headOf } from './rule.fixture.ts';

let issuer: Issuer;
let one: Pair;
let two: Pair;
let three: Pair;
let ec: Pair;
let ed: Pair;
/** Not of the issuer. */
let foreign: Pair;
let foreignEc: Pair;

beforeAll(async () => {
  [one, two, three, ec, ed, foreign, foreignEc] = await Promise.all([
    makePair('RS256'),
    makePair('RS256'),
    makePair('RS256'),
    makePair('ES256'),
    makePair('EdDSA'),
    makePair('RS256'),
    makePair('ES256'),
  ]);
});
beforeEach(async () => {
  issuer = await startIssuer();
});
afterEach(async () => issuer[Symbol.asyncDispose]());

const SECOND = 1000;
const given = (more: Partial<CaptureSettings> = {}) => open({ jwtIssuer: issuer.url, jwtAudience: AUDIENCE, ...more });
const reads = () => issuer.requests.filter((path) => path === '/keys').length;
const askWith = async (rule: AccessTest, pair: Pair, header: object = {}, more = {}) =>
  ask(rule, bearer(await sign(pair, claimsOf(rule, issuer, more), header)));
const messagesOf = (rule: AccessTest) => rule.test.lines.map(({ msg }) => msg);

/** What the sender gets. */
async function answerOf(rule: AccessTest, jwt: string): Promise<BlockhubError> {
  const verdict = await rule.head?.(headOf(bearer(jwt)));
  if (verdict instanceof BlockhubError) return verdict;
  throw new Error('passed');
}

const as = ({ jwk }: Pair, more: Record<string, unknown> = {}): JWK => ({ ...jwk, ...more }) as JWK;

describe('a header that does not pick one key', () => {
  /** The set, who signs with which header, and the verdict. */
  test.each<[string, () => unknown[], () => [Pair, object], string]>([
    ['no kid, one key', () => [as(one)], () => [one, {}], 'passed'],
    ['no kid, keys with kids', () => [as(one, { kid: '1' }), as(two, { kid: '2' })], () => [two, {}], 'passed'],
    ['no kid, the last of three', () => [as(one), as(two), as(three)], () => [three, {}], 'passed'],
    ['no kid, keys of all kinds', () => [as(one), as(ec), as(ed)], () => [ed, {}], 'passed'],
    ['no kid, ES256 among RSA', () => [as(one), as(two), as(ec)], () => [ec, {}], 'passed'],
    ['no kid, another key', () => [as(one), as(two)], () => [foreign, {}], 'ACCESS_DENIED'],
    ['a kid, and keys without', () => [as(one), as(two)], () => [two, { kid: 'x' }], 'passed'],
    ['a kid that is written otherwise', () => [as(one, { kid: 'YWJj' })], () => [one, { kid: 'YWJj=' }], 'passed'],
    ['a kid of another key', () => [as(one, { kid: '1' }), as(two, { kid: '2' })], () => [one, { kid: '2' }], 'ACCESS_DENIED'],
    ['an empty kid', () => [as(one, { kid: '1' })], () => [one, { kid: '' }], 'passed'],
    ['two keys of one kid, the first', () => [as(one, { kid: '1' }), as(two, { kid: '1' })], () => [one, { kid: '1' }], 'passed'],
    ['two keys of one kid, the second', () => [as(one, { kid: '1' }), as(two, { kid: '1' })], () => [two, { kid: '1' }], 'passed'],
    [
      'two keys of one kid, another key',
      () => [as(one, { kid: '1' }), as(two, { kid: '1' })],
      () => [foreign, { kid: '1' }],
      'ACCESS_DENIED',
    ],
    ['one kid for RSA and EC', () => [as(one, { kid: '1' }), as(ec, { kid: '1' })], () => [ec, { kid: '1' }], 'passed'],
    [
      'one kid to encrypt and to sign',
      () => [as(foreign, { kid: '1', use: 'enc' }), as(one, { kid: '1', use: 'sig' })],
      () => [one, { kid: '1' }],
      'passed',
    ],
    ['the same key twice', () => [as(one, { kid: '1' }), as(one, { kid: '1' })], () => [one, { kid: '1' }], 'passed'],
    ['a key to encrypt only', () => [as(two), as(one, { use: 'enc' })], () => [one, {}], 'ACCESS_DENIED'],
    ['a key that may only sign', () => [as(two), as(one, { key_ops: ['sign'] })], () => [one, {}], 'ACCESS_DENIED'],
    ['a key of another alg', () => [as(two), as(one, { alg: 'PS256' })], () => [one, {}], 'ACCESS_DENIED'],
    ['a key of another alg by its kid', () => [as(one, { kid: '1', alg: 'RS512' })], () => [one, { kid: '1' }], 'ACCESS_DENIED'],
    ['a kid that is a number', () => [as(one, { kid: '1' })], () => [one, { kid: 1 }], 'ACCESS_DENIED'],
    ['the other name of EdDSA', () => [as(ed, { alg: 'Ed25519' })], () => [ed, {}], 'passed'],
  ])('%s', async (_, keys, signed, expected) => {
    issuer.publish(keys());
    const [pair, header] = signed();
    expect(await askWith(await given(), pair, header)).toBe(expected);
  });

  test('is tried with sixteen keys at most', async () => {
    const many = Array.from({ length: 16 }, (_, at) => as(foreign, { kid: `s${at}` }));
    issuer.publish([...many, as(one, { kid: 'last' })]);
    const rule = await given();
    expect(await askWith(rule, one)).toBe('ACCESS_DENIED');
    expect(await askWith(rule, one, { kid: 'last' })).toBe('passed');
    const jwt = await sign(one, claimsOf(rule, issuer));
    expect((await answerOf(rule, jwt)).message).toContain('16 keys of RS256 were tried');
  });
});

describe('a set with keys that cannot be used', () => {
  const broken: [string, () => unknown][] = [
    ['null', () => null],
    ['a text', () => 'key'],
    ['a list', () => []],
    ['an unknown kty', () => ({ kty: 'XYZ', kid: 'k' })],
    ['kty of the prototype', () => ({ kty: 'constructor' })],
    ['a shared secret', () => ({ kty: 'oct', k: 'AAAA', kid: 'k' })],
    ['RSA without a modulus', () => ({ kty: 'RSA', e: 'AQAB' })],
    ['RSA with a modulus of no base64', () => ({ kty: 'RSA', e: 'AQAB', n: '!!!' })],
    ['RSA of 512 bits', () => ({ kty: 'RSA', e: 'AQAB', n: Buffer.alloc(64, 0xc1).toString('base64url') })],
    ['a point that is on no curve', () => ({ kty: 'EC', crv: 'P-256', x: 'AAAA', y: 'AAAA' })],
    ['an unknown curve', () => ({ kty: 'EC', crv: 'P-999', x: 'AA', y: 'AA' })],
    ['its private key', () => foreign.private],
    ['a key with a number for use', () => as(foreign, { use: 7 })],
    ['a key with text for key_ops', () => as(foreign, { key_ops: 'verify' })],
    ['post-quantum', () => ({ kty: 'AKP', alg: 'ML-DSA-44', pub: 'AAAA' })],
  ];

  test.each(broken)('%s beside good ones is left out', async (_, key) => {
    issuer.publish([key(), as(one), key(), as(ec)]);
    const rule = await given();
    expect([await askWith(rule, one), await askWith(rule, ec), await askWith(rule, foreign)]).toEqual([
      'passed',
      'passed',
      'ACCESS_DENIED',
    ]);
  });

  test.each(broken)('%s alone: unavailable', async (_, key) => {
    issuer.publish([key()]);
    const rule = await given();
    const verdict = await askWith(rule, one);
    // RSA keys are looked at closely only when a JWT needs them.
    expect(['thrown ACCESS_UNAVAILABLE', 'ACCESS_DENIED']).toContain(verdict);
    expect(await askWith(rule, foreign)).not.toBe('passed');
  });

  test('a private key in a public set does not count', async () => {
    issuer.publish([as(one), foreign.private]);
    const rule = await given();
    expect(await askWith(rule, foreign)).toBe('ACCESS_DENIED');
    expect(rule.test.lines.find(({ msg }) => msg === 'some keys of the JWT issuer cannot be used')).toMatchObject({
      ignored: ['key 2: it is a private key, but the set is public'],
    });
  });

  test('where the key that a JWT names is broken, it cannot be checked', async () => {
    issuer.publish([as(two, { kid: '2' }), { kty: 'RSA', kid: '1', e: 'AQAB', n: Buffer.alloc(64, 0xc1).toString('base64url') }]);
    expect(await askWith(await given(), one, { kid: '1' })).toBe('thrown ACCESS_UNAVAILABLE');
  });

  test('an issuer that takes all keys back is believed at once', async () => {
    issuer.publish([as(one)]);
    const rule = await given();
    expect(await askWith(rule, one)).toBe('passed');
    issuer.publish([]);
    expect(await askWith(rule, foreign)).toBe('thrown ACCESS_UNAVAILABLE');
    expect(await askWith(rule, one)).toBe('thrown ACCESS_UNAVAILABLE');
  });
});

describe('a key that is new', () => {
  test.each<[string, object, object]>([
    ['with a kid of its own', { kid: '1' }, { kid: '2' }],
    ['under the kid of before', { kid: '1' }, { kid: '1' }],
    ['without kids', {}, {}],
  ])('%s is taken at the first JWT', async (_, before, after) => {
    issuer.publish([as(one, { ...before })]);
    const rule = await given();
    expect(await askWith(rule, one, before)).toBe('passed');
    issuer.publish([as(two, { ...after })]);
    expect(await askWith(rule, two, after)).toBe('passed');
    expect(await askWith(rule, one, before)).toBe('ACCESS_DENIED');
    expect(reads()).toBe(2);
    expect(messagesOf(rule)).toContain('keys of the JWT issuer have changed');
  });

  test('costs one reading, however many JWTs come with it', async () => {
    issuer.publish([as(one, { kid: '1' })]);
    const rule = await given();
    expect(await askWith(rule, one, { kid: '1' })).toBe('passed');
    issuer.publish([as(two, { kid: '2' })]);
    const verdicts = await Promise.all(Array.from({ length: 50 }, () => askWith(rule, two, { kid: '2' })));
    expect(new Set(verdicts)).toEqual(new Set(['passed']));
    expect(reads()).toBe(2);
  });

  test('is asked for once in jwtKeyRefresh, whatever is made up', async () => {
    issuer.publish([as(one, { kid: '1' })]);
    const rule = await given({ jwtKeyRefresh: 5 * SECOND });
    for (let n = 0; n < 30; n++) expect(await askWith(rule, foreign, n % 2 ? { kid: '1' } : { kid: `made up ${n}` })).toBe('ACCESS_DENIED');
    expect(reads()).toBe(2);
    issuer.publish([as(two, { kid: '2' })]);
    expect(await askWith(rule, two, { kid: '2' })).toBe('ACCESS_DENIED');
    await rule.test.clock.run(() => false, 5 * SECOND);
    expect(await askWith(rule, two, { kid: '2' })).toBe('passed');
    expect(reads()).toBe(3);
  });

  test('cannot be distinguished from a wrong one while the issuer is away; what is known goes on', async () => {
    issuer.publish([as(one, { kid: '1' })]);
    const rule = await given();
    expect(await askWith(rule, one, { kid: '1' })).toBe('passed');
    issuer.pages.set('/keys', json({}, 503));
    expect(await askWith(rule, two, { kid: '2' })).toBe('thrown ACCESS_UNAVAILABLE');
    expect(await askWith(rule, one, { kid: '1' })).toBe('passed');
    // What is wrong by itself is wrong without keys.
    expect(await askWith(rule, one, { kid: '1' }, { aud: 'x' })).toBe('ACCESS_DENIED');
    expect(await askWith(rule, two, { kid: '2' }, { iss: 'https://other.example.com' })).toBe('ACCESS_DENIED');
  });
});

describe('a JWT that means to be judged by other rules', () => {
  const encode = (part: unknown): string => Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url');
  const hmac = (secret: string | Buffer, head: object, claims: object): string => {
    const text = `${encode(head)}.${encode(claims)}`;
    return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
  };
  const publicPem = async (): Promise<string> => exportSPKI((await importJWK(one.jwk, 'RS256')) as never);

  test.each<[string, (rule: AccessTest) => string | Promise<string>]>([
    ['alg none', (rule) => `${encode({ alg: 'none' })}.${encode(claimsOf(rule, issuer))}.`],
    ['alg NONE', (rule) => `${encode({ alg: 'NONE', kid: '1' })}.${encode(claimsOf(rule, issuer))}.AAAA`],
    ['no alg', (rule) => `${encode({ kid: '1' })}.${encode(claimsOf(rule, issuer))}.AAAA`],
    ['HS256 with the public key as PEM', async (rule) => hmac(await publicPem(), { alg: 'HS256', kid: '1' }, claimsOf(rule, issuer))],
    [
      'HS256 with the public key as DER',
      async (rule) =>
        hmac(
          createPublicKey(await publicPem()).export({ type: 'spki', format: 'der' }),
          { alg: 'HS256', kid: '1' },
          claimsOf(rule, issuer),
        ),
    ],
    [
      'HS256 with the modulus',
      (rule) => hmac(Buffer.from(one.jwk.n ?? '', 'base64url'), { alg: 'HS256', kid: '1' }, claimsOf(rule, issuer)),
    ],
    ['HS256 with the JWK', (rule) => hmac(JSON.stringify(one.jwk), { alg: 'HS256', kid: '1' }, claimsOf(rule, issuer))],
    ['HS256 with nothing', (rule) => hmac('', { alg: 'HS256', kid: '1' }, claimsOf(rule, issuer))],
    ['the head of RS256 over an HMAC', async (rule) => hmac(await publicPem(), { alg: 'RS256', kid: '1' }, claimsOf(rule, issuer))],
    ['ES256 by a key of its own', (rule) => sign(foreignEc, claimsOf(rule, issuer), { kid: '1', jwk: foreignEc.jwk })],
    ['a key set of its own', (rule) => sign(foreign, claimsOf(rule, issuer), { kid: '1', jku: 'https://evil.example.com/keys' })],
    ['a certificate of its own', (rule) => sign(foreign, claimsOf(rule, issuer), { kid: '1', x5u: 'https://evil.example.com/x' })],
    ['crit', (rule) => sign(one, claimsOf(rule, issuer), { kid: '1', crit: ['b64'], b64: true })],
    [
      'crit that is empty',
      async (rule) => `${encode({ alg: 'RS256', crit: [] })}.${(await sign(one, claimsOf(rule, issuer))).split('.').slice(1).join('.')}`,
    ],
    [
      'crit of an unknown extension',
      async (rule) =>
        `${encode({ alg: 'RS256', crit: ['x'], x: 1 })}.${(await sign(one, claimsOf(rule, issuer))).split('.').slice(1).join('.')}`,
    ],
    ['an empty signature', async (rule) => `${(await sign(one, claimsOf(rule, issuer), { kid: '1' })).split('.').slice(0, 2).join('.')}.`],
    ['no signature', async (rule) => (await sign(one, claimsOf(rule, issuer), { kid: '1' })).split('.').slice(0, 2).join('.')],
    [
      'a signature of zeros',
      async (rule) =>
        `${(await sign(ec, claimsOf(rule, issuer))).split('.').slice(0, 2).join('.')}.${Buffer.alloc(64).toString('base64url')}`,
    ],
    ['five parts', async (rule) => `${await sign(one, claimsOf(rule, issuer))}.a.b`],
    ['a head that is not JSON', (rule) => `${encode('{')}.${encode(claimsOf(rule, issuer))}.AAAA`],
    ['a head that is a list', (rule) => `${encode([])}.${encode(claimsOf(rule, issuer))}.AAAA`],
    ['claims that are no JSON', () => `${encode({ alg: 'RS256' })}.${encode('x')}.AAAA`],
    ['claims that are a list', () => `${encode({ alg: 'RS256' })}.${encode([])}.AAAA`],
    ['claims of the prototype', () => `${encode({ alg: 'RS256' })}.${encode('{"__proto__":{"iss":"x"}}')}.AAAA`],
    ['dots', () => '....'],
    ['a huge head', (rule) => sign(one, claimsOf(rule, issuer), { kid: 'x'.repeat(20_000) })],
    ['huge claims', (rule) => sign(one, claimsOf(rule, issuer, { more: 'x'.repeat(20_000) }))],
  ])('%s is denied, and asks for no more than one reading', async (_, jwt) => {
    issuer.publish([as(one, { kid: '1' }), as(ec, { kid: 'e' })]);
    const rule = await given();
    expect(await askWith(rule, one)).toBe('passed');
    const { code, message } = await answerOf(rule, await jwt(rule));
    expect(code).toBe('ACCESS_DENIED');
    expect(message.length).toBeLessThan(600);
    expect(reads()).toBeLessThanOrEqual(2);
  });
});
