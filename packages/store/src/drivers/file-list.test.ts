import { execFileSync, spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { openStore } from '../open.ts';
import type { Store } from '../store.ts';

let root: string;
let store: Store;
let unseen: (readonly [string, unknown])[];
const onUnseen = (key: string, error: unknown): void => void unseen.push([key, (error as { code?: string }).code]);
const keysOf = async (objects: AsyncIterable<{ key: string }>): Promise<string[]> => (await Array.fromAsync(objects)).map(({ key }) => key);
const list = (prefix: string): Promise<string[]> => keysOf(store.list(prefix, { onUnseen }));

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'blockhub-list-'));
  store = await openStore(root, { retryMs: 0 });
  unseen = [];
  for (const key of ['a/1', 'b/1', 'c/1']) await store.create(`f/${key}`, Buffer.from(key));
});
afterEach(async () => {
  await store.close();
  await rm(root, { recursive: true });
});

const good = ['f/a/1', 'f/b/1', 'f/c/1'];

/** What is left behind by NAS systems, desktops, editors and file system checks. */
const foreign: Readonly<Record<string, (folder: string) => Promise<unknown> | unknown>> = {
  'a dot file': (folder) => writeFile(join(folder, '.DS_Store'), 'x'),
  'a file that was removed while it was open': (folder) => writeFile(join(folder, '.nfs000000000012'), 'x'),
  'a folder of snapshots': (folder) => mkdir(join(folder, '.snapshot')),
  'an empty folder': (folder) => mkdir(join(folder, '@eaDir')),
  'a pipe': (folder) => execFileSync('mkfifo', [join(folder, 'pipe')]),
  'a socket': (folder) =>
    spawnSync(process.execPath, [
      '-e',
      `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 9))`,
      join(folder, 'socket'),
    ]),
  'a name that is not UTF-8': (folder) => writeFile(Buffer.concat([Buffer.from(`${folder}/n`), Buffer.from([0xff])]), 'x'),
  'a folder whose name is not UTF-8': (folder) => mkdir(Buffer.concat([Buffer.from(`${folder}/n`), Buffer.from([0xff])])),
  'a name with a backslash': (folder) => writeFile(join(folder, 'x\\y'), 'x'),
  'a name with a line break': (folder) => writeFile(join(folder, 'x\ny'), 'x'),
};

test.each(Object.entries(foreign))('%s is left out of a listing', async (_, make) => {
  await make(join(root, 'f'));
  await make(join(root, 'f/b'));
  expect(await list('f/')).toEqual(good);
  expect(await keysOf(store.list('f/'))).toEqual(good);
  expect(unseen).toEqual([]);
});

test('a pipe that has the name of an object is empty, and is not waited for', async () => {
  execFileSync('mkfifo', [join(root, 'f/pipe')]);
  expect((await store.get('f/pipe')).length).toBe(0);
  expect((await store.get('f/pipe', { offset: 0, length: 9 })).length).toBe(0);
});

describe('what cannot be opened is reported, and the listing goes on', () => {
  test.each<[string, () => Promise<unknown>, string, string]>([
    ['a link to itself', () => symlink('loop', join(root, 'f/loop')), 'f/loop', 'STORE_UNUSABLE'],
    ['a link to nowhere', () => symlink('nowhere', join(root, 'f/aa')), 'f/aa', 'STORE_UNAVAILABLE'],
    ['a link below', () => symlink('loop', join(root, 'f/b/loop')), 'f/b/loop', 'STORE_UNUSABLE'],
  ])('%s', async (_, make, key, code) => {
    await make();
    expect(await list('f/')).toEqual(good);
    expect(unseen).toEqual([[key, code]]);
    // Not reported, because it is not an object.
    expect(await keysOf(store.list('f/'))).toEqual(good);
  });

  test.each<[string, () => Promise<unknown>]>([
    ['a file', () => writeFile(join(root, 'g'), 'x')],
    ['a link to nowhere', () => symlink('nowhere', join(root, 'g'))],
    ['a link to itself', () => symlink('g', join(root, 'g'))],
  ])('%s where the folder of the prefix should be', async (_, make) => {
    await make();
    expect(await list('g/')).toEqual([]);
    expect(unseen).toEqual([['g/', expect.stringMatching(/^STORE_/)]]);
  });

  test('a prefix that does not exist is only empty', async () => {
    expect(await list('nothing/')).toEqual([]);
    expect(unseen).toEqual([]);
  });

  test('a folder, and a file in a folder, that this user may not open', async () => {
    await chmod(root, 0o755);
    await chmod(join(root, 'f/a'), 0o000);
    // Names can be read there, but nothing of the files.
    await chmod(join(root, 'f/b'), 0o744);
    // Root may open everything, so another user tries.
    const other = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
    const lister = join(import.meta.dirname, 'fixtures/list-around.ts');
    const said = JSON.parse(execFileSync(process.execPath, [lister, root, 'f/'], { ...other, encoding: 'utf8' }));
    for (const folder of ['f/a', 'f/b']) await chmod(join(root, folder), 0o755);
    expect(said).toEqual({
      keys: ['f/c/1'],
      unseen: [
        ['f/a/', 'STORE_DENIED'],
        ['f/b/1', 'STORE_DENIED'],
      ],
      without: 'STORE_DENIED',
    });
  });
});
