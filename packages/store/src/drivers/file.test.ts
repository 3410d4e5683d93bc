import { createHook } from 'node:async_hooks';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { systemClock } from '@blockhub/clock';
import type { BlockhubError } from '@blockhub/errors';
import { afterEach, describe, expect, test } from '@jest/globals';
import { storeConformance } from '../conformance.ts';
import type { StoredObject } from '../driver.ts';
import { afterFolder } from '../keys.ts';
import { openStore } from '../open.ts';
import { Store } from '../store.ts';
import { openFileDriver } from './file.ts';
import { listFolder } from './file-list.ts';

const clock = systemClock;
const text = (value: string): Buffer => Buffer.from(value);
const writer = join(import.meta.dirname, 'fixtures/writer.ts');

const releases: (() => unknown)[] = [];
afterEach(async () => {
  for (const release of releases.splice(0).reverse()) await release();
});

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'blockhub-store-'));
  releases.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A small file system of its own. */
function mount(folder: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'blockhub-test', folder], { stdio: 'pipe' });
  releases.push(() => execFileSync('umount', [folder]));
}

/** Why no file system can be mounted here, if so. */
function reasonAgainstMounts(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root may mount';
  const folder = mkdtempSync(join(tmpdir(), 'blockhub-store-'));
  try {
    mount(folder);
    releases.pop()?.();
    return undefined;
  } catch (error) {
    return `mounting fails: ${error}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function testOnMount(title: string, run: (root: string) => Promise<void>): void {
  const reason = reasonAgainstMounts();
  if (reason !== undefined) {
    test.skip(`${title} (left out: ${reason})`, () => undefined);
    return;
  }
  test(title, async () => {
    const root = await newFolder();
    mount(root);
    await run(root);
  });
}

function start(...options: string[]): { child: ChildProcess; lines: string[]; ended: Promise<unknown> } {
  const child = spawn(process.execPath, [writer, ...options], { stdio: ['pipe', 'pipe', 'inherit'] });
  releases.push(() => child.kill('SIGKILL'));
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (line) => lines.push(line));
  return { child, lines, ended: Promise.all([once(child, 'exit'), once(reader, 'close')]) };
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await clock.sleep(2);
}

async function gather(objects: AsyncIterable<StoredObject>): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of objects) keys.push(key);
  return keys;
}

storeConformance({ describe, expect, test }, 'file', async () => {
  const root = await mkdtemp(join(tmpdir(), 'blockhub-store-'));
  return { driver: await openFileDriver(root, { clock }), release: () => rm(root, { recursive: true }) };
});

describe('objects are plain files', () => {
  test('at the path of their key, with no trace of how they were written', async () => {
    const root = join(await newFolder(), 'not/there/yet');
    const store = await openStore(`file://${root}`);
    await store.create('chains/ab/000000000001.block', text('block'));
    await store.put('names/x.block', text('name'));
    expect(await readFile(join(root, 'chains/ab/000000000001.block'), 'utf8')).toBe('block');
    expect((await readdir(root)).sort()).toEqual(['.tmp', 'chains', 'names']);
    expect(await readdir(join(root, '.tmp'))).toEqual([]);
    expect((await stat(join(root, 'names/x.block'))).mode & 0o777).toBe(0o644);
  });

  test('what others put there is read and listed, what has no key is not', async () => {
    const root = await newFolder();
    await mkdir(join(root, 'a'));
    for (const name of ['a/1', 'a/.hidden', 'a/x\\y']) await writeFile(join(root, name), name);
    await symlink(join(root, 'a'), join(root, 'b'));
    await symlink(join(root, 'nowhere'), join(root, 'c'));
    const driver = await openFileDriver(root, { clock });
    expect(await gather(driver.list(''))).toEqual(['a/1', 'b/1']);
    expect((await driver.get('b/1'))?.toString()).toBe('a/1');
  });

  test('a write below a link to nowhere ends, as an unmounted disk may come back', async () => {
    const root = await newFolder();
    await symlink(join(root, 'unmounted'), join(root, 'store'));
    const driver = await openFileDriver(join(root, 'store'), { clock });
    const error = await driver.create('a', text('x')).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'ENOENT' });
    expect(driver.classify(error)).toBe('transient');
    await mkdir(join(root, 'unmounted'));
    expect(await driver.create('a', text('x'))).toBe(true);
  });

  test('a key cannot be both an object and a folder, and that is said', async () => {
    const root = await newFolder();
    const driver = await openFileDriver(root, { clock });
    await driver.create('a', text('x'));
    await driver.create('b/c', text('x'));
    for (const write of [
      driver.create('a/b', text('x')),
      driver.create('b', text('x')),
      driver.put('a/b/c', text('x')),
      driver.put('b', text('x')),
    ]) {
      await expect(write).rejects.toMatchObject({ code: 'STORE_KEY_INVALID' });
    }
    expect(await readdir(join(root, '.tmp'))).toEqual([]);
  });

  test('temporary files of the dead are removed at opening, fresh ones are not', async () => {
    const root = await newFolder();
    await mkdir(join(root, '.tmp'));
    for (const name of ['old', 'fresh']) await writeFile(join(root, '.tmp', name), 'x');
    const before = Date.now() / 1000 - 3700;
    await utimes(join(root, '.tmp/old'), before, before);
    await openFileDriver(root, { clock });
    expect(await readdir(join(root, '.tmp'))).toEqual(['fresh']);
  });
});

