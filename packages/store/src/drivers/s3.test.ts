import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { BlockhubError } from '@blockhub/errors';
import { afterEach, describe, expect, test } from '@jest/globals';
import { openStore } from '../open.ts';
import type { Store } from '../store.ts';

const releases: (() => unknown)[] = [];
afterEach(async () => {
  for (const release of releases.splice(0).reverse()) await release();
});

interface Scripted {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

const coded = (status: number, code: string, more = '', headers = {}): Scripted => ({
  status,
  headers,
  body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>they said so</Message>${more}</Error>`,
});

/** A server that gives these answers, one for each request; the last one again and again. */
async function serve(
  answers: readonly Scripted[],
  { options = '', bucket = '/bucket' } = {},
): Promise<{ store: Store; asked: IncomingMessage[] }> {
  const asked: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    const { status, headers, body = '' } = answers[Math.min(asked.push(request), answers.length) - 1] ?? { status: 500 };
    request.resume().on('end', () => response.writeHead(status, headers).end(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const store = await openStore(`s3://127.0.0.1:${port}${bucket}?tls=off${options}`, {
    credentials: { accessKey: 'KEYID', secretKey: 'HUNTER2' },
    retryMs: 0,
  });
  releases.push(async () => {
    await store.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { store, asked };
}

const bytes = Buffer.from('x');

test.each([
  [coded(404, 'NoSuchBucket'), 'STORE_NOT_FOUND', 'there is no bucket bucket: create it'],
  [coded(400, 'AuthorizationHeaderMalformed', '<Region>eu-1</Region>'), 'STORE_URL_INVALID', 'write ?region=eu-1'],
  [coded(400, 'InvalidBucketName'), 'STORE_URL_INVALID', 'does not accept the bucket name bucket'],
])('a wrong URL is not called an unsafe store: %j', async (answer, code, message) => {
  const { store } = await serve([answer]);
  await expect(store.assertSafe()).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  const { checks } = await store.probe();
  expect(checks).toHaveLength(1);
});

test('writes carry the checksum that a bucket with locked objects asks for', async () => {
  const { store, asked } = await serve([{ status: 200 }]);
  await store.create('a', bytes);
  await store.put('a', bytes);
  expect(asked.map(({ headers }) => headers['content-md5'])).toEqual(Array(2).fill('ndTkYSaMgDT1yFZOFVxnpg=='));
});

describe('what an answer means', () => {
  test.each([
    [coded(403, 'AccessDenied'), 'STORE_DENIED'],
    [coded(401, 'Unauthorized'), 'STORE_DENIED'],
    [coded(403, 'QuotaExceeded'), 'STORE_FULL'],
    [coded(507, 'XMinioStorageFull'), 'STORE_FULL'],
    [coded(400, 'XMinioAdminBucketQuotaExceeded'), 'STORE_FULL'],
    [coded(429, 'TooManyRequests'), 'STORE_UNAVAILABLE'],
    [coded(409, 'OperationAborted'), 'STORE_UNAVAILABLE'],
    [coded(400, 'RequestTimeout'), 'STORE_UNAVAILABLE'],
    [coded(500, 'InternalError'), 'STORE_UNAVAILABLE'],
    [{ status: 502, body: '<html>no XML at all' }, 'STORE_UNAVAILABLE'],
    [{ status: 503 }, 'STORE_UNAVAILABLE'],
    [{ status: 400, body: 'Client sent an HTTP request to an HTTPS server.' }, 'STORE_UNUSABLE'],
    [coded(404, 'NoSuchBucket'), 'STORE_NOT_FOUND'],
    [{ status: 404, body: '<html>no such page' }, 'STORE_NOT_FOUND'],
    [coded(301, 'PermanentRedirect'), 'STORE_URL_INVALID'],
    [coded(400, 'AuthorizationHeaderMalformed', '<Region>eu-1</Region>'), 'STORE_URL_INVALID'],
  ] as const)('%j on a write is %s', async (answer, code) => {
    const { store } = await serve([answer]);
    await expect(store.create('a', bytes)).rejects.toMatchObject({ code });
    await expect(store.put('a', bytes)).rejects.toMatchObject({ code });
  });

  test.each([coded(400, 'InvalidArgument'), coded(501, 'NotImplemented')])('%j is nothing to try again', async (answer) => {
    const { store, asked } = await serve([answer]);
    await expect(store.create('a', bytes)).rejects.toMatchObject({ name: 'S3Failure', status: answer.status });
    expect(asked).toHaveLength(1);
  });

  test.each<[Scripted, string, RegExp]>([
    [coded(403, 'AccessDenied'), 'STORE_DENIED', /s3:PutObject.*bucket bucket/],
    [coded(403, 'AllAccessDisabled'), 'STORE_DENIED', /s3:PutObject/],
    [{ status: 403 }, 'STORE_DENIED', /s3:PutObject/],
    [{ status: 401 }, 'STORE_DENIED', /ACCESS_KEY.*proxy/],
    [coded(403, 'InvalidAccessKeyId'), 'STORE_DENIED', /typing error/],
    [coded(403, 'SignatureDoesNotMatch'), 'STORE_DENIED', /^Correct the secret key.*header Host/],
    [coded(400, 'ExpiredToken'), 'STORE_DENIED', /session/],
    [coded(400, 'InvalidToken'), 'STORE_DENIED', /session/],
    [coded(403, 'RequestTimeTooSkewed'), 'STORE_UNAVAILABLE', /clock.*NTP/],
    [coded(403, 'AccountProblem'), 'STORE_DENIED', /unpaid/],
    [coded(503, 'SlowDown'), 'STORE_UNAVAILABLE', /request limit/],
    [coded(503, 'ServiceUnavailable'), 'STORE_UNAVAILABLE', /request limit/],
    [coded(429, 'TooManyRequests'), 'STORE_UNAVAILABLE', /request limit/],
    [coded(503, 'SlowDownWrite'), 'STORE_UNAVAILABLE', /disks and nodes/],
    [coded(503, 'XMinioWriteQuorum'), 'STORE_UNAVAILABLE', /disks and nodes/],
    [coded(503, 'XMinioServerNotInitialized'), 'STORE_UNAVAILABLE', /started/],
    [coded(507, 'InsufficientStorage'), 'STORE_FULL', /add disks/],
    [coded(507, 'XMinioStorageFull'), 'STORE_FULL', /add disks/],
    [{ status: 507 }, 'STORE_FULL', /add disks/],
    [coded(403, 'QuotaExceeded'), 'STORE_FULL', /quota of the bucket bucket/],
    [
      { status: 403, body: '<Error><Code>AccessDenied</Code><Message>Object is WORM protected</Message></Error>' },
      'STORE_DENIED',
      /retention/,
    ],
    [coded(403, 'ObjectLocked'), 'STORE_DENIED', /retention/],
    [coded(403, 'InvalidObjectState'), 'STORE_UNUSABLE', /archive/],
    [coded(400, 'KMS.DisabledException'), 'STORE_UNUSABLE', /KMS/],
    [{ status: 502, body: '<html>' }, 'STORE_UNAVAILABLE', /proxy/],
    [{ status: 504, body: '<html>' }, 'STORE_UNAVAILABLE', /proxy/],
    [coded(500, 'InternalError'), 'STORE_UNAVAILABLE', /log of the store/],
    [{ status: 400, body: 'Client sent an HTTP request to an HTTPS server.' }, 'STORE_UNUSABLE', /[Rr]emove \?tls=off/],
    [{ status: 400, body: '<html>The plain HTTP request was sent to HTTPS port</html>' }, 'STORE_UNUSABLE', /[Rr]emove \?tls=off/],
    [{ status: 400 }, 'STORE_UNUSABLE', /S3 API/],
    [coded(404, 'NoSuchBucket'), 'STORE_NOT_FOUND', /^Create the bucket bucket/],
  ])('%j says what to do: %s', async (answer, code, fix) => {
    const { store } = await serve([answer]);
    const error = (await store.put('a', bytes).catch((thrown: unknown) => thrown)) as BlockhubError;
    expect(error).toMatchObject({ code, fix: expect.stringMatching(fix) });
    expect(`${error.message} ${error.fix}`).not.toMatch(/Wait;|chown|[{}]|\n|undefined/);
    const { checks } = await store.probe();
    expect(checks).toEqual([expect.objectContaining({ ok: false, fix: expect.any(String) })]);
  });

  test.each([
    [{ status: 413, body: '<html>' }, /client_max_body_size/],
    [coded(501, 'NotImplemented'), /If-None-Match/],
    [{ status: 405, body: '<html>' }, /S3 API/],
  ])('%j, which is not tried again, says it in its message', async (answer, fix) => {
    const { store } = await serve([answer]);
    await expect(store.put('a', bytes)).rejects.toThrow(fix);
  });

  test.each([
    [301, 'https://store.example/bucket/a?X-Amz-Signature=SIGNED', 'to https://store.example/bucket/a:'],
    [302, '/login?next=%2F', 'to /login:'],
    [308, 'https://store.example/', 'to https://store.example/:'],
  ])('a redirecting proxy is not taken for a wrong region: %d %s', async (status, location, to) => {
    const { store } = await serve([{ status, headers: { location } }]);
    await expect(store.find('a')).rejects.toMatchObject({ code: 'STORE_URL_INVALID', message: expect.stringContaining(to) });
    await expect(store.find('a')).rejects.toThrow(/^(?!.*SIGNED)/);
  });

  test('a header of credentials that is malformed in another way is not called a wrong region', async () => {
    const { store } = await serve([coded(400, 'AuthorizationHeaderMalformed')]);
    await expect(store.find('a')).rejects.toMatchObject({ name: 'S3Failure' });
    const body =
      "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region 'us-east-1' is wrong; expecting 'eu-7'</Message></Error>";
    const { store: other } = await serve([{ status: 400, body }]);
    await expect(other.find('a')).rejects.toThrow('write ?region=eu-7');
  });

  test('the region of the bucket is shown if the server gives it', async () => {
    const { store } = await serve([coded(400, 'AuthorizationHeaderMalformed', '<Region>eu-1</Region>')], { options: '&region=eu-2' });
    await expect(store.find('a')).rejects.toThrow('region eu-2 is not the region of bucket bucket: write ?region=eu-1');
    const { store: other } = await serve([{ status: 301, headers: { 'x-amz-bucket-region': 'eu-3' } }]);
    await expect(other.head('a')).rejects.toThrow('write ?region=eu-3');
  });

  test('an absent object, and a range behind the end', async () => {
    const { store } = await serve([coded(404, 'NoSuchKey')]);
    expect(await store.find('a')).toBeUndefined();
    expect(await store.head('a')).toBeUndefined();
    await store.remove('a');
    const { store: other } = await serve([coded(416, 'InvalidRange')]);
    expect(await other.find('a', { offset: 9, length: 1 })).toEqual(Buffer.alloc(0));
  });

  test('a HEAD asks for the bucket until it is known to be there', async () => {
    const { store, asked } = await serve([{ status: 404 }, { status: 200 }, { status: 404 }]);
    expect(await store.head('a')).toBeUndefined();
    expect(await store.head('b')).toBeUndefined();
    expect(asked.map(({ method, url }) => `${method} ${url}`)).toEqual(['HEAD /bucket/a', 'HEAD /bucket/', 'HEAD /bucket/b']);
    const { store: other } = await serve([{ status: 404 }]);
    await expect(other.head('a')).rejects.toMatchObject({ code: 'STORE_NOT_FOUND' });
  });

  test('a wrong clock is corrected by the answer', async () => {
    const date = new Date(Date.now() + 3_600_000).toUTCString();
    const { store, asked } = await serve([coded(403, 'RequestTimeTooSkewed', '', { date }), { status: 200, body: 'x' }]);
    await expect(store.find('a')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect((await store.get('a')).toString()).toBe('x');
    const [first, second] = asked.map(({ headers }) => `${headers['x-amz-date']}`.replace('T', ''));
    expect(Number.parseInt(second ?? '', 10) - Number.parseInt(first ?? '', 10)).toBeGreaterThanOrEqual(10_000);
  });

  test('what was signed is not told', async () => {
    const more = '<AWSAccessKeyId>KEYID</AWSAccessKeyId><StringToSign>TO-SIGN</StringToSign><SignatureProvided>SIGNED</SignatureProvided>';
    const { store } = await serve([coded(403, 'SignatureDoesNotMatch', more)]);
    const error = (await store.find('a').catch((thrown: unknown) => thrown)) as Error;
    const all = [error, error.cause].map((one) => JSON.stringify(one, Object.getOwnPropertyNames(one))).join();
    expect(all).toContain('they said so');
    expect(all).not.toMatch(/KEYID|TO-SIGN|SIGNED|HUNTER2/);
  });
});

describe('a request', () => {
  test('of a create carries the condition, no checksum that servers refuse, and waits for no leave', async () => {
    const { store, asked } = await serve([{ status: 200 }], { bucket: '/bucket/some/prefix' });
    await store.create('a b', Buffer.alloc(3_000_000));
    expect(asked[0]).toMatchObject({ method: 'PUT', url: expect.stringContaining('/bucket/some/prefix/a%20b') });
    const headers = asked[0]?.headers ?? {};
    expect(headers).toMatchObject({ 'if-none-match': '*', 'content-length': '3000000' });
    expect(headers['x-amz-content-sha256']).toMatch(/^[0-9a-f]{64}$/);
    expect(Object.keys(headers)).not.toContain('expect');
    expect(Object.keys(headers).join()).not.toMatch(/checksum|trailer|transfer-encoding/);
  });

  test('finds the bucket in the host name where the URL says so', async () => {
    const credentials = { accessKey: 'KEYID', secretKey: 'HUNTER2' };
    const store = await openStore('s3://store.invalid/bucket?style=virtual&tls=off', { credentials, retryMs: 0 });
    releases.push(() => store.close());
    await expect(store.find('a')).rejects.toThrow('bucket.store.invalid');
  });

  test('opens no more connections than are allowed', async () => {
    const { store, asked } = await serve([{ status: 200, body: 'x' }], { options: '&connections=2' });
    await Promise.all(Array.from({ length: 20 }, (_, at) => store.get(`k${at}`)));
    expect(new Set(asked.map(({ socket }) => socket)).size).toBe(2);
  });
});

test('a server that hangs up is not called slow', async () => {
  const server = createServer((request) => request.socket.destroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  releases.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  const credentials = { accessKey: 'KEYID', secretKey: 'HUNTER2' };
  const store = await openStore(`s3://127.0.0.1:${port}/bucket?tls=off`, { credentials, retryMs: 0 });
  releases.push(() => store.close());
  await expect(store.find('a')).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
    message: expect.stringContaining('the connection was cut'),
    fix: expect.stringContaining('speak TLS'),
  });
});

test('closing ends a request that a silent server does not answer', async () => {
  const server = createServer(() => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  releases.push(
    () => server.close(),
    () => server.closeAllConnections(),
  );
  const { port } = server.address() as AddressInfo;
  const store = await openStore(`s3://127.0.0.1:${port}/bucket?tls=off`, { credentials: { accessKey: 'KEYID', secretKey: 'HUNTER2' } });
  const asked = once(server, 'request');
  const answer = store.get('a').catch((error: unknown) => error);
  await asked;
  await store.close();
  expect(await answer).toMatchObject({ code: 'STORE_UNAVAILABLE' });
});

test('without credentials the error says how to give them', async () => {
  const store = await openStore('s3://127.0.0.1:1/bucket?tls=off', { retryMs: 0 });
  releases.push(() => store.close());
  const unset = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_PROFILE', 'AWS_WEB_IDENTITY_TOKEN_FILE'] as const;
  const before = Object.fromEntries([...unset, 'AWS_EC2_METADATA_DISABLED', 'HOME'].map((name) => [name, process.env[name]]));
  for (const name of unset) delete process.env[name];
  Object.assign(process.env, { AWS_EC2_METADATA_DISABLED: 'true', HOME: '/nonexistent' });
  releases.push(() => {
    for (const [name, value] of Object.entries(before))
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
  });
  await expect(store.find('a')).rejects.toMatchObject({
    code: 'STORE_DENIED',
    message: expect.stringContaining('BLOCKHUB_STORE_ACCESS_KEY'),
  });
});

test.each([
  ['ca=/no/such.pem', 'option ca: /no/such.pem is not a readable file'],
  [`ca=${import.meta.filename}`, 'is not a readable file with certificates'],
])('%s is refused', async (option, why) => {
  await expect(openStore(`s3://minio/bucket?${option}`)).rejects.toMatchObject({
    code: 'STORE_URL_INVALID',
    message: expect.stringContaining(why),
  });
});
