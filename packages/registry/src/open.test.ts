import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { MemoryRegistry } from './memory.ts';
import { openRegistry } from './open.ts';

test('memory: is new each time', async () => {
  const first = await openRegistry('memory:');
  await first.putHint('c', 1);
  expect(await (await openRegistry('memory:')).findHint('c')).toBeUndefined();
});

test('drivers may be given by scheme', async () => {
  const mine = new MemoryRegistry();
  expect(await openRegistry('redis://host:6379', { drivers: { redis: async () => mine } })).toBe(mine);
});

test('a path may hold escapes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'registry open '));
  const registry = await openRegistry(`sqlite://${folder.replaceAll(' ', '%20')}/r%25.sqlite`);
  await registry.close();
  rmSync(folder, { recursive: true });
});

test.each([
  ['', 'expected a URL such as sqlite:///var/lib/blockhub/registry.sqlite, redis://redis:6379 or rediss://redis:6379'],
  ['x:', 'unknown scheme x:, expected memory:, sqlite:, redis: or rediss:'],
  ['redis://u:HUNTER2@host', 'this URL takes no password: give it as BLOCKHUB_REGISTRY_PASSWORD'],
  [
    'redis://u:HUNTER2/x@host',
    'the password of the registry URL contains the character "/", and this URL cannot have a password: give it as BLOCKHUB_REGISTRY_PASSWORD',
  ],
  ['redis://u?x@host', 'the user of the registry URL contains the character "?", which ends the user: write %3F instead'],
  ['redis:host', 'expected a host: write redis://host:6379'],
  ['redis://', 'expected a host'],
  ['redis://host/x', 'expected the number of a database as the path, such as /0'],
  ['redis://host/0#x', 'expected nothing behind #'],
  ['redis://host?cluster=yes', 'option cluster: expected auto, on or off'],
  ['redis://host/1?cluster=on', 'a cluster has no database but 0'],
  ['redis://host?db=1', 'unknown option db, expected prefix, cluster or ca'],
  ['redis://host?prefix=', 'option prefix: expected 1 to 64 letters'],
  ['redis://host?ca=/ca.pem', 'option ca: it requires TLS, write rediss://'],
  ['rediss://host?ca=/no/such.pem', '/no/such.pem is not a readable file'],
  ['memory://shared', 'expected nothing behind memory:'],
  ['sqlite:r.sqlite', 'expected the absolute path of a file, with three slashes: sqlite:///var/lib/blockhub/registry.sqlite'],
  ['sqlite:///r.sqlite?mode=ro', 'unknown option mode'],
  ['sqlite://u:HUNTER2@/x', 'expected a URL such as sqlite:///'],
])('%j is REGISTRY_URL_INVALID', async (url, reason) => {
  const error = await openRegistry(url).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'REGISTRY_URL_INVALID', message: expect.stringContaining(reason) });
  expect(String(error)).not.toContain('HUNTER2');
});
