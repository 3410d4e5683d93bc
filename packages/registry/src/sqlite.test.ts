/** @group long: it waits for a lock that is held for too long. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, test } from '@jest/globals';
import { registryConformance } from './conformance.ts';
import { openRegistry } from './open.ts';
import type { ChainRecord } from './registry.ts';

const folder = mkdtempSync(join(tmpdir(), 'registry-'));
afterAll(() => rmSync(folder, { recursive: true }));

const open = (name: string) => openRegistry(`sqlite://${folder}/${name}.sqlite`);
const hash = (n: number): string => n.toString(16).padStart(64, '0');
const record = (n: number): ChainRecord => ({ id: hash(n), name: `chain-${n}`, crypt: 'sha256', settings: {}, time: n });
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const until = async (holds: () => Promise<boolean> | boolean): Promise<void> => {
  while (!(await holds())) await sleep(10);
};
const hints = (of: DatabaseSync) => of.prepare('SELECT count(*) AS n, min(height) AS low FROM registry_hints').get();

registryConformance('sqlite', { open });

describe('the file', () => {
  test('is shared with others: their tables and open transactions', async () => {
    const other = new DatabaseSync(join(folder, 'shared.sqlite'));
    other.exec('PRAGMA journal_mode = WAL; CREATE TABLE messages (id TEXT)');
    const registry = await open('shared');
    other.exec("BEGIN IMMEDIATE; INSERT INTO messages VALUES ('m1')");
    let done = false;
    const put = registry.putChain(record(1)).then(() => {
      done = true;
    });
    await registry.putHint(hash(1), 3);
    // If the change blocked this thread, the other transaction could not end, because it is of this
    // thread.
    expect([done, await registry.findChain('chain-1'), await registry.findHint(hash(1))]).toEqual([false, undefined, 3]);
    other.exec('COMMIT');
    await put;
    expect(await registry.findChain('chain-1')).toEqual(record(1));
    await registry.wipe();
    await registry.close();
    expect(other.prepare('SELECT count(*) AS n FROM messages').get()).toEqual({ n: 1 });
    other.close();
  });

  test('that others hold for too long is REGISTRY_UNAVAILABLE, and works again', async () => {
    const registry = await open('held');
    const other = new DatabaseSync(join(folder, 'held.sqlite'));
    other.exec('BEGIN IMMEDIATE');
    const error = await registry.putChain(record(1)).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'REGISTRY_UNAVAILABLE', transient: true, status: 503, cause: { errcode: 5 } });
    other.exec('ROLLBACK');
    other.close();
    await registry.putChain(record(1));
    await registry.close();
  }, 30_000);

  test('takes many hints in few writes, a moment later', async () => {
    const registry = await open('hints');
    const watcher = new DatabaseSync(join(folder, 'hints.sqlite'));
    const commits = () => (watcher.prepare('PRAGMA data_version').get() as { data_version: number }).data_version;
    const before = commits();
    for (let height = 0; height < 1000; height++) for (let chain = 0; chain < 10; chain++) await registry.putHint(hash(chain), height);
    expect(commits()).toBe(before);
    await until(() => hints(watcher)?.low !== null);
    expect(hints(watcher)).toEqual({ n: 10, low: 999 });
    expect(commits() - before).toBeLessThanOrEqual(2);
    watcher.close();
    await registry.close();
  });

  test('the higher of two hints stays, in whatever order they are written', async () => {
    const [low, high] = [await open('two'), await open('two')];
    await low.putHint(hash(1), 3);
    await high.putHint(hash(1), 9);
    await high.close();
    expect(await low.findHint(hash(1))).toBe(9);
    await low.close();
    const again = await open('two');
    expect(await again.findHint(hash(1))).toBe(9);
    await again.close();
  });

  test('a found chain is answered from memory', async () => {
    const registry = await open('cache');
    await registry.putChain(record(1));
    const first = await registry.findChain('chain-1');
    expect(await registry.findChain('chain-1')).toBe(first);
    expect(await registry.findChain(hash(1))).toBe(first);
    await registry.close();
  });

  test('a full memory leaves out the oldest chain only', async () => {
    const registry = await open('full');
    const other = new DatabaseSync(join(folder, 'full.sqlite'));
    // Without names each chain takes one entry.
    other.exec(`INSERT INTO registry_chains WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10001)
      SELECT printf('%064x', i), NULL, 'sha256', '{}', 0 FROM n`);
    other.close();
    const [first, second] = [await registry.findChain(hash(1)), await registry.findChain(hash(2))];
    for (let n = 3; n <= 10_001; n++) await registry.findChain(hash(n));
    expect(await registry.findChain(hash(2))).toBe(second);
    expect(await registry.findChain(hash(1))).not.toBe(first);
    await registry.close();
  });

  test('is not used after closing', async () => {
    const registry = await open('closed');
    await registry.close();
    for (const use of [
      () => registry.findChain('x'),
      () => registry.putChain(record(1)),
      () => registry.putHint(hash(1), 1),
      () => registry.wipe(),
    ]) {
      await expect(use()).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE', message: expect.stringContaining('is closed') });
    }
  });
});

/** A closed registry with 200 chains. */
async function filled(name: string): Promise<string> {
  const registry = await open(name);
  for (let n = 0; n < 200; n++) await registry.putChain(record(n));
  await registry.close();
  return join(folder, `${name}.sqlite`);
}

