import { createHash, randomBytes } from 'node:crypto';
import { createKey } from '@blockhub/access';
import { createMetrics } from '@blockhub/telemetry';
import { describe, expect, test } from '@jest/globals';
import { raw, startCapture } from '../capture-server.fixture.ts';
import { headOf, ruleTest } from './rule.fixture.ts';
import { Rules } from './rules.ts';

const TOKEN = 'a-token-of-the-shop';
const post = (url: string, headers: Record<string, string> = {}, body = 'hello'): Promise<Response> =>
  fetch(url, { method: 'POST', headers, body });
const codeOf = async (answer: Response) => [answer.status, ((await answer.json()) as { code?: string }).code];

test('without settings nothing is asked, but for declared hashes', async () => {
  const test = await ruleTest();
  const rules = new Rules({ ...test, metrics: createMetrics() });
  const report: { rule: string }[] = [];
  expect(rules.judgeHead(headOf(), report as never)).toBeUndefined();
  expect(rules.judgeBody(headOf(), Buffer.from('x'), report as never)).toBeUndefined();
  expect(report.map(({ rule }) => rule)).toEqual(['digest', 'digest']);
});

test('every mistake of every rule is listed at once, with flag and variable, and no secret', async () => {
  await expect(
    startCapture({
      allowIps: ['300.1.1.1'],
      trustedProxies: ['proxy.example.com'],
      tokens: ['a-secret-of-mine with a space'],
      blockMimes: ['html'],
      jwtIssuer: 'https://issuer.example.com/',
      idempotencyHeaders: ['a b'],
      redact: ['a b', 'x-fine'],
    }),
  ).rejects.toMatchObject({
    code: 'SETTINGS_INVALID',
    details: {
      mistakes: [
        expect.stringMatching(/^allowIps \(--allow-ips, BLOCKHUB_ALLOW_IPS\): "300.1.1.1"/),
        expect.stringMatching(/^tokens \(--tokens, BLOCKHUB_TOKENS\): token 1 (?!.*secret)/),
        expect.stringMatching(/^jwtAudience /),
        expect.stringMatching(/^blockMimes /),
        expect.stringMatching(/^trustedProxies /),
        expect.stringMatching(/^idempotencyHeaders /),
        expect.stringMatching(/^redact .*"a b"/),
      ],
    },
  });
});

describe('a request', () => {
  test('that is refused is never read, kept nowhere, and counted by its rule', async () => {
    await using server = await startCapture({ tokens: [TOKEN] });
    // The body never comes: the answer does not wait for it.
    const answer = await raw(
      server.port,
      'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\nx-token: wrong\r\nconnection: close\r\n\r\n',
      true,
    );
    expect(answer).toMatch(/^HTTP\/1.1 401 /);
    expect(answer).toMatch(/\r\nwww-authenticate: Bearer /i);
    expect(answer).not.toContain('wrong');
    expect(await codeOf(await post(server.url))).toEqual([401, 'ACCESS_REQUIRED']);
    expect(await server.ingress()).toEqual([]);
    const metrics = await server.metrics();
    expect(metrics).toContain('blockhub_capture_refused_total{rule="access",code="ACCESS_DENIED"} 1');
    expect(metrics).toContain('blockhub_capture_refused_total{rule="access",code="ACCESS_REQUIRED"} 1');
    expect(metrics).toContain('blockhub_capture_held_bytes 0');
  });

  test('that is taken names in its meta and document who sent it, never the secret', async () => {
    await using server = await startCapture({ tokens: [`${TOKEN};name=shop`], apiKeys: true, sniffMimes: true });
    const { key, record } = await createKey(server.store, { now: Date.now(), random: randomBytes(40) });
    for (const headers of [{ 'x-token': TOKEN }, { 'x-api-key': key }, { authorization: `Bearer ${key}` }])
      expect((await post(server.url, { ...headers, 'content-type': 'text/plain' }, '%PDF-1.7')).status).toBe(201);
    const messages = await server.ingress();
    expect(messages.map(({ meta }) => meta.subject)).toEqual(
      ['token:shop', `key:${record.id}`, `key:${record.id}`].flatMap((by) => [by, by]),
    );
    expect(messages[0]?.meta).toMatchObject({ mime: 'text/plain', sniffed: 'application/pdf', mimeMismatch: true });
    expect(JSON.parse(messages[1]?.body.toString() ?? '').subject).toBe('token:shop');
    const all = messages.map(({ body, meta }) => body.toString() + JSON.stringify(meta)).join();
    for (const secret of [TOKEN, key.slice(20)]) expect(all).not.toContain(secret);
  });

  test('without an access rule claims no subject, whatever it sends', async () => {
    await using server = await startCapture();
    await post(server.url, { 'x-token': TOKEN, authorization: 'Bearer x.y.z', subject: 'root' });
    expect((await server.ingress()).map(({ meta }) => meta.subject)).toEqual([undefined, undefined]);
  });

  test('comes from where a trusted proxy says, and from the connection for all others', async () => {
    const headers = { 'x-forwarded-for': '203.0.113.7' };
    await using trusting = await startCapture({ trustedProxies: ['127.0.0.0/8'], blockIps: ['203.0.113.7'] });
    expect(await codeOf(await post(trusting.url, headers))).toEqual([403, 'ADDRESS_FORBIDDEN']);
    expect((await post(trusting.url, { 'x-forwarded-for': '203.0.113.7, 203.0.113.8' })).status).toBe(201);
    expect(JSON.parse((await trusting.ingress())[1]?.body.toString() ?? '').client).toMatchObject({ ip: '203.0.113.8', via: '127.0.0.1' });
    expect(await codeOf(await post(trusting.url, { 'x-forwarded-for': 'unknown' }))).toEqual([403, 'ADDRESS_FORBIDDEN']);
    await using other = await startCapture({ blockIps: ['203.0.113.7'] });
    expect((await post(other.url, headers)).status).toBe(201);
    expect(JSON.parse((await other.ingress())[1]?.body.toString() ?? '').client).toMatchObject({ ip: '127.0.0.1' });
  });

  test('over a limit is 429, with the time to wait', async () => {
    await using server = await startCapture({ throttleIp: '2/h' });
    const answers = [await post(server.url), await post(server.url), await post(server.url)];
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 429]);
    const wait = Number(answers[2]?.headers.get('retry-after'));
    expect(wait > 1790 && wait <= 1800).toBe(true);
  });

  test('guesses no tokens faster than its address may send', async () => {
    await using server = await startCapture({ throttleIp: '2/h', tokens: [TOKEN] });
    for (let n = 0; n < 2; n++) await post(server.url, { 'x-token': `guess ${n}` });
    expect(await codeOf(await post(server.url, { 'x-token': TOKEN }))).toEqual([429, 'THROTTLED']);
  });

  test('whose sender is not let in uses up nothing of the limit of all', async () => {
    await using server = await startCapture({ throttleAll: '1/h', tokens: [TOKEN] });
    for (let n = 0; n < 3; n++) expect((await post(server.url)).status).toBe(401);
    expect((await post(server.url, { 'x-token': TOKEN })).status).toBe(201);
  });

  test('with a wrong hash is 400; the right one is taken', async () => {
    await using server = await startCapture();
    const hash = (text: string) => ({ 'content-digest': `sha-256=:${createHash('sha256').update(text).digest('base64')}:` });
    expect(await codeOf(await post(server.url, hash('other')))).toEqual([400, 'DIGEST_MISMATCH']);
    expect((await post(server.url, hash('hello'))).status).toBe(201);
    expect((await server.ingress()).length).toBe(2);
  });

  test('of a type that is not taken is 415, declared or sniffed', async () => {
    await using server = await startCapture({ blockMimes: ['application/pdf'] });
    expect(await codeOf(await post(server.url, { 'content-type': 'application/pdf' }))).toEqual([415, 'OBJECT_INVALID_MIME']);
    expect(await codeOf(await post(server.url, { 'content-type': 'text/plain' }, '%PDF-1.7'))).toEqual([415, 'OBJECT_INVALID_MIME']);
    expect(await server.ingress()).toEqual([]);
  });
});

