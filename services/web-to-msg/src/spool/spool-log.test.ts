import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@blockhub/telemetry';
import { afterEach, describe, expect, test } from '@jest/globals';
import { openFolder, type SpoolDisk, type SpoolFile } from './disk.ts';
import { MemoryDisk } from './memory-disk.ts';
import type { SpoolEntry } from './record.ts';
import { SpoolLog, type SpoolLogOptions } from './spool-log.ts';

const entryOf = (id: string | number, bytes = 10): SpoolEntry => ({
  at: 1,
  messages: [{ queue: 'ingress', id: String(id), meta: { chain: 'c' }, body: Buffer.alloc(bytes, String(id)) }],
});
const idsOf = (entries: readonly SpoolEntry[]): string[] => entries.map(({ messages }) => messages[0]?.id ?? '');
const openLog = (disk: SpoolDisk, given: Partial<SpoolLogOptions> = {}): Promise<SpoolLog> =>
  SpoolLog.open({ disk, maxBytes: 2 ** 30, maxEntries: 1000, random: Math.random, log: silentLogger, ...given });
const addAll = (log: SpoolLog, ids: readonly (string | number)[], bytes?: number): Promise<unknown> =>
  Promise.all(ids.map((id) => log.add(entryOf(id, bytes))));
/** Reads and drops all. */
async function drain(log: SpoolLog): Promise<string[]> {
  const ids: string[] = [];
  for (let batch = await log.read(3, 1000); batch.length > 0; batch = await log.read(3, 1000)) {
    ids.push(...idsOf(batch));
    await log.drop(batch.length);
  }
  return ids;
}

/** A disk whose files call this before each append and sync. */
function watched(disk: SpoolDisk, before: (what: 'append' | 'sync', file: string) => void): SpoolDisk {
  const watch = (name: string, file: SpoolFile): SpoolFile => ({
    append: async (parts) => {
      before('append', name);
      await file.append(parts);
    },
    sync: async () => {
      before('sync', name);
      await file.sync();
    },
    close: () => file.close(),
  });
  return { ...disk, create: async (name) => watch(name, await disk.create(name)) };
}

const folders: string[] = [];
const newFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'blockhub-spool-'));
  folders.push(folder);
  return folder;
};
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

describe.each([
  ['in memory', async () => new MemoryDisk().open()],
  ['in a folder', () => openFolder(newFolder())],
])('entries %s', (_name, openDisk) => {
  test('come out in their order, in batches, each until it is dropped; an empty spool leaves no file', async () => {
    const disk = await openDisk();
    const log = await openLog(disk);
    await addAll(log, [1, 2, 3, 4, 5]);
    expect(log.entries).toBe(5);
    expect(idsOf(await log.read(2, 1e6))).toEqual(['1', '2']);
    expect(idsOf(await log.read(2, 1e6))).toEqual(['1', '2']);
    await log.drop(2);
    await log.add(entryOf(6));
    expect(await drain(log)).toEqual(['3', '4', '5', '6']);
    expect([log.entries, log.bytes]).toEqual([0, 0]);
    expect((await disk.list()).filter(({ name }) => name.endsWith('.spool'))).toEqual([]);
    await log.close();
  });

  test('of many files come out in their order; a file goes when its last entry is dropped', async () => {
    const disk = await openDisk();
    const log = await openLog(disk);
    const ids = Array.from({ length: 12 }, (_, n) => n);
    for (const id of ids) await log.add(entryOf(id, 2 ** 20));
    const files = async (): Promise<number> => (await disk.list()).filter(({ name }) => name.endsWith('.spool')).length;
    expect(await files()).toBe(3);
    const [first] = await log.read(1, 0);
    expect(first?.messages[0]?.body.equals(Buffer.alloc(2 ** 20, '0'))).toBe(true);
    await log.drop(1);
    expect(await drain(log)).toEqual(ids.slice(1).map(String));
    expect(await files()).toBe(0);
    await log.close();
  });
});

test('those that are added at once share a sync', async () => {
  let syncs = 0;
  const log = await openLog(watched(new MemoryDisk().open(), (what) => (syncs += what === 'sync' ? 1 : 0)));
  await addAll(
    log,
    Array.from({ length: 100 }, (_, n) => n),
  );
  // The first is written alone, while the others gather.
  expect(syncs).toBe(2);
});

test('over the limit of bytes or entries it is full, and takes more when there is room', async () => {
  const log = await openLog(new MemoryDisk().open(), { maxBytes: 1000, maxEntries: 3 });
  await expect(log.add(entryOf('large', 1000))).rejects.toMatchObject({ code: 'SPOOL_FULL' });
  await addAll(log, [1, 2, 3]);
  await expect(log.add(entryOf(4))).rejects.toMatchObject({ code: 'SPOOL_FULL' });
  await log.read(1, 0);
  await log.drop(1);
  await log.add(entryOf(4));
  expect(await drain(log)).toEqual(['2', '3', '4']);
});

test('the next process finds what was not dropped, and perhaps a little of what was', async () => {
  const memory = new MemoryDisk();
  const log = await openLog(memory.open());
  await addAll(log, [1, 2, 3, 4]);
  await log.read(1, 0);
  await log.drop(1);
  memory.crash();
  const next = await openLog(memory.open());
  await next.add(entryOf(5));
  expect(await drain(next)).toEqual(['1', '2', '3', '4', '5']);
  expect(memory.files.size).toBe(0);
});

