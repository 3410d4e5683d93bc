import { execFileSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { systemClock } from '@blockhub/clock';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { blockhubHere, linesOf, type Ran } from './blockhub.fixture.ts';

/**
 * Two chains: one of a root and five blocks, one of a root and one block; whole again for every
 * test.
 */
let folder: string;
let data: string;
let chain: string;
let other: string;
let receipts: { event: string; hash: string; block: string }[];
let otherReceipt: { event: string; hash: string };

const ran = (args: readonly string[], input?: string): Promise<Ran> =>
  blockhubHere([...args, '--data', data], {
    env: {},
    clock: { ...systemClock, sleep: async () => {} },
    ...(input === undefined ? {} : { input }),
  });
const pathOf = (key: string): string => join(data, 'store', key);
const entry = (height: number): string => `chains/${chain}/${String(height).padStart(12, '0')}.block`;
const copy = (height: number): string => `blocks/${receipts[height - 1]?.block}.block`;
const receipt = (height: number): { event: string; hash: string; block: string } => receipts[height - 1] as (typeof receipts)[0];
const unknown = 'ab'.repeat(32);

async function damage(key: string): Promise<void> {
  const bytes = await readFile(pathOf(key));
  const at = Math.min(12, bytes.length - 1);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await rm(pathOf(key));
  await writeFile(pathOf(key), bytes);
}

/** A link to itself cannot be opened, not even by root. */
async function hide(key: string): Promise<void> {
  const path = pathOf(key);
  await rm(path, { recursive: true, force: true });
  await symlink(path, path);
}

const remove = (key: string): Promise<void> => rm(pathOf(key));
/** An unmounted disk. */
async function unmount(key: string): Promise<void> {
  await rm(pathOf(key), { recursive: true });
  await symlink('/nowhere/to/be/found', pathOf(key));
}
async function makeFolder(key: string): Promise<void> {
  await remove(key);
  await mkdir(pathOf(key));
}
const harms: readonly (readonly [string, (key: string) => Promise<unknown>])[] = [
  ['damaged', damage],
  ['unreadable', hide],
  ['missing', remove],
  ['a link to nowhere', unmount],
  ['a folder', makeFolder],
];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'blockhub-around-'));
  data = join(folder, 'whole');
  [{ chain }] = linesOf(await ran(['create', 'mine'])) as [{ chain: string }];
  [{ chain: other }] = linesOf(await ran(['create', 'other'])) as [{ chain: string }];
  receipts = [];
  for (const text of ['one', 'two', 'three', 'four', 'five']) receipts.push(linesOf(await ran(['append', '--chain', 'mine'], text))[0]);
  [otherReceipt] = linesOf(await ran(['append', '--chain', 'other'], 'another')) as [typeof otherReceipt];
});
beforeEach(async () => {
  data = join(folder, 'used');
  await rm(data, { recursive: true, force: true });
  await cp(join(folder, 'whole'), data, { recursive: true });
});
afterAll(() => rm(folder, { recursive: true }));

describe.each(harms)('an entry that is %s', (_, harm) => {
  test.each([1, 3, 5])('at height %i keeps nothing from being found', async (height) => {
    await harm(entry(height));
    for (const at of [1, 2, 3, 4, 5])
      for (const id of [receipt(at).event, receipt(at).hash, receipt(at).hash.slice(0, 12)]) {
        // Without its newest entry a chain is shorter by one. The beginning of an id is looked for
        // in the chains only.
        const isLost = at === 5 && height === 5 && (harm === remove || harm === makeFolder || id.length === 12);
        if (isLost) continue;
        expect([at, id, await ran(['cat', id])]).toEqual([
          at,
          id,
          expect.objectContaining({ code: 0, stdout: ['one', 'two', 'three', 'four', 'five'][at - 1] }),
        ]);
      }
    expect((await ran(['cat', otherReceipt.event])).stdout).toBe('another');
    expect(linesOf(await ran(['info', receipt(2).block]))).toMatchObject([{ kind: 'block', height: 2 }]);
  });

  test('together with its copy is named as skipped', async () => {
    await harm(entry(3));
    await harm(copy(3));
    expect(await ran(['cat', receipt(5).event])).toMatchObject({ code: 0, stdout: 'five' });
    const found = await ran(['cat', receipt(5).hash]);
    expect(found).toMatchObject({ code: 0, stdout: 'five', stderr: expect.stringMatching(/^warning: 1 object was skipped/) });
    expect(found.stderr).toContain(entry(3));
    for (const id of [unknown, receipt(3).hash, receipt(3).event])
      expect(await ran(['cat', id])).toMatchObject({
        code: 3,
        stdout: '',
        stderr: expect.stringMatching(/^SEARCH_INCOMPLETE: .*\d{12}\.block/),
      });
  });

  test('hides neither tail nor times', async () => {
    await harm(entry(3));
    expect(linesOf(await ran(['tail', 'mine']))).toMatchObject([{ height: 5 }]);
    const blocks = linesOf(await ran(['walk', 'mine', '--from', '-1']));
    expect(blocks.map(({ height }) => height)).toEqual([5]);
    const iso = new Date(blocks[0].time).toISOString();
    const heights = linesOf(await ran(['walk', 'mine', '--from', iso])).map(({ height }) => height);
    expect(heights.at(-1)).toBe(5);
    expect(heights).not.toContain(2);
  });
});

