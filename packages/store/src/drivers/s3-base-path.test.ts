import { createHmac, hash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { minio } from '@blockhub/test-servers';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { openStore } from '../open.ts';
import type { Store } from '../store.ts';

const releases: (() => unknown)[] = [];
afterEach(async () => {
  for (const release of releases.splice(0).reverse()) await release();
});

async function listen(serve: RequestListener): Promise<string> {
  const server = createServer(serve).listen(0, '127.0.0.1');
  await once(server, 'listening');
  releases.push(
    () => server.close(),
    () => server.closeAllConnections(),
  );
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const bytes = Buffer.from('0123456789');

/** Everything that a store is asked for, through the path of the proxy. */
async function useAll(store: Store): Promise<void> {
  expect(await store.find('a')).toBeUndefined();
  expect(await store.head('a')).toBeUndefined();
  expect(await store.create('a b/c+d', bytes)).toBe('created');
  expect(await store.create('a b/c+d', bytes)).toBe('exists');
  expect(await store.head('a b/c+d')).toEqual({ length: 10 });
  expect((await store.get('a b/c+d', { offset: 3, length: 2 })).toString()).toBe('34');
  await store.put('e', bytes);
  expect(await Array.fromAsync(store.list(''))).toEqual([
    { key: 'a b/c+d', length: 10 },
    { key: 'e', length: 10 },
  ]);
  expect(await Array.fromAsync(store.list('', { after: 'b' }))).toEqual([{ key: 'e', length: 10 }]);
  await store.remove('e');
  expect(await store.find('e')).toBeUndefined();
}

const server = await minio();

if ('absent' in server) test.skip(`a real S3 server behind a path (left out: ${server.absent})`, () => undefined);
else {
  afterAll(() => server.close());

  describe('a real server behind a proxy that removes its path', () => {
    const base = '/store/s3';

    /** Requests below the base are forwarded without it. All others are refused. */
    const proxy = async (seen: string[] = []): Promise<string> => {
      const { hostname: host, port } = new URL(server.url);
      return listen((asked, answer) => {
        const { method, url = '', headers } = asked;
        seen.push(`${method} ${url}`);
        if (!url.startsWith(`${base}/`)) {
          answer.writeHead(404).end('<html>no such page');
          return;
        }
        const passed = request({ host, port, method, path: url.slice(base.length), headers }, (given) => {
          answer.writeHead(given.statusCode ?? 500, given.headers);
          given.pipe(answer);
        });
        asked.pipe(passed);
      });
    };

    const open = async (url: string): Promise<Store> => {
      const store = await openStore(url, { credentials: server.credentials, retryMs: 0 });
      releases.push(() => store.close());
      return store;
    };

    test.each(['http:', 's3:'])('is used by %s with every request below the path', async (scheme) => {
      const seen: string[] = [];
      const bucket = `behind-${randomUUID()}`;
      const tls = scheme === 's3:' ? '&tls=off' : '';
      const store = await open(`${scheme}//${await proxy(seen)}${base}/${bucket}/prefix?basePath=${base}&signBasePath=off${tls}`);
      expect(store.url).toMatch(`${base}/${bucket}/prefix`);
      expect(await store.prepare()).toBe('created');
      await useAll(store);
      expect(seen.filter((one) => !one.includes(` ${base}/${bucket}`))).toEqual([]);
    });

    test('advises to sign without the path', async () => {
      const store = await open(`http://${await proxy()}/${new URL(server.url).pathname.slice(1)}?basePath=${base}`);
      await expect(store.find('a')).rejects.toMatchObject({
        code: 'STORE_DENIED',
        fix: expect.stringMatching(/removes the path \/store\/s3, write &signBasePath=off /),
      });
    });

    test('without the path in the URL it is said how to name it', async () => {
      const store = await open(`http://${await proxy()}/bucket`);
      await expect(store.create('a', bytes)).rejects.toMatchObject({ code: 'STORE_NOT_FOUND', fix: expect.stringContaining('?basePath=') });
    });
  });
}

describe('a server that checks signatures with the path', () => {
  const credentials = { accessKey: 'KEYID', secretKey: 'HUNTER2' };

  /** https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html */
  function isSigned({ method, url = '', headers }: IncomingMessage): boolean {
    const [path, query = ''] = url.split('?');
    const given = /Credential=KEYID\/([^/]+)\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=(\w+)/.exec(
      headers.authorization ?? '',
    );
    const [, day = '', region = '', names = '', signature] = given ?? [];
    const lines = names.split(';').map((name) => `${name}:${headers[name]?.toString().trim()}\n`);
    const canonical = [method, path, query.split('&').sort().join('&'), lines.join(''), names, headers['x-amz-content-sha256']].join('\n');
    const scope = `${day}/${region}/s3/aws4_request`;
    const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, hash('sha256', canonical)].join('\n');
    const mac = (key: string | Buffer, value: string): Buffer => createHmac('sha256', key).update(value).digest();
    const key = [day, region, 's3', 'aws4_request'].reduce<string | Buffer>(mac, `AWS4${credentials.secretKey}`);
    return signature === mac(key, text).toString('hex');
  }

  const serve = async (seen: string[]): Promise<string> =>
    listen((asked, answer) => {
      seen.push(`${asked.method} ${asked.url?.split('?')[0]}`);
      const isGood = isSigned(asked);
      asked.resume().on('end', () => {
        answer.writeHead(isGood ? 200 : 403);
        answer.end(isGood ? '' : '<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error>');
      });
    });

  const open = async (address: string, options: string): Promise<Store> => {
    const store = await openStore(`http://${address}/s3/bucket/p?basePath=/s3${options}`, { credentials, retryMs: 0 });
    releases.push(() => store.close());
    return store;
  };

  test('gets them so', async () => {
    const seen: string[] = [];
    const store = await open(await serve(seen), '');
    await store.create('a b', bytes);
    await store.head('a b');
    await store.find('a b');
    await store.remove('a b');
    await Array.fromAsync(store.list('x'));
    expect(seen).toEqual([...['PUT', 'HEAD', 'GET', 'DELETE'].map((method) => `${method} /s3/bucket/p/a%20b`), 'GET /s3/bucket/']);
  });

  test('and one that is signed without it gets the advice to try the other', async () => {
    const store = await open(await serve([]), '&signBasePath=off');
    await expect(store.find('a')).rejects.toMatchObject({ code: 'STORE_DENIED', fix: expect.stringMatching(/write &signBasePath=on /) });
  });
});
