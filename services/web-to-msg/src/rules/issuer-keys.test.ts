/** @group long: it waits until silent issuers are given up. */
import { gzipSync } from 'node:zlib';
import { VirtualClock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import { createHealth, silentLogger } from '@blockhub/telemetry';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { CaptureSettings } from '../settings.ts';
import { type AccessTest, ask, open } from './access.fixture.ts';
import { AUDIENCE, bearer, claimsOf, type Issuer, json, makePair, type Pair, sign, startIssuer } from './issuer.fixture.ts';
import { IssuerKeys } from './issuer-keys.ts';
import { IssuerStatus } from './issuer-status.ts';
import { headOf } from './rule.fixture.ts';

let issuer: Issuer;
let one: Pair;
/** Not of the issuer. */
let foreign: Pair;

beforeAll(async () => {
  [one, foreign] = await Promise.all([makePair('RS256'), makePair('RS256')]);
});
beforeEach(async () => {
  issuer = await startIssuer();
  issuer.publish([one.jwk]);
});
afterEach(async () => issuer[Symbol.asyncDispose]());

const SECOND = 1000;
const given = (more: Partial<CaptureSettings> = {}) => open({ jwtIssuer: issuer.url, jwtAudience: AUDIENCE, ...more });
const reads = () => issuer.requests.filter((path) => path === '/keys').length;
const askWith = async (rule: AccessTest, pair: Pair, more = {}) => ask(rule, bearer(await sign(pair, claimsOf(rule, issuer, more))));
const detailOf = (rule: AccessTest) => rule.test.health.report().checks['jwt-issuer'];
const messagesOf = (rule: AccessTest) => rule.test.lines.map(({ msg }) => msg);

/** What the sender gets. */
async function answerOf(rule: AccessTest, jwt: string): Promise<BlockhubError> {
  const verdict = await rule.head?.(headOf(bearer(jwt)));
  if (verdict instanceof BlockhubError) return verdict;
  throw new Error('passed');
}

describe('a difference of issuers', () => {
  const spellings: [string, (url: string) => unknown, string][] = [
    ['the slash at the end', (url) => url.replace(/\/$/, ''), 'the slash at the end'],
    ['two slashes at the end', (url) => `${url}/`, 'the slash at the end'],
    ['the scheme', (url) => url.replace('http:', 'https:'), 'http and https'],
    ['the case of the scheme', (url) => url.replace('http:', 'HTTP:'), 'http and https'],
    ['the case of a path', (url) => `${url}Tenant`, ''],
    ['blanks', (url) => ` ${url}`, 'blanks around it'],
    ['no scheme', (url) => url.replace('http://', ''), 'how the same address is spelt'],
    ['another host', () => 'https://evil.example.com/', ''],
    ['a number', () => 7, ''],
    ['nothing', () => undefined, ''],
    ['a list', (url) => [url], ''],
    ['an endless text', () => 'x'.repeat(2000), ''],
    ['a line break', (url) => `${url}\n{"level":"error"}`, ''],
  ];

  test.each(spellings)('of a JWT: %s is refused, with both spellings in the log and on /readyz', async (_, change, hint) => {
    const rule = await given();
    expect(await askWith(rule, one)).toBe('passed');
    const iss = change(issuer.url);
    const jwt = await sign(one, claimsOf(rule, issuer, { iss } as never));
    const { code, message } = await answerOf(rule, jwt);
    expect(code).toBe('ACCESS_DENIED');
    const [line, more] = rule.test.lines.filter(({ msg }) => msg === 'a JWT of another issuer was refused');
    expect([line?.level, more]).toEqual(['warn', undefined]);
    const got = typeof iss === 'string' ? JSON.stringify(iss.slice(0, 200)).slice(0, -1) : '';
    expect(message).toContain('its issuer (iss) is ');
    for (const part of jwt.split('.')) expect(message).not.toContain(part);
    for (const text of [String(line?.reason), detailOf(rule)?.detail]) {
      expect(text).toContain(`expected the issuer "${issuer.url}", got ${got}`);
      expect(text).toContain(hint && `they differ only in ${hint}`);
      for (const part of jwt.split('.')) expect(text).not.toContain(part);
      expect(text?.length).toBeLessThan(1000);
    }
    // A JWT of another issuer must not make the process unready.
    expect(detailOf(rule)?.ok).toBe(true);
    expect(reads()).toBe(1);
  });

  test('is logged once a minute', async () => {
    const rule = await given();
    for (let n = 0; n < 20; n++) expect(await askWith(rule, foreign, { iss: `https://made.up/${n}` })).toBe('ACCESS_DENIED');
    await rule.test.clock.run(() => false, 60 * SECOND);
    expect(await askWith(rule, foreign, { iss: 'https://made.up/21' })).toBe('ACCESS_DENIED');
    expect(messagesOf(rule).filter((msg) => msg === 'a JWT of another issuer was refused')).toHaveLength(2);
    expect(reads()).toBe(0);
  });

  test.each(spellings)('of the discovery: %s; the process is not ready, and says both', async (_, change, hint) => {
    const named = change(issuer.url);
    issuer.pages.set('/.well-known/openid-configuration', json({ issuer: named, jwks_uri: `${issuer.url}keys` }));
    const rule = await given();
    rule.start?.();
    expect(await askWith(rule, one)).toBe('thrown ACCESS_UNAVAILABLE');
    const line = rule.test.lines.find(({ msg }) => msg === 'keys of the JWT issuer cannot be read');
    const got = typeof named === 'string' ? JSON.stringify(named.slice(0, 200)).slice(0, -1) : '';
    for (const text of [String(line?.reason), detailOf(rule)?.detail]) {
      expect(text).toContain(`expected the issuer "${issuer.url}", got ${got}`);
      expect(text).toContain(hint);
    }
    expect(detailOf(rule)?.ok).toBe(false);
    issuer.pages.set('/.well-known/openid-configuration', json({ issuer: issuer.url, jwks_uri: `${issuer.url}keys` }));
    await rule.test.clock.run(() => false, SECOND);
    expect(await askWith(rule, one)).toBe('passed');
    expect(detailOf(rule)?.ok).toBe(true);
    expect(messagesOf(rule)).toContain('keys of the JWT issuer can be read again');
  });
});

describe('an answer that is none', () => {
  const html = '<!doctype html><html><body>Sign in</body></html>';
  test.each<[string, () => void, RegExp]>([
    [
      'HTML',
      () => issuer.pages.set('/keys', (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end(html)),
      /did not answer with JSON: expected a JSON object, got "text\/html" that begins with "<!doctype html>/,
    ],
    ['nothing', () => issuer.pages.set('/keys', json('')), /did not answer with JSON/],
    ['a list', () => issuer.pages.set('/keys', json([])), /with an array/],
    ['null', () => issuer.pages.set('/keys', json('null')), /other JSON/],
    ['a set without a list', () => issuer.pages.set('/keys', json({ keys: {} })), /answer with a key set: expected a list "keys"/],
    ['an empty set', () => issuer.publish([]), /no key that can be used \(the list is empty\)/],
    [
      'a redirect',
      () => issuer.pages.set('/keys', (_, response) => response.writeHead(302, { location: `${issuer.url}other` }).end()),
      /answered 302 with a redirect to "http:.*other", which is not followed/,
    ],
    ['an error', () => issuer.pages.set('/keys', json({}, 500)), /answered 500/],
    ['too much', () => issuer.pages.set('/keys', json({ keys: [], more: 'x'.repeat(300_000) })), /more than 262144 bytes/],
    [
      'too much when it is unpacked',
      () => {
        const body = gzipSync(Buffer.alloc(5_000_000, 0x20));
        issuer.pages.set('/keys', (_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(body));
      },
      /more than 262144 bytes/,
    ],
    [
      'bytes without end',
      () => issuer.pages.set('/keys', (_, response) => void response.writeHead(200).write('{"keys":[')),
      /did not answer within 1500 ms/,
    ],
    ['a connection that breaks', () => issuer.pages.set('/keys', (_, response) => response.destroy()), /does not answer: /],
    [
      'discovery of HTML',
      () => issuer.pages.set('/.well-known/openid-configuration', json(html)),
      /openid-configuration did not answer with JSON/,
    ],
    [
      'discovery without keys',
      () => issuer.pages.set('/.well-known/openid-configuration', json({ issuer: issuer.url })),
      /has no jwks_uri/,
    ],
    [
      'discovery of a file',
      () => issuer.pages.set('/.well-known/openid-configuration', json({ issuer: issuer.url, jwks_uri: 'file:///etc/keys' })),
      /jwks_uri with file:/,
    ],
    [
      'discovery of data',
      () => issuer.pages.set('/.well-known/openid-configuration', json({ issuer: issuer.url, jwks_uri: 'data:,{}' })),
      /jwks_uri with data:/,
    ],
  ])('%s: unavailable, and the log and /readyz show why', async (_, spoil, why) => {
    spoil();
    const rule = await given();
    // The answer must not show where the issuer is, or how it fails.
    await expect(answerOf(rule, await sign(one, claimsOf(rule, issuer)))).rejects.toMatchObject({
      code: 'ACCESS_UNAVAILABLE',
      message: 'The keys of the JWT issuer cannot be read now.',
      cause: expect.objectContaining({ message: expect.stringMatching(why) }),
    });
    expect(await askWith(rule, one)).toBe('thrown ACCESS_UNAVAILABLE');
    const lines = rule.test.lines.filter(({ msg }) => msg === 'keys of the JWT issuer cannot be read');
    expect(lines).toEqual([expect.objectContaining({ level: 'warn', reason: expect.stringMatching(why) })]);
    // Senders with tokens and API keys do not need the issuer.
    expect(detailOf(rule)).toMatchObject({ ok: true, detail: expect.stringMatching(why) });
  });

  test('a byte order mark before the set is none', async () => {
    issuer.pages.set('/keys', json(`\ufeff${JSON.stringify({ keys: [one.jwk] })}`));
    expect(await askWith(await given(), one)).toBe('passed');
  });
});

test('keys are read when requests are taken, before the first JWT comes', async () => {
  const rule = await given();
  rule.start?.();
  // The same reading is awaited.
  expect(await askWith(rule, one)).toBe('passed');
  expect(reads()).toBe(1);
  expect(detailOf(rule)).toMatchObject({ ok: true, detail: expect.stringContaining('1 key, read at ') });
});

describe('by themselves', () => {
  function keysOf() {
    const clock = new VirtualClock();
    const failures: string[] = [];
    const status = new IssuerStatus({ issuer: issuer.url, clock, log: silentLogger, health: createHealth() });
    const failed = status.failed.bind(status);
    status.failed = (error) => {
      failures.push(error.message);
      failed(error);
    };
    return { keys: new IssuerKeys({ issuer: issuer.url, jwks: undefined, refreshMs: 10 * SECOND, clock, status }), clock, failures };
  }

  test('keys that another JWT had read are not asked for again, nor kept from one that tried older ones', async () => {
    const { keys } = keysOf();
    const before = await keys.current();
    issuer.publish([foreign.jwk]);
    const after = await keys.newer(before);
    expect(after).not.toBe(before);
    expect(await keys.newer(before)).toBe(after);
    expect(reads()).toBe(2);
  });

  test('while an issuer hangs, one request waits for it, and the others go on with the keys of before', async () => {
    const { keys, clock, failures } = keysOf();
    const known = await keys.current();
    issuer.pages.set('/keys', () => undefined);
    await clock.run(() => false, 10 * 60 * SECOND);
    expect(await keys.current()).toBe(known);
    expect(failures).toHaveLength(1);
    await clock.run(() => false, SECOND);
    expect(await keys.current()).toBe(known);
    expect(failures).toHaveLength(1);
  });
});