test('what is not there is not found, if everything could be read', async () => {
  expect(await ran(['cat', unknown])).toMatchObject({ code: 4, stderr: expect.stringContaining('OBJECT_MISSING') });
  await damage(entry(3));
  expect(await ran(['cat', unknown])).toMatchObject({ code: 4, stdout: '' });
});

describe('a tail', () => {
  test.each([
    ['damaged', damage, 1],
    ['unreadable', hide, 3],
  ] as const)('that is %s gives the newest block that can be read, and says so', async (_, harm, code) => {
    await harm(entry(5));
    const { stderr, ...said } = await ran(['tail', 'mine']);
    expect([said.code, linesOf({ ...said, stderr })]).toEqual([code, [expect.objectContaining({ height: 4, id: receipt(4).block })]]);
    expect(stderr).toContain('the newest block, at height 5, cannot be read');
    expect(stderr).toContain(entry(5));
  });
});

test.each(harms)('a block is shown from its chain although its copy is %s', async (_, harm) => {
  await harm(copy(2));
  const { code, stdout } = await ran(['cat', receipt(2).block]);
  expect([code, stdout]).toEqual([0, await readFile(pathOf(entry(2)), 'utf8')]);
  expect(linesOf(await ran(['walk', 'mine', '--from', receipt(2).block])).map(({ height }) => height)).toEqual([2, 3, 4, 5]);
});

test.each(harms)('a blob is found elsewhere although its pack is %s', async (_, harm) => {
  const [{ event, hash }] = linesOf(await ran(['append', '--chain', 'mine'], 'much')) as [typeof otherReceipt];
  const key = linesOf(await ran(['info', event]))[0].at.key;
  const own = `blobs/${hash}.blob`;
  await harm(key);
  // Wrong or missing bytes are a fault, bytes that cannot be read may be right.
  const code = harm === hide || harm === unmount ? 3 : 1;
  for (const id of [hash, event]) expect(await ran(['cat', id])).toMatchObject({ code, stdout: '' });
  await mkdir(dirname(pathOf(own)), { recursive: true });
  await writeFile(pathOf(own), 'much');
  for (const id of [hash, event]) expect(await ran(['cat', id])).toMatchObject({ code: 0, stdout: 'much' });
});

/**
 * What NAS systems, desktops, file system checks and editors leave among objects; some of it cannot
 * be opened.
 */
async function litter(): Promise<void> {
  const folders = ['@eaDir', 'lost+found', '#recycle', 'System Volume Information', '.snapshot', '.Trash-1000', '$RECYCLE.BIN'];
  const files = [
    '.DS_Store',
    '._x',
    'Thumbs.db',
    'desktop.ini',
    '.nfs000000000000012',
    '.smbdeleteAAA',
    'x.block~',
    '.x.block.swp',
    'x.tmp',
    '#x#',
  ];
  for (const place of ['chains', `chains/${chain}`, 'blocks', 'packs', 'names', 'keys']) {
    await mkdir(pathOf(place), { recursive: true });
    for (const name of folders) await mkdir(join(pathOf(place), name));
    for (const name of files) await writeFile(join(pathOf(place), name), 'x');
    await writeFile(Buffer.concat([Buffer.from(`${pathOf(place)}/n`), Buffer.from([0xff])]), 'x');
    execFileSync('mkfifo', [join(pathOf(place), 'pipe')]);
    await symlink('nowhere', join(pathOf(place), 'dangling'));
    for (const name of ['@loop', 'zloop', '#loop']) await symlink(name, join(pathOf(place), name));
  }
}