describe('a listing', () => {
  test('of a folder larger than a page is complete, ordered and can start anywhere', async () => {
    const root = await newFolder();
    const names = Array.from({ length: 100 }, (_, at) => `${String((at * 37) % 100).padStart(3, '0')}.x`);
    await mkdir(join(root, 'f/050.w'), { recursive: true });
    for (const name of [...names, '050.w/inside']) await writeFile(join(root, 'f', name), name);
    const want = [...names, '050.w/inside'].map((name) => `f/${name}`).sort();
    for (const page of [1, 2, 7, 50, 101, 1000]) {
      expect(await gather(listFolder(root, 'f/', { page }))).toEqual(want);
      expect(await gather(listFolder(root, '', { after: 'f/050', page }))).toEqual(want.filter((key) => key > 'f/050'));
    }
  });

  test('does not open the folders that it leaves out', async () => {
    const root = await newFolder();
    const driver = await openFileDriver(root, { clock });
    for (let chain = 10; chain < 30; chain++) await driver.create(`chains/${chain}/meta/x`, text('x'));
    let opened = 0;
    const hook = createHook({ init: (_, type) => (type === 'DIRHANDLE' ? opened++ : 0) }).enable();
    releases.push(() => hook.disable());
    expect(await gather(driver.list('chains/', afterFolder('chains/28')))).toEqual(['chains/29/meta/x']);
    expect(opened).toBe(3);
    expect(await gather(driver.list('chains/15/'))).toEqual(['chains/15/meta/x']);
    expect(opened).toBe(5);
  });
});

describe('many processes', () => {
  test('racing to create the same keys: one winner each', async () => {
    const root = await newFolder();
    const rounds = 300;
    const racers = ['north', 'east', 'south', 'west'].map((name) => ({ name, ...start('race', root, name, String(rounds)) }));
    await until(() => racers.every(({ child, lines }) => lines[0] === 'ready' || child.exitCode !== null));
    for (const { child } of racers) child.stdin?.write('go\n');
    await Promise.all(racers.map(({ ended }) => ended));
    const won = racers.flatMap(({ name, lines }) => lines.slice(1).map((round) => ({ name, round })));
    expect(won.map(({ round }) => Number(round)).sort((a, b) => a - b)).toEqual([...Array(rounds).keys()]);
    for (const { name, round } of won) expect(await readFile(join(root, 'race', round), 'utf8')).toBe(name);
    expect(await readdir(join(root, '.tmp'))).toEqual([]);
  }, 60_000);

  test('killed while they write leave whole objects or none', async () => {
    const root = await newFolder();
    const confirmed: string[] = [];
    for (let kill = 0; kill < 25; kill++) {
      const { child, lines, ended } = start('endless', root);
      await until(() => lines.length > (kill * 7) % 10 || child.exitCode !== null);
      // A writer that ended by itself would prove nothing.
      expect(child.exitCode).toBeNull();
      child.kill('SIGKILL');
      await ended;
      confirmed.push(...lines);
    }
    const store = await openStore(root);
    const there = await gather(store.list('objects/'));
    for (const key of there) expect(`objects/${hash('sha256', await store.get(key))}`).toBe(key);
    expect(confirmed.filter((key) => !there.includes(key))).toEqual([]);
    expect(confirmed.length).toBeGreaterThan(50);
  }, 60_000);
});

