import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createKey } from '@blockhub/access';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import type { CaptureSettings } from '../settings.ts';
import { type AccessTest, ask, open, subjectOf } from './access.fixture.ts';
import { accessRule } from './access.ts';
import { headOf, ruleTest, verdictOf } from './rule.fixture.ts';
import type { Head } from './rule.ts';

test('two Authorization headers are refused: a proxy may have judged by the other', async () => {
  const rule = await open({ apiKeys: true });
  const head = headOf({ authorization: 'Bearer a' }, { rawHeaders: ['Authorization', 'Bearer a', 'authorization', 'Bearer b'] });
  expect(await verdictOf(() => rule.head?.(head))).toBe('REQUEST_INVALID');
});

test('a store that never answers keeps no sender waiting for longer than for a confirm', async () => {
  const rule = await open({ apiKeys: true, confirmTimeout: 2000 });
  rule.test.store.find = () => new Promise(() => {});
  const asked = ask(rule, { 'x-api-key': `bh_${'1'.repeat(16)}_${'x'.repeat(43)}` });
  await rule.test.clock.run(() => false, 2000);
  expect(await asked).toBe('thrown ACCESS_UNAVAILABLE');
});

const OLD = 'old-secret-of-the-shop';
const NEW = 'new+secret/of=the~shop';

test('is off without tokens, keys and issuer', async () => {
  expect(accessRule(await ruleTest())).toBeUndefined();
});

describe('shared tokens', () => {
  const tokens = [`${OLD};until=2026-01-02`, `${NEW};name=shop`, 'third-token-0123456;until=2025-12-31T23:59:59Z'];

  test.each<[string, Head['headers'], string]>([
    ['none', {}, 'ACCESS_REQUIRED'],
    ['an old one before its end', { 'x-token': OLD }, 'passed'],
    ['a new one', { 'x-token': NEW }, 'passed'],
    ['one after its end', { 'x-token': 'third-token-0123456' }, 'ACCESS_DENIED'],
    ['an empty one', { 'x-token': '' }, 'ACCESS_DENIED'],
    ['a part of one', { 'x-token': NEW.slice(0, -1) }, 'ACCESS_DENIED'],
    ['more than one', { 'x-token': `${NEW}x` }, 'ACCESS_DENIED'],
    ['two at once', { 'x-token': `${NEW}, ${OLD}` }, 'ACCESS_DENIED'],
    ['another case', { 'x-token': NEW.toUpperCase() }, 'ACCESS_DENIED'],
    ['its parameters too', { 'x-token': `${NEW};name=shop` }, 'ACCESS_DENIED'],
    ['as Bearer', { authorization: `Bearer ${NEW}` }, 'ACCESS_REQUIRED'],
  ])('%s', async (_name, headers, expected) => {
    expect(await ask(await open({ tokens }), headers)).toBe(expected);
  });

  test('end when their time comes, and name the sender', async () => {
    const rule = await open({ tokens });
    expect(await subjectOf(rule, { 'x-token': NEW })).toEqual({ subject: 'token:shop' });
    expect(await subjectOf(rule, { 'x-token': OLD })).toEqual({ subject: 'token' });
    rule.test.clock.step(86_400_000);
    expect(await ask(rule, { 'x-token': OLD })).toBe('ACCESS_DENIED');
    expect(await ask(rule, { 'x-token': NEW })).toBe('passed');
  });

  test('the same twice is good until the later end', async () => {
    for (const twins of [
      ['twin-twin-twin-twin;until=2020-01-01', 'twin-twin-twin-twin'],
      ['twin-twin-twin-twin', 'twin-twin-twin-twin;until=2020-01-01'],
    ])
      expect(await ask(await open({ tokens: twins }), { 'x-token': 'twin-twin-twin-twin' })).toBe('passed');
  });

  test('that have all expired let no request in; the log says so at the start, or when the last one ends, once', async () => {
    const messagesOf = (rule: AccessTest) => rule.test.lines.map(({ level, msg }) => `${level} ${msg}`);
    const said = expect.stringMatching(/^error every token has expired; requests with x-token are refused/);
    const expired = await open({ tokens: [`${OLD};until=2020-01-01`, `${NEW};until=2020-01-02`] });
    expired.start?.();
    expect([await ask(expired, { 'x-token': OLD }), await ask(expired, { 'x-token': NEW }), await ask(expired, {})]).toEqual([
      'ACCESS_DENIED',
      'ACCESS_DENIED',
      'ACCESS_REQUIRED',
    ]);
    expect(messagesOf(expired)).toEqual([said]);
    const ends = await open({ tokens: [`${OLD};until=2026-01-02`] });
    ends.start?.();
    expect(await ask(ends, { 'x-token': OLD })).toBe('passed');
    expect(messagesOf(ends)).toEqual([]);
    ends.test.clock.step(86_400_000);
    for (let n = 0; n < 3; n++) expect(await ask(ends, { 'x-token': OLD })).toBe('ACCESS_DENIED');
    expect(messagesOf(ends)).toEqual([said]);
  });

  test('every mistake is listed, and none shows a token', async () => {
    const wrong = ['short', 'a token with a space', `${NEW};until=tomorrow`, `${NEW};until=2026-13-01`, `${NEW};name=Shop`, `${NEW};x`];
    const test = await ruleTest({ tokens: [...wrong, OLD] });
    accessRule(test);
    expect(test.mistakes.map((mistake) => /token \d/.exec(mistake)?.[0])).toEqual(wrong.map((_, at) => `token ${at + 1}`));
    for (const secret of ['short', 'a token', NEW, OLD]) expect(test.mistakes.join()).not.toContain(secret);
  });
});

