import { cp, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@blockhub/clock';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { blockhubHere, linesOf, type Ran, slowClock } from './blockhub.fixture.ts';
import type { Io } from './session.ts';

/** A chain of a root and three blocks of one blob each, made anew for every test. */
let data: string;
let chain: string;
/** Keys of the packs, by height. */
let packs: string[];

const ran = (args: readonly string[], io?: Partial<Io> & { input?: string }): Promise<Ran> => blockhubHere([...args, '--data', data], io);
const pathOf = (key: string): string => join(data, 'store', key);
const entry = (height: number): string => `chains/${chain}/${String(height).padStart(12, '0')}.block`;

async function appendAll(...texts: readonly string[]): Promise<void> {
  for (const input of texts) await ran(['append'], { input });
}

/** A link to itself cannot be opened, not even by root. */
async function makeUnreadable(path: string): Promise<void> {
  await rm(path);
  await symlink(path, path);
}

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'blockhub faults-'));
  [{ chain }] = linesOf(await ran(['create', 'mine'])) as [{ chain: string }];
  await appendAll('one', 'two', 'three');
  const blocks: { blobs: { event: string }[] }[] = linesOf(await ran(['walk']));
  packs = await Promise.all(blocks.map(async ({ blobs: [blob] }) => (blob ? linesOf(await ran(['info', blob.event]))[0].at.key : '')));
});
afterEach(() => rm(data, { recursive: true }));

describe('a walk for people', () => {
  const walk = (): Promise<Ran> => ran(['walk', '--output', 'table'], { clock: slowClock() });

  test('goes on behind a blob that is changed or missing, and ends with 1', async () => {
    const path = pathOf(packs[2] ?? '');
    const bytes = await readFile(path);
    expect((await walk()).code).toBe(0);
    await writeFile(path, Buffer.from(bytes).fill(0, 0, 1));
    const changed = await walk();
    await rm(path);
    const missing = await walk();
    for (const { code, stdout } of [changed, missing]) {
      expect(code).toBe(1);
      expect(stdout).toMatch(/ H:3\n.*\nthree\n$/);
    }
    expect(changed.stdout).toContain(`${packs[2]} at 0 is not blob`);
    expect(missing.stdout).toContain(' is missing\n');
  });

  test('ends with 3 at a blob that cannot be read, with 1 when it showed a fault before', async () => {
    await makeUnreadable(pathOf(packs[2] ?? ''));
    expect(await walk()).toMatchObject({ code: 3, stdout: expect.stringMatching(/ H:2\n$/) });
    await rm(pathOf(packs[1] ?? ''));
    expect(await walk()).toMatchObject({ code: 1, stdout: expect.stringMatching(/ H:2\n$/) });
  });
});

test('for people too, faults and repairs are data', async () => {
  await rm(pathOf(entry(1)));
  const [missing, made] = [`ENTRY_MISSING height 1 ${entry(1)} is missing\n`, `create-entry height 1: ${entry(1)} from .*\\n`];
  expect(await ran(['verify', '--output', 'table'])).toEqual({
    code: 1,
    stdout: `${missing}${chain} 1 fault: 4 blocks, 3 events, 11 bytes at level full\n`,
    stderr: '',
  });
  for (const [args, told] of [
    [['--dry-run'], new RegExp(`^would ${made}ENTRY_MISSING .*\\n1 repair to make, 1 fault found\\n$`)],
    [[], new RegExp(`^${made}1 repair, 0 faults left\\n$`)],
  ] as const)
    expect(await ran(['patchblock', ...args, '--output', 'table'])).toMatchObject({ stdout: expect.stringMatching(told), stderr: '' });
});

test('a chain whose next disagrees is read, and verified but for that, with --skip-next-check', async () => {
  const [root, tail] = [await readFile(pathOf(entry(0))), await readFile(pathOf(entry(3)))];
  // Another line of the same chain: begun anew behind the root, and grown to the same height.
  await cp(pathOf('chains'), join(data, 'before'), { recursive: true });
  for (const height of [1, 2, 3]) await rm(pathOf(entry(height)));
  await appendAll('uno', 'due', 'tre');
  const foreign = await readFile(pathOf(entry(3)));
  await rm(pathOf('chains'), { recursive: true });
  await cp(join(data, 'before'), pathOf('chains'), { recursive: true });
  expect(await readFile(pathOf(entry(0)))).toEqual(root);
  expect(foreign).not.toEqual(tail);
  await writeFile(pathOf(entry(3)), foreign);

  expect((await ran(['walk'])).code).toBe(1);
  const walked = await ran(['walk', '--skip-next-check', '--verify', 'blobs']);
  expect(walked).toMatchObject({ code: 0, stderr: '' });
  const ids = linesOf(walked).map(({ id }) => id);
  expect(linesOf(walked).map(({ next }) => next)).toEqual([...ids.slice(1), null]);
  expect(linesOf(walked)[3].prev).not.toBe(ids[2]);

  expect((await ran(['verify'])).code).toBe(1);
  const verified = await ran(['verify', '--skip-next-check']);
  expect(verified.code).toBe(0);
  expect(linesOf(verified)).toMatchObject([{ type: 'report', ok: true, level: 'full', nextSkipped: true, blocks: 4 }]);
  expect((await ran(['verify', '--skip-next-check', '--output', 'table'])).stdout).toMatch(/ at level full, next not checked\n$/);
  await rm(pathOf(packs[1] ?? ''));
  expect((await ran(['verify', '--skip-next-check'])).code).toBe(1);
  expect((await ran(['walk', '--skip-next-check', '--verify', 'blobs'])).code).toBe(1);
});

test('a verify that starts above the tail has checked nothing, and says so with 2', async () => {
  expect(linesOf(await ran(['verify', '--from', '3']))).toMatchObject([{ ok: true, blocks: 1 }]);
  for (const from of ['4', '99'])
    expect(await ran(['verify', '--from', from])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining(`--from ${from} is above the tail of chain ${chain}, which is at height 3`),
    });
});

describe('what is interrupted ends with 130 and says how to go on', () => {
  async function interrupted(args: readonly string[]): Promise<Ran> {
    const interrupt = new AbortController();
    // Blocks behind the tail get a moment to be linked, and a live walk waits: there it comes.
    const sleep = async (): Promise<void> => interrupt.abort(new Error('interrupted'));
    return ran(args, { signal: interrupt.signal, clock: { ...systemClock, sleep } });
  }

  test('verify with the last block, whose next it has not seen', async () => {
    await rename(pathOf(entry(3)), join(data, 'lost'));
    const { code, stderr } = await interrupted(['verify', 'mine', '--skip-next-check']);
    expect([code, stderr]).toEqual([
      130,
      `interrupted; to continue, run: blockhub verify mine --level full --skip-next-check --from 2 --data '${data}'\n`,
    ]);
  });

  test('walk with the next block, and the same options', async () => {
    const { code, stderr } = await interrupted(['walk', 'mine', '--from', '-2', '--live', '--verify', 'full', '--skip-next-check']);
    const again = `blockhub walk mine --from 4 --live --verify full --skip-next-check --data '${data}'`;
    expect([code, stderr]).toEqual([130, `interrupted; to continue, run: ${again}\n`]);
  });
});
