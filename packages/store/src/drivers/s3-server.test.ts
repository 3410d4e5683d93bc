import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CreateBucketCommand, type ObjectLockRule, PutObjectLockConfigurationCommand, S3Client } from '@aws-sdk/client-s3';
import { certificate, type Fault, type FaultyProxy, minio, openFaultyProxy, openProxy } from '@blockhub/test-servers';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { storeConformance } from '../conformance.ts';
import { openStore } from '../open.ts';
import type { Store, StoreOptions } from '../store.ts';
import { openS3Driver } from './s3.ts';
import { parseS3Url } from './s3-url.ts';

const server = await minio();
const execute = promisify(execFile);
const text = (value: string): Buffer => Buffer.from(value);

const releases: (() => unknown)[] = [];
afterEach(async () => {
  for (const release of releases.splice(0).reverse()) await release();
});

if ('absent' in server) test.skip(`a real S3 server (left out: ${server.absent})`, () => undefined);
else {
  afterAll(() => server.close());
  const { credentials } = server;
  const storeUrl = (): URL => new URL(server.url);

  /** The URL of an empty prefix, behind another address if one is given. */
  const fresh = (address = storeUrl().host, options = ''): string => {
    const { pathname, search } = storeUrl();
    return `s3://${address}${pathname}/${randomUUID()}${search}${options}`;
  };

  const openFresh = async (address?: string, given: StoreOptions & { url?: string } = {}): Promise<Store> => {
    const store = await openStore(given.url ?? fresh(address), { credentials, ...given });
    releases.push(() => store.close());
    return store;
  };

  storeConformance({ describe, expect, test }, 's3', async () => ({
    driver: openS3Driver(parseS3Url(new URL(fresh()), process.env), credentials),
  }));

  const makeLockedBucket = async (Bucket: string): Promise<void> => {
    const { endpoint, region } = parseS3Url(new URL(server.url), process.env);
    const { accessKey: accessKeyId = '', secretKey: secretAccessKey = '' } = credentials ?? {};
    const client = new S3Client({
      endpoint: String(endpoint),
      region,
      forcePathStyle: true,
      credentials: { accessKeyId, secretAccessKey },
    });
    await client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }));
    const Rule: ObjectLockRule = { DefaultRetention: { Mode: 'GOVERNANCE', Days: 1 } };
    await client.send(new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled', Rule } }));
    client.destroy();
  };

  describe('a real S3 server', () => {
    test('gets its bucket from the first one that prepares it', async () => {
      const { host, search } = storeUrl();
      const url = `s3://${host}/prepared-${randomUUID()}${search}`;
      const stores = await Promise.all(Array.from({ length: 4 }, () => openFresh(undefined, { url })));
      await expect(stores[0]?.head('a')).rejects.toMatchObject({ code: 'STORE_NOT_FOUND' });
      const made = await Promise.all(stores.map((store) => store.prepare()));
      expect(made).toContain('created');
      expect(await Promise.all(stores.map((store) => store.prepare()))).toEqual(made.map(() => 'exists'));
      expect(await stores[0]?.create('a', text('1'))).toBe('created');
    });

    test('can be relied on, and nothing stays behind', async () => {
      const store = await openFresh();
      const report = await store.probe();
      expect(report.checks.filter((check) => !check.ok)).toEqual([]);
      expect(report.left).toEqual([]);
      expect(await Array.fromAsync(store.list(''))).toEqual([]);
    });

    test('with versions and a lock on every object can be relied on too', async () => {
      const { host, search } = storeUrl();
      const url = `s3://${host}/locked-${randomUUID()}${search}`;
      const { bucket } = parseS3Url(new URL(url), process.env);
      await makeLockedBucket(bucket);
      const store = await openFresh(undefined, { url });
      expect((await store.probe()).checks.filter((check) => !check.ok)).toEqual([]);
      expect(await store.create('a', text('1'))).toBe('created');
      expect(await store.create('a', text('2'))).toBe('exists');
      await store.put('b', text('1'));
      await store.put('b', text('2'));
      expect([String(await store.get('a')), String(await store.get('b'))]).toEqual(['1', '2']);
    });

    test('lists page by page', async () => {
      const store = await openFresh();
      const keys = Array.from({ length: 1203 }, (_, at) => `k/${String(at).padStart(5, '0')}`);
      await Promise.all(keys.map((key) => store.create(key, text('x'))));
      expect((await Array.fromAsync(store.list('k/'))).map(({ key }) => key)).toEqual(keys);
      expect((await Array.fromAsync(store.list('', { after: 'k/00101' }))).map(({ key }) => key)).toEqual(keys.slice(102));
    });

    test('leaves out names that are not keys', async () => {
      const url = fresh();
      const store = await openFresh(undefined, { url });
      const driver = openS3Driver(parseS3Url(new URL(url), process.env), credentials);
      for (const key of ['.hidden', 'a\u0001b', 'ok']) await driver.put(key, text('x'));
      expect((await Array.fromAsync(store.list(''))).map(({ key }) => key)).toEqual(['ok']);
      await driver.close();
    });

    test('a bucket that is not there is named', async () => {
      const { host, search } = storeUrl();
      for (const ask of [(at: Store) => at.find('a'), (at: Store) => at.head('a'), (at: Store) => at.create('a', text('x'))]) {
        const store = await openFresh(undefined, { url: `s3://${host}/no-such-bucket${search}` });
        await expect(ask(store)).rejects.toMatchObject({ code: 'STORE_NOT_FOUND', message: expect.stringContaining('no-such-bucket') });
      }
    });

    test('wrong credentials are STORE_DENIED, and no part of them is shown', async () => {
      for (const { wrong, fix } of [
        { wrong: { accessKey: 'WRONGKEYID', secretKey: 'hunter2' }, fix: /another store, or has a typing error/ },
        { wrong: { accessKey: credentials?.accessKey ?? '', secretKey: 'hunter2hunter2' }, fix: /^Correct the secret key/ },
      ]) {
        const store = await openFresh(undefined, { credentials: wrong } as StoreOptions);
        const error = await store.create('a', text('x')).catch((thrown: unknown) => thrown);
        expect(error).toMatchObject({ code: 'STORE_DENIED', fix: expect.stringMatching(fix) });
        expect(everythingOf(error)).not.toMatch(/WRONGKEYID|hunter2|Signature=|StringToSign/);
      }
    });
  });

  describe('TLS', () => {
    const openTls = async (options: string): Promise<Store> => {
      const proxy = await openProxy(storeUrl().host, { tls: certificate });
      releases.push(() => proxy.close());
      const { pathname } = storeUrl();
      return openFresh(undefined, { url: `s3://${proxy.address}${pathname}/${randomUUID()}?${options}`, retryMs: 0 });
    };

    test('goes with a certificate whose authority is named', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'blockhub-store-'));
      releases.push(() => rm(folder, { recursive: true }));
      await writeFile(join(folder, 'ca.pem'), certificate.cert);
      const store = await openTls(`ca=${join(folder, 'ca.pem')}`);
      expect(await store.create('a', text('x'))).toBe('created');
      expect((await store.get('a')).toString()).toBe('x');
    });

    test('is refused with a certificate that no authority signed', async () => {
      const store = await openTls('');
      await expect(store.find('a')).rejects.toMatchObject({ code: 'STORE_UNUSABLE', fix: expect.stringContaining('?ca=') });
    });

    test('that the server does not speak has an error of its own', async () => {
      const { host, pathname } = storeUrl();
      const store = await openFresh(undefined, { url: `s3://${host}${pathname}`, retryMs: 0 });
      await expect(store.find('a')).rejects.toMatchObject({ code: 'STORE_UNUSABLE', fix: expect.stringContaining('?tls=off') });
    });
  });

  const faulty = async (options: StoreOptions = {}): Promise<{ proxy: FaultyProxy; store: Store; direct: Store; url: string }> => {
    const proxy = await openFaultyProxy(storeUrl().host);
    releases.push(() => proxy.close());
    const url = fresh(proxy.address, '&timeout=1');
    const direct = await openFresh(undefined, { url: url.replace(proxy.address, storeUrl().host) });
    return { proxy, store: await openFresh(undefined, { url, ...options }), direct, url };
  };

  describe('a create that meets', () => {
    const faults: Fault[] = ['lost-answer', '500-after', '500-before', '503', '409', 'reset', 'black-hole', 'late', 'slow'];

    test.each(faults)('%s is created', async (fault) => {
      const { proxy, store, direct } = await faulty();
      proxy.faults.push(fault);
      expect([await store.create('a', text('mine')), proxy.seen[0]]).toEqual(['created', `PUT ${fault}`]);
      expect((await direct.get('a')).toString()).toBe('mine');
    });

    test.each(faults)('%s and the object of another writer give exists', async (fault) => {
      const { proxy, store, direct } = await faulty();
      await direct.create('a', text('other'));
      proxy.faults.push(fault);
      expect([await store.create('a', text('mine')), proxy.seen[0]]).toEqual(['exists', `PUT ${fault}`]);
      expect((await direct.get('a')).toString()).toBe('other');
    });

    test.each<Fault>(['lost-answer', '500-after'])('%s is read back at once, not tried again', async (fault) => {
      const { proxy, store } = await faulty({ retryMs: 0 });
      proxy.faults.push(fault);
      expect(await store.create('a', text('mine'))).toBe('created');
      expect(proxy.seen).toEqual([`PUT ${fault}`, 'GET pass']);
    });

    test('a lost answer, and then a read whose answer is lost too', async () => {
      const { proxy, store } = await faulty();
      proxy.faults.push('lost-answer', 'reset', '503', 'lost-answer');
      expect(await store.create('a', text('mine'))).toBe('created');
    });

    test('nothing but errors is STORE_UNAVAILABLE', async () => {
      const { proxy, store } = await faulty({ retryMs: 300 });
      proxy.faults.push(...Array.from({ length: 50 }, (): Fault => '500-before'));
      await expect(store.create('a', text('mine'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    });
  });

  /**
   * In a process of its own: under Jest, `instanceof Error` is false in the SDK, so it cannot find
   * out what broke a listing.
   */
  const listOutside = async (url: string): Promise<unknown> => {
    const keys = credentials && { AWS_ACCESS_KEY_ID: credentials.accessKey, AWS_SECRET_ACCESS_KEY: credentials.secretKey };
    const env = { ...process.env, ...keys };
    const { stdout } = await execute(process.execPath, [join(import.meta.dirname, 'fixtures/list.ts'), url], { env });
    return JSON.parse(stdout);
  };

  describe('reading', () => {
    test.each<Fault>(['lost-answer', '500-before', '503', 'reset', 'black-hole', 'slow', 'cut-body'])('survives %s', async (fault) => {
      const { proxy, store, direct, url } = await faulty();
      const bytes = Buffer.alloc(100_000, 'a pattern');
      await direct.create('a', bytes);
      proxy.faults.push(fault);
      expect((await store.get('a')).equals(bytes)).toBe(true);
      proxy.faults.push(fault);
      expect(await store.head('a')).toEqual({ length: bytes.length });
      proxy.faults.push(fault);
      expect(await listOutside(url)).toEqual([{ key: 'a', length: bytes.length }]);
      expect(proxy.seen.filter((seen) => seen.endsWith(fault)).length).toBe(3);
    });
  });

  test('a storm of 503 is waited out, not answered with a storm', async () => {
    const { proxy, store } = await faulty();
    proxy.faults.push('503', '503', '503');
    await store.put('a', text('x'));
    // Retry-After asks for a second each; the usual back-off would have come back after 20 ms.
    expect(proxy.seen).toEqual(['PUT 503', 'PUT 503', 'PUT 503', 'PUT pass']);
  });
}

const liar = process.env.BLOCKHUB_TEST_S3_LIAR_URL;

(liar ? test : test.skip)(
  `a real server that breaks its word is refused every time${liar ? '' : ' (left out: no BLOCKHUB_TEST_S3_LIAR_URL)'}`,
  async () => {
    const credentials = {
      accessKey: process.env.BLOCKHUB_TEST_S3_ACCESS_KEY ?? '',
      secretKey: process.env.BLOCKHUB_TEST_S3_SECRET_KEY ?? '',
    };
    for (let round = 0; round < 20; round++) {
      const store = await openStore(liar ?? '', { credentials });
      await expect(store.assertSafe()).rejects.toMatchObject({ code: 'STORE_UNSAFE', details: { failed: ['one winner of a race'] } });
      await store.close();
    }
  },
  // Twenty times up to 1,500 requests, on a machine that others use.
  300_000,
);

/** All that a log could show of an error. */
function everythingOf(error: unknown): string {
  const seen: string[] = [];
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    seen.push(String(at), at.stack ?? '', JSON.stringify(at, Object.getOwnPropertyNames(at)));
  }
  return seen.join('\n');
}