test.each<[string, boolean | RegExp]>([
  ['2026-01-01T00:00:01Z', true],
  ['2026-01-01t00:00:01z', true],
  ['2026-01-01 00:00:01Z', true],
  ['2026-01-01T01:00:01+01:00', true],
  ['2025-12-31T23:00:01.5-01:00', true],
  ['2026-01-02', true],
  ['2025-12-31', false],
  ['2026-01-01T00:00:00+01:00', false],
  ['2026-01-01T12:00:00', /until of token 1: "2026-01-01T12:00:00" has no time zone: write 2026-01-01T12:00:00Z/],
  ['2026-01-01T12:00', /has no time zone/],
  ['2026-02-30', /until of token 1: "2026-02-30" has the day 30, but February 2026/],
  ['2026-13-01', /month 13/],
  ['2026-01-01T24:00:00Z', /hour 24/],
  ['2026-01-01T12:00:00+25:00', /offset \+25:00/],
  ['1798761600', /is not a time/],
  ['1798761600000', /is not a time/],
  ['2027-01-31=x', /until of token 1: is not a time such as/],
  ['hidden-part-of-a-token', /until of token 1: is not a time such as/],
  ['', /until of token 1: is not a time such as/],
])('a token until %s', async (until, expected) => {
  const given = [`${NEW};until=${until}`];
  if (typeof expected === 'boolean') {
    expect(await ask(await open({ tokens: given }), { 'x-token': NEW })).toBe(expected ? 'passed' : 'ACCESS_DENIED');
    return;
  }
  const test = await ruleTest({ tokens: given });
  accessRule(test);
  expect(test.mistakes).toEqual([expect.stringMatching(expected)]);
  expect(test.mistakes[0]).not.toContain('hidden');
});