describe('a place that cannot be written', () => {
  testOnMount('a full disk is STORE_FULL, harms nothing, and passes', async (root) => {
    const store = await openStore(root);
    await store.create('first', text('x'));
    await store.create('filler', Buffer.alloc(700_000));
    await expect(store.create('big', Buffer.alloc(600_000))).rejects.toMatchObject({
      code: 'STORE_FULL',
      transient: true,
      fix: expect.stringMatching(/^Free space.*df -i/),
    });
    await expect(store.put('first', Buffer.alloc(600_000))).rejects.toMatchObject({ code: 'STORE_FULL' });
    expect(await store.find('big')).toBeUndefined();
    expect((await store.get('first')).toString()).toBe('x');
    expect(await readdir(join(root, '.tmp'))).toEqual([]);
    await store.remove('filler');
    expect(await store.create('big', Buffer.alloc(600_000))).toBe('created');
  });

  testOnMount('a file system mounted read-only is STORE_UNUSABLE, and can be read', async (root) => {
    await writeFile(join(root, 'a'), 'x');
    execFileSync('mount', ['-o', 'remount,ro', root]);
    const store = await openStore(root);
    await expect(store.create('b', text('x'))).rejects.toMatchObject({
      code: 'STORE_UNUSABLE',
      transient: true,
      fix: expect.stringMatching(/^Mount it for reading and writing/),
    });
    await expect(store.assertSafe()).rejects.toMatchObject({ code: 'STORE_UNUSABLE' });
    expect((await store.get('a')).toString()).toBe('x');
    expect(await gather(store.list(''))).toEqual(['a']);
  });

  test('a folder without the right to write is STORE_DENIED, and can be read', async () => {
    const root = await newFolder();
    await mkdir(join(root, 'readable'));
    await writeFile(join(root, 'readable/object'), 'found');
    for (const folder of ['readable', '.']) {
      await chmod(join(root, folder), 0o555);
      releases.push(() => chmod(join(root, folder), 0o755));
    }
    // Root may write everywhere, so another user tries.
    const other = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
    const said = execFileSync(process.execPath, [writer, 'once', root], { ...other, encoding: 'utf8' });
    expect(said).toBe('STORE_DENIED found\n');
  });
});

describe('the path of a root', () => {
  const inFolder = async (): Promise<string> => {
    const folder = await newFolder();
    await writeFile(join(folder, 'file'), 'x');
    await symlink('loop', join(folder, 'loop'));
    await symlink('/nowhere/at/all', join(folder, 'dangling'));
    return folder;
  };

  test.each([
    ['file', /is not a folder/],
    ['file/below', /a part of the path is a file/],
    ['file/far/below', /a part of the path is a file/],
    ['loop', /form a circle/],
    ['x'.repeat(300), /longer than the file system allows/],
  ])('that cannot be is refused when it is opened: %s', async (path, why) => {
    await expect(openStore(join(await inFolder(), path))).rejects.toMatchObject({
      code: 'STORE_URL_INVALID',
      message: expect.stringMatching(why),
      transient: false,
    });
  });

  test('that leads nowhere has an error that says what to do', async () => {
    const store = await openStore(join(await inFolder(), 'dangling'), { retryMs: 0 });
    await expect(store.create('a', text('x'))).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      fix: expect.stringMatching(/mount the disk/),
    });
  });
});

