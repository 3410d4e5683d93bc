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

test('further schemes are given by name', async () => {
  const mine = new MemoryRegistry();
  expect(await openRegistry('redis://host:6379', { schemes: { redis: async () => mine } })).toBe(mine);
});

test('a path may hold escapes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'registry open '));
  const registry = await openRegistry(`sqlite://${folder.replaceAll(' ', '%20')}/r%25.sqlite`);
  await registry.close();
  rmSync(folder, { recursive: true });
});

test.each([
  ['', 'has no scheme that is known here: use memory:, sqlite:, redis:, rediss:'],
  ['/var/lib/r.sqlite', 'has no scheme'],
  ['redis://u:HUNTER2@host', 'has a password: give it as BLOCKHUB_REGISTRY_PASSWORD'],
  [
    'redis://u:HUNTER2/x@host',
    'the password of the registry URL contains the character "/", and this URL cannot have a password: give it as BLOCKHUB_REGISTRY_PASSWORD',
  ],
  ['redis://:HUNTER2#@host:6379/0', 'the password of the registry URL contains the character "#"'],
  ['redis://u?x@host', 'the user of the registry URL contains the character "?", which ends the user: write %3F instead'],
  ['redis:host', 'needs a host: write redis://host:6379'],
  ['redis://', 'needs a host'],
  ['redis://host/x', 'has a path that is no number of a database'],
  ['redis://host/0#x', 'has a part behind #'],
  ['redis://host?cluster=yes', 'has an option cluster that cannot be used'],
  ['redis://host/1?cluster=on', 'names a database, and a cluster has none but 0'],
  ['redis://host?db=1', 'has the unknown option db; known are prefix, cluster, ca'],
  ['redis://host?prefix=a&prefix=b', 'has the option prefix more than once'],
  ['redis://host?prefix=', 'has an option prefix that cannot be used'],
  ['redis://host?ca=/ca.pem', 'has the option ca without TLS: write rediss://'],
  ['rediss://host?ca=/no/such.pem', '/no/such.pem is no readable file'],
  ['__proto__:', 'has no scheme'],
  ['constructor:x', 'has no scheme'],
  ['SQLITE:///x', 'has no scheme'],
  ['memory://shared', 'takes nothing behind memory:'],
  ['sqlite:', 'needs the absolute path of a file: write sqlite:///var/lib/blockhub/registry.sqlite'],
  ['sqlite:r.sqlite', 'needs the absolute path'],
  ['sqlite://var/r.sqlite', 'needs the absolute path'],
  ['sqlite:///', 'needs the absolute path'],
  ['sqlite:///var/', 'needs the absolute path'],
  ['sqlite:///r.sqlite?mode=ro', 'has options behind ? or #'],
  ['sqlite:///r%.sqlite', 'has a broken % escape'],
  ['sqlite:///r%00.sqlite', 'holds a zero byte'],
  ['sqlite://u:HUNTER2@/x', 'needs the absolute path'],
])('%j is REGISTRY_URL_INVALID', async (url, reason) => {
  const error = await openRegistry(url).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'REGISTRY_URL_INVALID', message: expect.stringContaining(reason) });
  expect(String(error)).not.toContain('HUNTER2');
});