test('while the oldest file is drained, no other is in memory', async () => {
  const memory = new MemoryDisk();
  const reads: string[] = [];
  const log = await openLog(memory.open());
  for (let id = 0; id < 12; id++) await log.add(entryOf(id, 2 ** 20));
  memory.crash();
  const disk = memory.open();
  const next = await openLog({
    ...disk,
    read: (name, from, to) => {
      reads.push(name);
      return disk.read(name, from, to);
    },
  });
  expect(reads.length).toBe(3);
  reads.length = 0;
  for (let id = 0; id < 4; id++) {
    await next.read(1, 0);
    await next.drop(1);
  }
  expect(new Set(reads).size).toBe(1);
});

describe('a crash', () => {
  test('at any byte of a write costs nothing that was synced, and the file is never appended to again', async () => {
    const memory = new MemoryDisk();
    const log = await openLog(memory.open());
    await log.add(entryOf(1));
    await log.add(entryOf(2));
    const [[name, { bytes }] = ['', { bytes: Buffer.alloc(0) }]] = memory.files;
    const synced = bytes.length / 2;
    for (let length = synced; length < bytes.length; length++) {
      const cut = new MemoryDisk();
      cut.files.set(name, { bytes: bytes.subarray(0, length), synced: length });
      const next = await openLog(cut.open());
      await next.add(entryOf(3));
      expect([...cut.files.values()].map((file) => file.bytes.length)[0]).toBe(length);
      expect([length, await drain(next), next.damaged]).toEqual([length, ['1', '3'], 0]);
      expect(cut.files.size).toBe(0);
    }
  });

  test('after an answer loses nothing, before it perhaps', async () => {
    const memory = new MemoryDisk({
      plan: { decide: () => ({ outcome: 'ok', delayMs: 0, answerMs: 0 }), chance: () => false, random: () => 0 },
    });
    const log = await openLog(memory.open());
    await log.add(entryOf('answered'));
    const adding = log.add(entryOf('unanswered'));
    memory.crash();
    const next = await openLog(memory.open());
    expect(await drain(next)).toEqual(['answered']);
    // The dead process never hears of it.
    expect(await Promise.race([adding.then(() => 'done'), Promise.resolve('open')])).toBe('open');
  });
});

test('a bit that flips costs its own entry; the file is logged and kept', async () => {
  const memory = new MemoryDisk();
  await addAll(await openLog(memory.open()), [1, 2, 3]);
  memory.crash();
  const [[name, file] = ['', undefined]] = memory.files;
  if (file) file.bytes[file.bytes.length / 3 + 60] = (file.bytes[file.bytes.length / 3 + 60] as number) ^ 4;
  const errors: object[] = [];
  const log = await openLog(memory.open(), { log: { ...silentLogger, error: (facts) => errors.push(facts as object) } });
  expect([log.damaged, errors.length, log.entries]).toEqual([1, 1, 2]);
  expect(await drain(log)).toEqual(['1', '3']);
  expect([...memory.files.keys()]).toEqual([`${name}.damaged`]);
  memory.crash();
  const next = await openLog(memory.open());
  expect([next.damaged, await drain(next)]).toEqual([1, []]);
});

describe('a disk that fails', () => {
  test.each(['append', 'sync'] as const)('at a %s: all that wait get an error, and the file is not trusted again', async (where) => {
    let failing = false;
    const touched: string[] = [];
    const memory = new MemoryDisk();
    const disk = watched(memory.open(), (what, file) => {
      touched.push(file);
      if (failing && what === where) throw Object.assign(new Error('broken'), { code: 'EIO' });
    });
    const log = await openLog(disk);
    await log.add(entryOf(1));
    failing = true;
    await expect(log.add(entryOf(2))).rejects.toMatchObject({ code: 'SPOOL_UNAVAILABLE' });
    failing = false;
    const untrusted = touched.at(-1);
    touched.length = 0;
    await log.add(entryOf(3));
    expect(touched).not.toContain(untrusted);
    expect(await drain(log)).toEqual(['1', '3']);
    expect([log.entries, log.bytes, memory.files.size]).toEqual([0, 0, 0]);
  });

  test('for long does not leave a file per failure', async () => {
    let failing = true;
    const memory = new MemoryDisk();
    const disk = watched(memory.open(), () => {
      if (failing) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
    });
    const log = await openLog(disk);
    for (let n = 0; n < 20; n++) await expect(log.add(entryOf(n))).rejects.toMatchObject({ code: 'SPOOL_FULL' });
    // The last one may be on its way out.
    expect(memory.files.size).toBeLessThan(2);
    failing = false;
    await log.add(entryOf('x'));
    expect(await drain(log)).toEqual(['x']);
  });
});

test('a file that cannot be removed is drained again by the next process, no sooner', async () => {
  const memory = new MemoryDisk();
  const disk = memory.open();
  const log = await openLog({ ...disk, remove: () => Promise.reject(new Error('busy')) });
  await log.add(entryOf(1));
  expect(await drain(log)).toEqual(['1']);
  await log.add(entryOf(2));
  expect(await drain(log)).toEqual(['2']);
  memory.crash();
  expect(await drain(await openLog(memory.open()))).toEqual(['1', '2']);
});

test('what is written when it closes is written, and what comes later is refused', async () => {
  const folder = newFolder();
  const log = await openLog(await openFolder(folder));
  const adding = addAll(log, [1, 2]);
  await log.close();
  await adding;
  await expect(log.add(entryOf(3))).rejects.toMatchObject({ code: 'SPOOL_UNAVAILABLE' });
  const next = await openLog(await openFolder(folder));
  expect(await drain(next)).toEqual(['1', '2']);
  await next.close();
  expect(readdirSync(folder).filter((name) => name.endsWith('.spool'))).toEqual([]);
});