describe('an error of the file system', () => {
  const raw = (code: string, syscall = 'open'): Error => Object.assign(new Error(`${code}: said the system`), { code, syscall });

  test.each([
    ['ENOSPC', 'write', 'STORE_FULL', /Free space/],
    ['EDQUOT', 'write', 'STORE_FULL', /quota/],
    ['EFBIG', 'write', 'STORE_FULL', /ulimit -f/],
    ['EROFS', 'open', 'STORE_UNUSABLE', /Mount it for reading and writing/],
    ['EACCES', 'open', 'STORE_DENIED', /chown/],
    ['EPERM', 'open', 'STORE_DENIED', /chown/],
    ['EPERM', 'link', 'STORE_UNUSABLE', /hard links/],
    ['ENOTSUP', 'link', 'STORE_UNUSABLE', /hard links/],
    ['EXDEV', 'link', 'STORE_UNUSABLE', /one file system/],
    ['ENAMETOOLONG', 'open', 'STORE_UNUSABLE', /shorter path/],
    ['ELOOP', 'open', 'STORE_UNUSABLE', /links/],
    ['EMFILE', 'open', 'STORE_UNAVAILABLE', /ulimit -n/],
    ['ENFILE', 'open', 'STORE_UNAVAILABLE', /file-max/],
    ['EIO', 'fdatasync', 'STORE_UNAVAILABLE', /dmesg/],
    ['ESTALE', 'open', 'STORE_UNAVAILABLE', /mount it again/],
    ['ENOTCONN', 'open', 'STORE_UNAVAILABLE', /mount it again/],
    ['ENOENT', 'open', 'STORE_UNAVAILABLE', /mount the disk/],
  ])('%s at %s is %s, with what helps', async (code, syscall, becomes, fix) => {
    const driver = await openFileDriver(await newFolder(), { clock });
    const failing = Object.assign(Object.create(driver) as typeof driver, { put: () => Promise.reject(raw(code, syscall)) });
    const store = new Store(failing, { retryMs: 0 });
    await expect(store.put('a', text('x'))).rejects.toMatchObject({ code: becomes, transient: true, fix: expect.stringMatching(fix) });
    const { fix: said } = (await store.put('a', text('x')).catch((error: unknown) => error)) as BlockhubError;
    expect(said).not.toMatch(/ACCESS_KEY|Wait/);
  });
});

describe('a root that is not where it was', () => {
  const gone = { code: 'STORE_UNAVAILABLE' };

  test('is never made again, and nothing is said of what it holds', async () => {
    const root = join(await newFolder(), 'store');
    const store = await openStore(`file://${root}`);
    await store.create('a/1', text('x'));
    await rename(root, `${root}-away`);
    const uses = [() => store.create('a/2', text('y')), () => store.put('b', text('y')), () => store.find('a/1'), () => store.head('a/1')];
    for (const use of uses) await expect(use()).rejects.toMatchObject(gone);
    await expect(gather(store.list(''))).rejects.toMatchObject(gone);
    await expect(stat(root)).rejects.toMatchObject({ code: 'ENOENT' });
    await rename(`${root}-away`, root);
    expect(await store.create('a/2', text('y'))).toBe('created');
    expect(await gather(store.list(''))).toEqual(['a/1', 'a/2']);
  });

  test('is not taken for the folder below a volume, even where that one holds a store too', async () => {
    const folder = await newFolder();
    const [root, below] = [join(folder, 'store'), join(folder, 'below')];
    for (const path of [root, below]) {
      const driver = await openFileDriver(path, { clock });
      await driver.create('a/1', text('x'));
    }
    const store = await openStore(`file://${root}`);
    await store.create('a/2', text('y'));
    await rename(root, `${root}-away`);
    await rename(below, root);
    for (const use of [() => store.create('a/3', text('z')), () => store.put('a/4', text('z')), () => store.find('a/2')])
      await expect(use()).rejects.toMatchObject(gone);
  });
});

test('the probe trusts it', async () => {
  const store = await openStore(await newFolder());
  expect(await store.probe()).toMatchObject({ ok: true, left: [] });
  expect(await gather(store.list(''))).toEqual([]);
}, 30_000);
