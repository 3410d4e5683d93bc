import { gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { type CaptureServer, raw, startCapture } from '../capture-server.fixture.ts';

const R = '[redacted]';

interface Document {
  readonly path: string;
  readonly query?: string;
  readonly headers: [string, string][];
  readonly client: { readonly ip: string | null };
  readonly body: { readonly mime?: string };
}

/** Sends a request as these bytes say; gives its status, its document, and the meta of its body. */
async function send(server: CaptureServer, target: string, headers: readonly string[] = [], body: Buffer | string = 'x') {
  const lines = [
    `POST ${target} HTTP/1.1`,
    'Host: h',
    'Connection: close',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...headers,
    '',
    '',
  ];
  const before = (await server.ingress()).length;
  const answer = await raw(server.port, Buffer.concat([Buffer.from(lines.join('\r\n'), 'latin1'), Buffer.from(body)]), true);
  const [blob, document] = (await server.ingress()).slice(before);
  const text = document?.body.toString() ?? '{}';
  return { status: Number(answer.split(' ')[1]), answer, text, document: JSON.parse(text) as Document, meta: blob?.meta ?? {} };
}

describe('a request document has the target as it came', () => {
  test.each<[string, string, string | undefined]>([
    ['/', '/', undefined],
    ['/?', '/', ''],
    ['/append/chain/default?n=1', '/append/chain/default', 'n=1'],
    ['/append/chain/defaul%74?%ff=%FF', '/append/chain/defaul%74', '%ff=%FF'],
    ['/?a%20b=a+b', '/', 'a%20b=a+b'],
    ['/?flag&flag=&=x&=', '/', 'flag&flag=&=x&='],
    ['/??x', '/', '?x'],
    ['/?&&a=1&&', '/', '&&a=1&&'],
    ['/?a;b=1;c', '/', 'a;b=1;c'],
    ['/?a=%zz&b=%', '/', 'a=%zz&b=%'],
    ['/?q="a"<b>|{c}^`\\', '/', 'q="a"<b>|{c}^`\\'],
    ['/?n=1&token=abc&z=2', '/', `n=1&token=${R}&z=2`],
    ['/?%74oken=abc;n=1&%2574oken=x', '/', `%74oken=${R};n=1&%2574oken=${R}`],
    ['/?jwt=a&pwd=b&session=c&author=d', '/', `jwt=${R}&pwd=${R}&session=${R}&author=d`],
    ['/?next=%2Fa%3Ftoken%3Dabc%26n%3D1', '/', `next=%2Fa%3Ftoken%3D${R}%26n%3D1`],
    ['http://user:pass@h/append/chain/default?a', `http://${R}@h/append/chain/default`, 'a'],
    ['http://h/append/chain/default', 'http://h/append/chain/default', undefined],
  ])('%s', async (target, path, query) => {
    await using server = await startCapture();
    const { status, document } = await send(server, target);
    expect([status, document.path, document.query]).toEqual([201, path, query]);
    expect('query' in document).toBe(query !== undefined);
  });
});

test('bytes that are no UTF-8 stay apart: each character is one byte', async () => {
  await using server = await startCapture();
  const { status, document } = await send(server, '/', ['X-Name: gr\xfc\xdf \xff', 'X-Utf8: \xc3\xbc']);
  expect(status).toBe(201);
  expect(Object.fromEntries(document.headers)).toMatchObject({ 'X-Name': 'grüß ÿ', 'X-Utf8': 'Ã¼' });
});

test('secrets stand nowhere, whatever header has them', async () => {
  await using server = await startCapture({ redact: ['X-Partner-Id'], tokens: undefined });
  const secret = 's3cr3t-Value';
  const whole = [
    ...[
      'Authorization',
      'Proxy-Authorization',
      'Cookie',
      'X-Api-Key',
      'Ocp-Apim-Subscription-Key',
      'X-Auth',
      'X-Csrf',
      'X-Session-Id',
      'X-Amz-Security-Token',
    ],
    ...['X-Goog-Iap-Jwt-Assertion', 'Stripe-Signature', 'X-Hub-Signature-256', 'X-Hook-Secret', 'X-Functions-Key', 'x-partner-id'],
  ];
  const urls = ['Referer', 'Origin', 'X-Original-URL', 'X-Forwarded-Uri', 'X-Rewrite-Url', 'Location', 'X-Any'];
  const forms = [
    (value: string) => `https://u:${value}@h/a`,
    (value: string) => `/a?n=1&token=${value}`,
    (value: string) => `https://h/a#access_token=${value}`,
    (value: string) => `/a?x=%2Fb%3Ftoken%3D${value}`,
  ];
  const values = [
    'Bearer s3cr3t-Value',
    'Basic czNjcjN0LVZhbHVlOg==',
    `Digest username="a", response="${secret}"`,
    `whsec_${secret}${secret}`,
  ];
  const headers = [
    ...whole.map((name) => `${name}: ${secret}`),
    ...urls.flatMap((name) => forms.map((form) => `${name}: ${form(secret)}`)),
    `Link: <https://u:${secret}@h/a>; rel="next"`,
    `Forwarded: for=1.2.3.4;secret=${secret}`,
    ...values.map((value, n) => `X-Value-${n}: ${value}`),
  ];
  const { status, text, document } = await send(server, `/?password=${secret}`, headers);
  expect(status).toBe(201);
  expect(text).not.toMatch(/s3cr3t|czNjcjN0/);
  const names = document.headers.map(([name]) => name);
  expect(headers.every((line) => names.includes(line.slice(0, line.indexOf(':'))))).toBe(true);
  expect(Object.fromEntries(document.headers)).toMatchObject({
    Host: 'h',
    Link: `<https://${R}@h/a>; rel="next"`,
    'X-Value-0': `Bearer ${R}`,
  });
});

test('a shared token stands nowhere, wherever it was sent', async () => {
  const token = 'correct-horse-battery';
  await using server = await startCapture({ tokens: [`${token};name=shop`] });
  const { status, text } = await send(server, `/?a=${token}`, [`X-Token: ${token}`, `X-Other: a ${token} b`]);
  expect(status).toBe(201);
  expect(text).not.toContain(token);
});

describe('no event is refused for a Content-Type', () => {
  test.each<[string, readonly string[], string | undefined]>([
    ['none', [], 'application/octet-stream'],
    ['an empty one', ['Content-Type:'], 'application/octet-stream'],
    ['json', ['Content-Type: json'], undefined],
    ['a charset without a value', ['Content-Type: text/plain; charset'], 'text/plain'],
    ['a semicolon', ['Content-Type: ;'], undefined],
    ['a list with any', ['Content-Type: text/html, */*'], 'text/html'],
    ['a list', ['Content-Type: text/html, text/plain'], undefined],
    ['two lines', ['Content-Type: text/plain', 'content-type: text/html'], undefined],
    ['two equal lines', ['Content-Type: text/plain', 'content-type: TEXT/plain'], 'text/plain'],
    ['UTF-8', ['Content-Type: text/pl\xc3\xa4in'], undefined],
    ['UTF-8 in a parameter', ['Content-Type: text/plain; name=\xc3\xa4'], 'text/plain'],
    ['an endless one', [`Content-Type: text/${'x'.repeat(5000)}`], undefined],
    ['blanks', ['Content-Type: text / plain'], undefined],
    ['undefined', ['Content-Type: undefined'], undefined],
    ['JSON', ['Content-Type: {"a":1}'], undefined],
    ['a slash', ['Content-Type: /'], undefined],
    ['an open quote', ['Content-Type: multipart/form-data; boundary="x'], 'multipart/form-data'],
  ])('%s', async (_name, lines, mime) => {
    await using server = await startCapture();
    for (const body of ['x', '']) {
      const { status, document, meta } = await send(server, '/', lines, body);
      expect([status, meta.mime, document.body.mime]).toEqual([201, mime, mime]);
      for (const line of lines) expect(document.headers).toContainEqual([line.slice(0, 12), line.slice(13).trim()]);
    }
  });

  test('but by a MIME list, which names it', async () => {
    await using server = await startCapture({ blockMimes: ['text/html'] });
    const { status, answer } = await send(server, '/', ['Content-Type: json']);
    expect([status, JSON.parse(answer.slice(answer.indexOf('{')))]).toMatchObject([
      415,
      { code: 'OBJECT_INVALID_MIME', detail: expect.stringContaining('"json"') },
    ]);
  });

  test('nor for other headers that no rule needs', async () => {
    await using server = await startCapture();
    const odd = [
      'Content-Encoding: ,;',
      'Content-Language: \xff',
      'traceparent: x',
      'traceparent: y',
      'ce-id:',
      'idempotency-key:',
      'X-Forwarded-For: unknown',
      'Forwarded: "',
      'Authorization: a',
      'Referer: :',
    ];
    expect((await send(server, '/', odd)).status).toBe(201);
  });
});

test('what is needed to read a body later is in its meta, also without a request document', async () => {
  await using server = await startCapture();
  const headers = ['Content-Type: Text/Plain; charset="ISO-8859-1"', 'Content-Encoding: X-GZip', 'Content-Language: de, en-US'];
  const { status, meta } = await send(server, '/append/chain/plain', headers, gzipSync('grüß'));
  expect(status).toBe(201);
  expect(meta).toMatchObject({ mime: 'text/plain', charset: 'iso-8859-1', coding: 'gzip', language: 'de, en-US' });
});

describe('behind a trusted proxy that names no address', () => {
  const odd = ['X-Forwarded-For: unknown'];
  test('an event is taken, and the client has no address', async () => {
    await using server = await startCapture({ trustedProxies: ['127.0.0.1'] });
    const { status, document } = await send(server, '/', odd);
    expect([status, document.client]).toMatchObject([201, { ip: null, via: '127.0.0.1' }]);
  });

  test.each([{ allowIps: ['0.0.0.0/0'] }, { blockIps: ['203.0.113.7'] }, { throttleIp: '10/s' }])(
    'it is refused with %j',
    async (settings) => {
      await using server = await startCapture({ trustedProxies: ['127.0.0.1'], ...settings });
      const { status, answer } = await send(server, '/', odd);
      expect(status).toBe(403);
      expect(answer).toContain('got \\"unknown\\"');
    },
  );
});