test('foreign files and folders are no trouble', async () => {
  const commands = [
    ['list'],
    ['verify', '--all'],
    ['verify', 'mine'],
    ['keys', 'list'],
    ['tail', 'mine'],
    ['walk', 'mine'],
    ['cat', receipt(5).hash],
    ['cat', unknown],
  ];
  commands.push(
    ['cat', receipt(5).hash.slice(0, 9)],
    ['tail', chain.slice(0, 8)],
    ['tail', 'missing'],
    ['registry', 'rebuild'],
    ['patchblock', 'mine'],
  );
  const before = await Promise.all(commands.map((args) => ran(args)));
  await litter();
  for (const [at, args] of commands.entries()) expect([args, await ran(args)]).toEqual([args, before[at]]);
});

describe('where something of a chain may be hidden', () => {
  test.each<[string, () => Promise<void>]>([
    ['the folder of a chain cannot be opened', () => hide(`chains/${other}`)],
    ['the folder of a chain is on a disk that is not mounted', () => unmount(`chains/${other}`)],
    [
      'a file lies where the folder of a chain was',
      async () => {
        await rm(pathOf(`chains/${other}`), { recursive: true });
        await writeFile(pathOf(`chains/${other}`), 'x');
      },
    ],
  ])('%s: lists go on, and end with 3', async (_, harm) => {
    await harm();
    const listed = await ran(['list']);
    expect([listed.code, listed.stderr]).toEqual([3, expect.stringContaining(`chains/${other}/`)]);
    expect(new Map(linesOf(listed).map(({ chain: id, height, error }) => [id, [height, error]]))).toEqual(
      new Map([
        [chain, [5, undefined]],
        [other, [undefined, expect.stringMatching(/^STORE_/)]],
      ]),
    );
    expect((await ran(['list', '--output', 'table'])).stdout).toMatch(new RegExp(`${other}  other  STORE_`));
    const verified = await ran(['verify', '--all']);
    expect(verified.code).toBe(3);
    expect(linesOf(verified)).toContainEqual(expect.objectContaining({ type: 'report', chain, ok: true, blocks: 6 }));
    expect(linesOf(verified)).toContainEqual(expect.objectContaining({ type: 'unchecked', chain: other }));
    // The other chain is read as ever.
    expect(await ran(['cat', receipt(5).hash])).toMatchObject({ code: 0, stdout: 'five' });
    expect((await ran(['tail', 'mine'])).code).toBe(0);
    expect(await ran(['cat', unknown])).toMatchObject({ code: 3, stderr: expect.stringContaining(`chains/${other}/`) });
    for (const command of ['tail', 'walk', 'verify', 'patchblock'])
      expect([command, (await ran([command, 'other'])).code]).toEqual([command, 3]);
  });

  test.each<[string, () => Promise<void>]>([
    ['cannot be opened', () => hide('chains')],
    ['is on a disk that is not mounted', () => unmount('chains')],
    [
      'is a file',
      async () => {
        await rename(pathOf('chains'), pathOf('away'));
        await writeFile(pathOf('chains'), 'x');
      },
    ],
  ])('the folder of all chains %s: nothing is said not to exist', async (_, harm) => {
    await harm();
    for (const args of [['list'], ['cat', unknown], ['tail'], ['tail', 'missing']])
      expect([args, await ran(args)]).toEqual([args, expect.objectContaining({ code: 3, stderr: expect.stringContaining('chains/') })]);
    expect((await ran(['verify', '--all'])).code).toBe(3);
  });

  test('a key of a sender cannot be read: the others are listed', async () => {
    const made = [linesOf(await ran(['keys', 'create']))[0], linesOf(await ran(['keys', 'create']))[0]];
    await hide(`keys/${made[0].id}.key`);
    const listed = await ran(['keys', 'list']);
    expect([listed.code, listed.stderr]).toEqual([3, expect.stringContaining(`keys/${made[0].id}.key`)]);
    expect(new Map(linesOf(listed).map(({ id, state }) => [id, state]))).toEqual(
      new Map([
        [made[0].id, 'unreadable'],
        [made[1].id, 'valid'],
      ]),
    );
    await hide('keys');
    expect(await ran(['keys', 'list'])).toMatchObject({ code: 3, stdout: '', stderr: expect.stringContaining('keys/') });
  });

  test('a name cannot be read: its chain is found, another is not said to be missing', async () => {
    await hide('names/mine.block');
    expect(await ran(['tail', 'mine'])).toMatchObject({ code: 0, stderr: expect.stringContaining('names/mine.block') });
    await hide(`chains/${other}`);
    await rm(pathOf(`blocks/${other}.block`));
    expect(await ran(['tail', 'missing'])).toMatchObject({ code: 3, stderr: expect.stringContaining('SEARCH_INCOMPLETE') });
  });
});