describe('damage', () => {
  test.each<[string, (path: string) => void]>([
    ['text instead', (path) => writeFileSync(path, 'not a database, but long enough to be taken for one'.repeat(100))],
    ['a broken header', (path) => writeFileSync(path, Buffer.concat([Buffer.alloc(32, 0xff), readFileSync(path).subarray(32)]))],
    ['cut in half', (path) => truncateSync(path, Math.floor(statSync(path).size / 8192) * 4096)],
    ['a page of noise', (path) => writeFileSync(path, Buffer.from(readFileSync(path)).fill(0xa5, 4096, 3 * 4096))],
    ['zeros in the middle', (path) => writeFileSync(path, Buffer.from(readFileSync(path)).fill(0, 2 * 4096, 6 * 4096))],
  ])('%s is REGISTRY_CORRUPT with the fix', async (title, damage) => {
    const name = title.replaceAll(' ', '-');
    const path = await filled(name);
    damage(path);
    await expect(open(name)).rejects.toMatchObject({
      code: 'REGISTRY_CORRUPT',
      message: `the registry ${path} is damaged: delete it, with ${path}-wal and ${path}-shm. It is rebuilt from the store`,
    });
    for (const end of ['', '-wal', '-shm']) rmSync(path + end, { force: true });
    const fresh = await open(name);
    await fresh.putChain(record(1));
    await fresh.close();
  });

  test('a row of another program is REGISTRY_CORRUPT', async () => {
    const path = await filled('row');
    const database = new DatabaseSync(path);
    database.exec(
      "UPDATE registry_chains SET settings = '{' WHERE name = 'chain-7'; UPDATE registry_chains SET crypt = 'sha1' WHERE name = 'chain-8'",
    );
    database.close();
    const registry = await open('row');
    for (const name of ['chain-7', 'chain-8']) await expect(registry.findChain(name)).rejects.toMatchObject({ code: 'REGISTRY_CORRUPT' });
    expect(await registry.findChain('chain-9')).toEqual(record(9));
    await registry.close();
  });

  test.each<[string, string]>([
    ['the write', "CREATE TRIGGER refuse BEFORE INSERT ON registry_hints BEGIN SELECT RAISE(ABORT, 'no'); END"],
    [
      'the commit',
      `CREATE TABLE parents (id INTEGER PRIMARY KEY); CREATE TABLE children (parent REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED);
      CREATE TRIGGER refuse AFTER INSERT ON registry_hints BEGIN INSERT INTO children VALUES (1); END`,
    ],
  ])('hints whose write fails (%s) are kept, up to a bound, and written later', async (title, refuse) => {
    const name = title.replaceAll(' ', '-');
    const registry = await open(name);
    const other = new DatabaseSync(join(folder, `${name}.sqlite`));
    other.exec(refuse);
    for (let n = 0; n < 12_000; n++) await registry.putHint(hash(n), 1);
    await until(async () => (await registry.findHint(hash(10_000))) === undefined);
    expect([await registry.findHint(hash(9999)), await registry.findHint(hash(10_000))]).toEqual([1, undefined]);
    expect(hints(other)).toEqual({ n: 0, low: null });
    other.exec('DROP TRIGGER refuse');
    await registry.putHint(hash(0), 2);
    await until(() => hints(other)?.low !== null);
    expect(hints(other)).toEqual({ n: 10_000, low: 1 });
    other.close();
    await registry.close();
  });
});

describe('a place that cannot be used', () => {
  test('a missing folder is named', async () => {
    await expect(openRegistry(`sqlite://${folder}/no/such/r.sqlite`)).rejects.toMatchObject({
      code: 'REGISTRY_URL_INVALID',
      message: `the folder ${folder}/no/such of the registry does not exist: create it or correct the URL`,
    });
    expect(existsSync(join(folder, 'no'))).toBe(false);
  });

  test('a folder instead of a file', async () => {
    mkdirSync(join(folder, 'dir.sqlite'));
    await expect(open('dir')).rejects.toMatchObject({ code: 'DATA_FOLDER_UNUSABLE' });
  });

  // The superuser may write everywhere.
  (process.getuid?.() === 0 ? test.skip : test)('a folder without rights', async () => {
    mkdirSync(join(folder, 'locked'));
    chmodSync(join(folder, 'locked'), 0o500);
    await expect(open('locked/r')).rejects.toMatchObject({ code: 'DATA_FOLDER_UNUSABLE' });
  });
});