describe('a dry run', () => {
  const dry = { 'x-dry-run': 'true' };
  const report = async (answer: Response) => [answer.status, await answer.json()];

  test('says what each rule says, and keeps nothing', async () => {
    await using server = await startCapture({ dryRun: true, tokens: [TOKEN], blockMimes: ['text/html'] });
    expect(await report(await post(server.url, { ...dry, 'x-token': TOKEN, 'content-type': 'text/plain' }))).toEqual([
      200,
      {
        dryRun: true,
        accepted: true,
        rules: ['access', 'mime', 'digest', 'mime', 'digest'].map((rule) => ({ rule, verdict: 'passed' })),
        found: { subject: 'token' },
        receipt: { chain: server.chains.default, hash: createHash('sha256').update('hello').digest('hex'), crypt: 'sha256', length: 5 },
      },
    ]);
    expect(await report(await post(server.url, { ...dry, 'content-type': 'text/html' }))).toMatchObject([
      200,
      {
        accepted: false,
        rules: [{ rule: 'access', verdict: 'refused', code: 'ACCESS_REQUIRED' }, { rule: 'mime', code: 'OBJECT_INVALID_MIME' }, {}, {}, {}],
      },
    ]);
    expect(await server.ingress()).toEqual([]);
  });

  test('shows whether a chain exists only to senders that may append to it', async () => {
    await using server = await startCapture({ dryRun: true, tokens: [TOKEN] });
    const at = async (chain: string, headers: Record<string, string>) =>
      JSON.stringify(await (await post(`${server.url}/append/chain/${chain}`, { ...dry, ...headers })).json());
    expect(await at('missing', { 'x-token': TOKEN })).toContain('CHAIN_NOT_FOUND');
    expect(await at('missing', {})).toBe(await at('plain', {}));
  });

  test('is throttled as any request', async () => {
    await using server = await startCapture({ dryRun: true, throttleIp: '1/h' });
    expect([(await post(server.url, dry)).status, (await post(server.url, dry)).status]).toEqual([200, 429]);
  });

  test.each(['true', 'yes', ''])('where none is taken, or asked for in other words (%j), nothing is captured by mistake', async (asked) => {
    await using server = await startCapture({ dryRun: asked !== 'true' });
    expect(await codeOf(await post(server.url, { 'x-dry-run': asked }))).toEqual([400, 'REQUEST_INVALID']);
    expect((await post(server.url, { 'x-dry-run': 'false' })).status).toBe(201);
    expect((await server.ingress()).length).toBe(2);
  });
});