describe('JWTs', () => {
  const AUDIENCE = 'https://capture.example.com';
  let issuer = '';
  let server: Server;
  let keys: Awaited<ReturnType<typeof generateKeyPair>>;
  let foreign: typeof keys;
  /** What the issuer answers with, by path. */
  let pages: Record<string, { status?: number; body: unknown } | 'hang'>;
  let requests: string[];

  beforeAll(async () => {
    keys = await generateKeyPair('RS256');
    foreign = await generateKeyPair('RS256');
    server = createServer((request, response) => {
      requests.push(request.url ?? '');
      const page = pages[request.url ?? ''];
      if (page === 'hang') return;
      response.writeHead(page ? (page.status ?? 200) : 404, { 'content-type': 'application/json' });
      response.end(JSON.stringify(page?.body ?? {}));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  beforeEach(async () => {
    requests = [];
    pages = {
      '/.well-known/openid-configuration': { body: { issuer, jwks_uri: `${issuer}keys` } },
      '/keys': { body: { keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'one', alg: 'RS256', use: 'sig' }] } },
    };
  });

  const given = (more: Partial<CaptureSettings> = {}) => open({ jwtIssuer: issuer, jwtAudience: AUDIENCE, ...more });
  const claimsOf = (rule: AccessTest, more: JWTPayload = {}): JWTPayload => {
    const now = rule.test.clock.now() / 1000;
    return { iss: issuer, aud: AUDIENCE, sub: 'auth0|7', iat: now, exp: now + 60, ...more };
  };
  const sign = (claims: JWTPayload, header: object = {}, key = keys.privateKey) =>
    new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'one', ...header }).sign(key);
  const without = (claims: JWTPayload, name: string): JWTPayload => ({ ...claims, [name]: undefined });
  const SECOND = 1000;
  const pass = (rule: AccessTest, ms: number) => rule.test.clock.run(() => false, ms);
  const bearer = (jwt: string) => ({ authorization: `Bearer ${jwt}` });

  test('of the issuer are taken, its keys read once; they name the sender', async () => {
    const rule = await given();
    expect(await subjectOf(rule, bearer(await sign(claimsOf(rule))))).toEqual({ subject: 'jwt:auth0|7' });
    for (let n = 0; n < 3; n++) expect(await ask(rule, bearer(await sign(claimsOf(rule, { jti: String(n) }))))).toBe('passed');
    expect(requests).toEqual(['/.well-known/openid-configuration', '/keys']);
  });

  test('are checked by the keys that are named, without discovery', async () => {
    const rule = await given({ jwtJwks: `${issuer}keys` });
    expect(await ask(rule, bearer(await sign(claimsOf(rule))))).toBe('passed');
    expect(requests).toEqual(['/keys']);
  });

  test.each<[string, (rule: AccessTest) => string | Promise<string>, string]>([
    ['for another audience', (rule) => sign(claimsOf(rule, { aud: 'https://other.example.com' })), 'ACCESS_DENIED'],
    ['for several audiences, ours one of them', (rule) => sign(claimsOf(rule, { aud: ['x', AUDIENCE] })), 'passed'],
    ['without an audience', (rule) => sign(without(claimsOf(rule), 'aud')), 'ACCESS_DENIED'],
    ['of another issuer', (rule) => sign(claimsOf(rule, { iss: 'https://evil.example.com/' })), 'ACCESS_DENIED'],
    ['of the issuer without its slash', (rule) => sign(claimsOf(rule, { iss: issuer.slice(0, -1) })), 'ACCESS_DENIED'],
    ['within the clock skew', (rule) => sign(claimsOf(rule, { exp: rule.test.clock.now() / 1000 - 29 })), 'passed'],
    ['behind the clock skew', (rule) => sign(claimsOf(rule, { exp: rule.test.clock.now() / 1000 - 31 })), 'ACCESS_DENIED'],
    ['not yet valid', (rule) => sign(claimsOf(rule, { nbf: rule.test.clock.now() / 1000 + 31 })), 'ACCESS_DENIED'],
    ['that never ends', (rule) => sign(without(claimsOf(rule), 'exp')), 'ACCESS_DENIED'],
    ['without a subject', (rule) => sign(without(claimsOf(rule), 'sub')), 'ACCESS_DENIED'],
    ['with a subject that breaks lines', (rule) => sign(claimsOf(rule, { sub: 'a\nb' })), 'ACCESS_DENIED'],
    ['with a subject that is not text', (rule) => sign({ ...claimsOf(rule), sub: 7 } as unknown as JWTPayload), 'ACCESS_DENIED'],
    ['with an endless subject', (rule) => sign(claimsOf(rule, { sub: 'x'.repeat(201) })), 'ACCESS_DENIED'],
    ['signed by another key', (rule) => sign(claimsOf(rule), {}, foreign.privateKey), 'ACCESS_DENIED'],
    ['of a key that is not there', (rule) => sign(claimsOf(rule), { kid: 'two' }, foreign.privateKey), 'ACCESS_DENIED'],
    ['of our issuer, with a kid that is not there', (rule) => sign(claimsOf(rule), { kid: 'two' }), 'passed'],
    ['unsigned', (rule) => new UnsecuredJWT(claimsOf(rule)).encode(), 'ACCESS_DENIED'],
    [
      'signed by HMAC with the public key',
      async (rule) => {
        const secret = Buffer.from(JSON.stringify(await exportJWK(keys.publicKey)));
        return new SignJWT(claimsOf(rule)).setProtectedHeader({ alg: 'HS256', kid: 'one' }).sign(secret);
      },
      'ACCESS_DENIED',
    ],
    [
      'with a key of its own in its header',
      async (rule) => sign(claimsOf(rule), { kid: 'own', jwk: await exportJWK(foreign.publicKey) }, foreign.privateKey),
      'ACCESS_DENIED',
    ],
    [
      'with changed claims',
      async (rule) =>
        (await sign(claimsOf(rule))).replace(
          /\.[^.]+\./,
          `.${Buffer.from(JSON.stringify(claimsOf(rule, { sub: 'root' }))).toString('base64url')}.`,
        ),
      'ACCESS_DENIED',
    ],
    ['that is none', () => 'nonsense', 'ACCESS_DENIED'],
    ['of dots', () => '..', 'ACCESS_DENIED'],
    ['that was cut', async (rule) => (await sign(claimsOf(rule))).slice(0, -20), 'ACCESS_DENIED'],
  ])('%s', async (_name, jwt, expected) => {
    const rule = await given();
    expect(await ask(rule, bearer(await jwt(rule)))).toBe(expected);
  });

  test('may be limited to chains by a claim, which must be there then', async () => {
    const rule = await given({ jwtChainsClaim: 'https://example.com/chains' });
    const by = async (chains: unknown, chain: string) =>
      ask(rule, bearer(await sign(claimsOf(rule, { 'https://example.com/chains': chains }))), chain);
    expect([await by(['a', 'b'], 'b'), await by(['a'], 'b'), await by('b', 'b'), await by(undefined, 'b'), await by([], 'b')]).toEqual([
      'passed',
      'ACCESS_FORBIDDEN',
      'ACCESS_DENIED',
      'ACCESS_DENIED',
      'ACCESS_FORBIDDEN',
    ]);
  });

  test.each<[string, () => void]>([
    ['there is no discovery', () => (pages = {})],
    [
      'discovery is about another issuer',
      () => (pages['/.well-known/openid-configuration'] = { body: { issuer: 'https://evil.example.com', jwks_uri: `${issuer}keys` } }),
    ],
    ['the keys are away', () => (pages['/keys'] = { status: 500, body: {} })],
    ['the keys are none', () => (pages['/keys'] = { body: 'x' })],
    ['the keys never come', () => (pages['/keys'] = 'hang')],
    ['the keys never end', () => (pages['/keys'] = { body: { keys: [], more: 'x'.repeat(300_000) } })],
    ['the keys lie elsewhere', () => (pages['/keys'] = { status: 302, body: {} })],
  ])('unavailable while %s; it is tried again', async (_name, spoil) => {
    const rule = await given();
    const whole = { ...pages };
    spoil();
    const headers = bearer(await sign(claimsOf(rule)));
    expect(await ask(rule, headers)).toBe('thrown ACCESS_UNAVAILABLE');
    pages = whole;
    await pass(rule, SECOND);
    expect(await ask(rule, headers)).toBe('passed');
  });

  test('an issuer that fails is asked once in a second, however many come', async () => {
    const rule = await given();
    pages = {};
    const headers = bearer(await sign(claimsOf(rule)));
    for (let n = 0; n < 20; n++) expect(await ask(rule, headers)).toBe('thrown ACCESS_UNAVAILABLE');
    await Promise.all(Array.from({ length: 20 }, () => ask(rule, headers)));
    expect(requests).toHaveLength(1);
    await pass(rule, SECOND);
    await Promise.all(Array.from({ length: 20 }, () => ask(rule, headers)));
    expect(requests).toHaveLength(2);
  });

  test('of a new key are taken at once, or within jwtKeyRefresh where what is made up comes before', async () => {
    const rule = await given({ jwtKeyRefresh: 10 * SECOND });
    const rotated = async (kid: string) => sign(claimsOf(rule), { kid }, foreign.privateKey);
    const madeUp = async (n: number) => ask(rule, bearer(await sign(claimsOf(rule), { kid: `made up ${n}` }, other.privateKey)));
    const read = () => requests.filter((path) => path === '/keys').length;
    const publish = async (kid: string) => {
      pages['/keys'] = { body: { keys: [{ ...(await exportJWK(foreign.publicKey)), kid, alg: 'RS256' }] } };
    };
    const other = await generateKeyPair('RS256');
    expect(await ask(rule, bearer(await sign(claimsOf(rule))))).toBe('passed');
    await publish('two');
    expect(await ask(rule, bearer(await rotated('two')))).toBe('passed');
    expect(read()).toBe(2);
    for (let n = 0; n < 50; n++) expect(await madeUp(n)).toBe('ACCESS_DENIED');
    expect(read()).toBe(2);
    // The key that was taken back verifies nothing any more.
    expect(await ask(rule, bearer(await sign(claimsOf(rule))))).toBe('ACCESS_DENIED');
    await pass(rule, 10 * SECOND);
    for (let n = 0; n < 50; n++) expect(await madeUp(n)).toBe('ACCESS_DENIED');
    expect(read()).toBe(3);
  });

  test('are checked by the keys of before for an hour while the issuer is away, and not for longer', async () => {
    const rule = await given();
    const now = rule.test.clock.now() / 1000;
    const headers = bearer(await sign(claimsOf(rule, { exp: now + 86_400 })));
    expect(await ask(rule, headers)).toBe('passed');
    pages = {};
    await pass(rule, 59 * 60 * SECOND);
    expect(await ask(rule, headers)).toBe('passed');
    // A key that is not there may be new.
    expect(await ask(rule, bearer(await sign(claimsOf(rule), { kid: 'two' }, foreign.privateKey)))).toBe('thrown ACCESS_UNAVAILABLE');
    await pass(rule, 60 * SECOND);
    expect(await ask(rule, headers)).toBe('thrown ACCESS_UNAVAILABLE');
  });

  test('issuer and audience belong together', async () => {
    const mistakesOf = async (given: Partial<CaptureSettings>) => {
      const test = await ruleTest(given);
      accessRule(test);
      return test.mistakes.map((mistake) => mistake.split(':')[0]);
    };
    expect(await mistakesOf({ jwtIssuer: issuer })).toEqual(['jwtAudience']);
    expect(await mistakesOf({ jwtAudience: AUDIENCE })).toEqual(['jwtIssuer']);
    expect(await mistakesOf({ jwtJwks: `${issuer}keys` })).toEqual(['jwtIssuer', 'jwtAudience']);
  });

  test('stand beside tokens and API keys: the first credential that is there decides', async () => {
    const rule = await given({ tokens: [NEW], apiKeys: true });
    const { key } = await createKey(rule.test.store, { now: 1, random: randomBytes(40) });
    const jwt = bearer(await sign(claimsOf(rule)));
    expect(await Promise.all([ask(rule, jwt), ask(rule, bearer(key)), ask(rule, { 'x-token': NEW, ...bearer('nonsense') })])).toEqual([
      'passed',
      'passed',
      'passed',
    ]);
    expect(await ask(rule, { 'x-token': 'wrong', ...jwt })).toBe('ACCESS_DENIED');
    expect(await ask(rule, { 'x-api-key': 'wrong', ...jwt })).toBe('ACCESS_DENIED');
  });
});
