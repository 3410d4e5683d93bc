import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { MemoryStore } from './drivers/memory.ts';
import { openStore } from './open.ts';

describe('a store URL', () => {
  test.each([
    ['memory:', 'memory:'],
    ['file:///tmp/absent/a', 'file:///tmp/absent/a'],
    ['/tmp/absent/a%20b', 'file:///tmp/absent/a%2520b'],
    ['s3:///bucket/p?region=eu-1', 's3:///bucket/p'],
    ['s3://minio:9000/bucket?tls=off', 's3://minio:9000/bucket'],
    ['s3.bucket.eu-west-1.amazonaws.com/p', 'https://s3.bucket.eu-west-1.amazonaws.com/p'],
    ['./absent #1?', `file://${join(process.cwd(), 'absent%20%231%3F')}`],
  ])('%s opens %s', async (url, shown) => {
    const store = await openStore(url);
    expect(store.url).toBe(shown);
    if (/^(?:memory|file):/.test(shown)) expect(await store.find('a')).toBeUndefined();
    await store.close();
  });

  test.each([
    ['', 'path is missing'],
    ['  ', 'path is missing'],
    ['file:', 'path is missing'],
    ['file:///', 'path is missing'],
    ['file://data/store', 'three slashes: file:///data/store'],
    ['file:///data?fsync=no', 'unknown option fsync'],
    ['file:///a%00', 'holds a NUL'],
    ['file:///a%2fb', 'wrong % escape'],
    ['file:///a%', 'wrong % escape'],
    ['memory:?x=1', 'unknown option x'],
    ['memory:a', 'takes no path'],
    ['sftp://host/path', 'unknown scheme sftp:, known are memory, file, s3, http, https'],
    ['s3://minio:9000', 'bucket is missing'],
    [
      's3://AKIA:a/b@minio/bucket',
      'the password of the store URL contains the character "/", and this URL cannot have a password: give it as BLOCKHUB_STORE_ACCESS_KEY',
    ],
    ['s3://minio/bucket/a@b', 'the path of the store URL contains the character "@": write %40 instead'],
    ['https://bucket.s3.amazonaws.com/?x=1', 'unknown option x'],
    ['constructor:x', 'unknown scheme constructor:'],
    [`file://${import.meta.filename}`, 'is not a folder'],
  ])('%j is refused: %s', async (url, why) => {
    await expect(openStore(url)).rejects.toMatchObject({ code: 'STORE_URL_INVALID', message: expect.stringContaining(why) });
  });

  test('with credentials is refused without repeating them', async () => {
    const error = await openStore('s3://key:hunter2@minio/bucket').catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'STORE_URL_INVALID' });
    expect(String(error)).not.toContain('hunter2');
  });

  test('may have a scheme of the caller, or another driver for a known one', async () => {
    const shared = new MemoryStore();
    await shared.driver().create('a', Buffer.from('x'));
    const drivers = {
      memory: () => shared.driver(),
      shelf: (url: URL) => (url.host === 'b' ? shared.driver() : new MemoryStore().driver()),
    };
    expect(await (await openStore('memory:', { drivers })).find('a')).toBeDefined();
    const store = await openStore('shelf://b/c?token=secret', { drivers });
    expect(await store.find('a')).toBeDefined();
    expect(store.url).toBe('shelf://b/c');
  });
});

test.each([
  ['memory:', false],
  ['s3:///bucket', true],
])('%s loads the SDK: %s', async (url, loads) => {
  const open = `
    import { createRequire } from 'node:module';
    const { openStore } = await import(${JSON.stringify(join(import.meta.dirname, 'open.ts'))});
    await openStore('${url}');
    console.log(Object.keys(createRequire('/').cache).some((path) => path.includes('@aws-sdk')));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', open]);
  expect(stdout.trim()).toBe(String(loads));
});
