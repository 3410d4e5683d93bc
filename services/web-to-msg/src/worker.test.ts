import { createHash, randomBytes } from 'node:crypto';
import type { Broker } from '@blockhub/broker';
import { BlockhubError } from '@blockhub/errors';
import { createLogger } from '@blockhub/telemetry';
import { describe, expect, test } from '@jest/globals';
import { REQUEST_MIME } from './capture/request-document.ts';
import { raw, rawAnswer, startCapture } from './capture-server.fixture.ts';

const hash = (crypt: string, bytes: string | Buffer): string => createHash(crypt).update(bytes).digest('hex');
const post = (url: string, body: string | Buffer, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(url, { method: 'POST', body: typeof body === 'string' ? body : new Uint8Array(body), headers });

describe('a POST', () => {
  test('is answered with a receipt, and is two messages: the body and its request document', async () => {
    await using server = await startCapture();
    const answer = await post(`${server.url}/append/chain/default?n=1&token=t0ken-of-the-shop`, 'hello', {
      'content-type': 'Text/Plain; charset=utf-8',
      authorization: 'Bearer s3cret',
      'x-hub-signature-256': 's3cret',
      'X-Custom': 'kept',
    });
    expect(answer.status).toBe(201);
    const answered = await answer.text();
    expect(answered).toMatch(/^\{.*\}\n$/);
    const receipt = JSON.parse(answered) as Record<string, unknown>;
    expect(receipt).toEqual({
      event: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
      chain: server.chains.default,
      hash: hash('sha256', 'hello'),
      crypt: 'sha256',
      length: 5,
      receivedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    });
    const [body, document, ...rest] = await server.ingress();
    expect(rest).toEqual([]);
    expect(body?.id).toBe(receipt.event);
    expect(body?.body.toString()).toBe('hello');
    expect(body?.meta).toMatchObject({ chain: server.chains.default, mime: 'text/plain', hash: receipt.hash, length: 5 });
    expect(document?.meta).toMatchObject({ about: receipt.event, mime: REQUEST_MIME, hash: hash('sha256', document?.body ?? '') });
    expect(String(document?.id) > String(body?.id)).toBe(true);
    const text = document?.body.toString() ?? '';
    expect(text).not.toContain('s3cret');
    expect(text).not.toContain('t0ken');
    expect(JSON.parse(text)).toMatchObject({
      method: 'POST',
      path: '/append/chain/default',
      query: 'n=1&token=[redacted]',
      client: { ip: '127.0.0.1', tls: false },
      receivedAt: receipt.receivedAt,
      body: { event: receipt.event, hash: receipt.hash, crypt: 'sha256', length: 5, mime: 'text/plain' },
    });
    const headers = new Map(JSON.parse(text).headers as [string, string][]);
    expect(headers.get('X-Custom') ?? headers.get('x-custom')).toBe('kept');
    expect(headers.get('authorization')).toBe('[redacted]');
  });

  test('goes to the default chain at /, to a chain by id, and to a chain without request documents', async () => {
    await using server = await startCapture();
    expect(await (await post(`${server.url}/`, 'a')).json()).toMatchObject({ chain: server.chains.default });
    expect(await (await post(`${server.url}/append/chain/${server.chains.plain}`, 'b')).json()).toMatchObject({
      chain: server.chains.plain,
    });
    expect((await server.ingress()).length).toBe(3);
  });

  test('on an md5 chain has a sha256 beside the md5', async () => {
    await using server = await startCapture();
    expect(await (await post(`${server.url}/append/chain/old`, 'x')).json()).toMatchObject({ crypt: 'md5', hash: hash('md5', 'x') });
    const [message] = await server.ingress();
    expect(message?.meta).toMatchObject({ crypt: 'md5', sha256: hash('sha256', 'x') });
  });

  test.each([0, 1, 999, 1000])('of %d bytes, all byte values, is taken as it is', async (length) => {
    await using server = await startCapture({ bodyLimit: 1000 });
    const body = randomBytes(length);
    const answer = await post(`${server.url}/append/chain/plain`, body, { 'content-type': 'application/octet-stream' });
    expect(answer.status).toBe(201);
    expect(await answer.json()).toMatchObject({ length, hash: hash('sha256', body) });
    expect((await server.ingress())[0]?.body.equals(body)).toBe(true);
  });

  test('over the limit of a message goes to the store first and travels as a reference', async () => {
    await using server = await startCapture({ messageLimit: 100 });
    const body = randomBytes(101);
    const receipt = (await (await post(`${server.url}/append/chain/plain`, body)).json()) as { hash: string };
    const [message] = await server.ingress();
    expect(message?.body.length).toBe(0);
    expect(message?.meta).toMatchObject({ at: `blobs/${receipt.hash}.blob`, length: 101 });
    expect((await server.store.get(`blobs/${receipt.hash}.blob`)).equals(body)).toBe(true);
  });

  test('over the limit of a message never takes a damaged object for the body', async () => {
    await using server = await startCapture({ messageLimit: 100 });
    const body = randomBytes(101);
    await server.store.create(`blobs/${hash('sha256', body)}.blob`, randomBytes(101));
    const answer = await post(`${server.url}/append/chain/old`, body);
    expect(answer.status).toBe(500);
    expect(await answer.json()).toMatchObject({ code: 'OBJECT_EXISTS' });
    expect(await server.ingress()).toEqual([]);
  });

  test('over the limit of a message is one object however often it comes', async () => {
    await using server = await startCapture({ messageLimit: 100 });
    const body = randomBytes(101);
    for (let n = 0; n < 2; n++) expect((await post(`${server.url}/append/chain/old`, body)).status).toBe(201);
    expect((await server.ingress()).map(({ meta }) => meta.at)).toEqual(Array(2).fill(`blobs/${hash('sha256', body)}.blob`));
  });

  test('has event ids that grow, many at once', async () => {
    await using server = await startCapture();
    await Promise.all(Array.from({ length: 200 }, (_, n) => post(`${server.url}/append/chain/plain`, String(n))));
    const ids = (await server.ingress()).map(({ id }) => id);
    expect(new Set(ids).size).toBe(200);
    expect(ids).toEqual(ids.toSorted());
  });
});

const chunked = (parts: readonly string[]): string => parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join('');

describe('what is refused has a problem with a code, and nothing is queued', () => {
  const cases: [
    name: string,
    send: (server: { url: string; port: number }) => Promise<{ status: number; text: string }>,
    status: number,
    code: string,
  ][] = [
    ['an unknown chain', ({ url }) => answerOf(post(`${url}/append/chain/missing`, 'x')), 404, 'CHAIN_NOT_FOUND'],
    ['an id that no chain has', ({ url }) => answerOf(post(`${url}/append/chain/${'0'.repeat(64)}`, 'x')), 404, 'CHAIN_NOT_FOUND'],
    ['an endless chain name', ({ url }) => answerOf(post(`${url}/append/chain/${'x'.repeat(5000)}`, 'x')), 404, 'CHAIN_NOT_FOUND'],
    ['a chain name with dots and slashes', ({ url }) => answerOf(post(`${url}/append/chain/..%2f..%2fetc`, 'x')), 404, 'CHAIN_NOT_FOUND'],
    [
      'a broken percent sign',
      ({ port }) => rawAnswer(port, 'POST /append/chain/%zz HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\nconnection: close\r\n\r\nx'),
      400,
      'REQUEST_INVALID',
    ],
    ['another path', ({ url }) => answerOf(post(`${url}/nothing/here`, 'x')), 404, 'ROUTE_NOT_FOUND'],
    ['GET', ({ url }) => answerOf(fetch(`${url}/append/chain/default`)), 405, 'METHOD_NOT_ALLOWED'],
    ['PUT', ({ url }) => answerOf(fetch(`${url}/append/chain/default`, { method: 'PUT', body: 'x' })), 405, 'METHOD_NOT_ALLOWED'],
    ['one byte over the limit', ({ url }) => answerOf(post(`${url}/append/chain/default`, 'x'.repeat(1001))), 413, 'BODY_TOO_LARGE'],
    [
      'one byte over the limit, chunked',
      ({ port }) =>
        rawAnswer(
          port,
          `POST /append/chain/default HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n${chunked(['x'.repeat(1000), 'y', ''])}`,
        ),
      413,
      'BODY_TOO_LARGE',
    ],
    [
      'both a length and chunks',
      ({ port }) =>
        rawAnswer(
          port,
          `POST /append/chain/default HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n${chunked(['hello', ''])}`,
        ),
      400,
      'REQUEST_INVALID',
    ],
    [
      'two lengths',
      ({ port }) => rawAnswer(port, 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx'),
      400,
      'REQUEST_INVALID',
    ],
    [
      'a length that is not a number',
      ({ port }) => rawAnswer(port, 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1x\r\n\r\nxx'),
      400,
      'REQUEST_INVALID',
    ],
    [
      'a space before the colon',
      ({ port }) => rawAnswer(port, 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length : 1\r\n\r\nx'),
      400,
      'REQUEST_INVALID',
    ],
    [
      'an obsolete line fold',
      ({ port }) => rawAnswer(port, 'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding:\r\n chunked\r\ncontent-length: 1\r\n\r\nx'),
      400,
      'REQUEST_INVALID',
    ],
    [
      'no host',
      ({ port }) => rawAnswer(port, 'POST / HTTP/1.1\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx'),
      400,
      'REQUEST_INVALID',
    ],
    [
      'a transfer coding beside chunked',
      ({ port }) =>
        rawAnswer(
          port,
          `POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\nconnection: close\r\n\r\n${chunked(['hello', ''])}`,
        ),
      400,
      'REQUEST_INVALID',
    ],
    [
      'a body of HTTP/1.0 without a length',
      ({ port }) => rawAnswer(port, 'POST / HTTP/1.0\r\nhost: a\r\n\r\nhello'),
      400,
      'REQUEST_INVALID',
    ],
    ['no HTTP', ({ port }) => rawAnswer(port, '\x16\x03\x01 hello\r\n\r\n'), 400, 'REQUEST_INVALID'],
    [
      'headers over 16 KiB',
      ({ port }) => rawAnswer(port, `POST / HTTP/1.1\r\nhost: a\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`),
      400,
      'REQUEST_INVALID',
    ],
    [
      'more than 100 headers',
      ({ port }) =>
        rawAnswer(port, `POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 1\r\n${'x: y\r\n'.repeat(150)}\r\nx`),
      400,
      'REQUEST_INVALID',
    ],
  ];
  test.each(cases)('%s', async (_name, send, status, code) => {
    await using server = await startCapture({ bodyLimit: 1000 });
    const answer = await send(server);
    expect(answer.status).toBe(status);
    expect(answer.text).toMatch(/^\{.*\}\n$/);
    expect(JSON.parse(answer.text)).toMatchObject({
      status,
      code,
      title: expect.any(String),
      detail: expect.any(String),
      fix: expect.any(String),
    });
    expect(await server.ingress()).toEqual([]);
    expect(await server.metrics()).toContain(`blockhub_capture_requests_total{status="${status}"} 1`);
    // And nothing of it stays counted in the budget.
    while (!(await server.metrics()).includes('blockhub_capture_held_bytes 0')) await new Promise(setImmediate);
  });
});

async function answerOf(response: Promise<Response>): Promise<{ status: number; text: string }> {
  const answer = await response;
  expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  return { status: answer.status, text: await answer.text() };
}

describe('without a confirm there is no 2xx', () => {
  const failing =
    (error: Error | undefined) =>
    (broker: Broker): Broker =>
      new Proxy(broker, {
        get(target, name) {
          if (name === 'publish') return () => (error ? Promise.reject(error) : new Promise(() => {}));
          const value = Reflect.get(target, name) as unknown;
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });

  test.each([
    ['a broker that is away', new BlockhubError('BROKER_UNAVAILABLE', 'away'), 503, 'BROKER_UNAVAILABLE'],
    ['a queue that was deleted', new BlockhubError('BROKER_QUEUE_MISSING', 'no queue "ingress"'), 503, 'BROKER_UNAVAILABLE'],
    ['a full queue', new BlockhubError('BROKER_QUEUE_FULL', 'full'), 503, 'BROKER_QUEUE_FULL'],
    ['a broker that never answers', undefined, 503, 'CAPTURE_UNCONFIRMED'],
    ['an unexpected error', new Error('with a secret'), 500, 'INTERNAL'],
  ])('%s', async (_name, error, status, code) => {
    await using server = await startCapture({ confirmTimeout: 50 }, failing(error));
    const answer = await post(`${server.url}/append/chain/plain`, 'x');
    expect(answer.status).toBe(status);
    const text = await answer.text();
    expect(JSON.parse(text)).toMatchObject({ status, code });
    expect(text).not.toContain('secret');
    if (status === 503) expect(answer.headers.get('retry-after')).toBe('2');
  });

  test('an outage is not a line for each request', async () => {
    const lines: { code?: string; msg: string }[] = [];
    const log = createLogger({ name: 'web-to-msg', level: 'info', stream: { write: (line) => lines.push(JSON.parse(line)) } });
    await using server = await startCapture({}, failing(new BlockhubError('BROKER_UNAVAILABLE', 'away')), log);
    for (let count = 0; count < 5; count++) expect((await post(`${server.url}/append/chain/plain`, 'x')).status).toBe(503);
    expect(lines.filter(({ msg }) => msg.startsWith('request')).map(({ code, msg }) => [code, msg])).toEqual([
      ['BROKER_UNAVAILABLE', 'requests fail'],
    ]);
  });

  test('a store that never answers', async () => {
    await using server = await startCapture({ confirmTimeout: 50 });
    server.store.find = () => new Promise(() => {});
    const answer = await post(`${server.url}/append/chain/missing`, 'x');
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ code: 'CAPTURE_UNCONFIRMED' });
  });

  test('a store that is away is not an unknown chain', async () => {
    await using server = await startCapture();
    server.store.find = () => Promise.reject(new BlockhubError('STORE_UNAVAILABLE', 'away'));
    const answer = await post(`${server.url}/append/chain/missing`, 'x');
    expect(answer.status).toBe(503);
  });
});

test('a body that never comes does not keep a process that stops, and its sender gets an answer', async () => {
  await using server = await startCapture();
  const answer = raw(server.port, 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf', true);
  while (!(await server.metrics()).includes('blockhub_capture_held_bytes 4')) await new Promise(setImmediate);
  await server.stop(300);
  expect(await answer).toMatch(/^HTTP\/1.1 503 [\s\S]*retry-after: 2\r\n[\s\S]*"code":"CAPTURE_STOPPING"/);
});

test('an unknown Expect header is ignored', async () => {
  await using server = await startCapture();
  const head = 'POST /append/chain/plain HTTP/1.1\r\nhost: a\r\nconnection: close\r\nexpect: more\r\ncontent-length: 5\r\n\r\n';
  expect(await raw(server.port, `${head}hello`, true)).toMatch(/^HTTP\/1.1 201 /);
});

test('the method QUERY without a Content-Type is refused as any other', async () => {
  await using server = await startCapture();
  const answer = await fetch(`${server.url}/append/chain/default`, { method: 'QUERY' });
  expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST, HEAD, OPTIONS']);
});

test('a chain that is created while capture runs is found within its second', async () => {
  await using server = await startCapture();
  const { createChain } = await import('@blockhub/writer');
  await createChain(server.store, { name: 'late', now: Date.now(), random: Math.random });
  expect((await post(`${server.url}/append/chain/late`, 'x')).status).toBe(201);
});
