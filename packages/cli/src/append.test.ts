import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { blockhub, linesOf } from './blockhub.fixture.ts';
import { run } from './run.ts';

let data: string;
const append = (args: readonly string[], stdin: string): ReturnType<typeof blockhub> =>
  blockhub(['append', ...args, '--data', data], { stdin });

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'blockhub-append-'));
  await blockhub(['create', 'default', '--data', data]);
});
afterAll(() => rm(data, { recursive: true }));

describe('append refuses, with 2 and without a block,', () => {
  test.each([
    ['a stdin that gives nothing', [], '', 'standard input is empty; use --allow-empty to append an empty blob'],
    ['the same by its name', ['-'], '', '--allow-empty'],
    ['a second stdin', ['-', '-'], 'x', 'only once'],
    ['a folder', [import.meta.dirname], '', `${import.meta.dirname} is a folder; name the files in it`],
    ['a file that does not exist', ['/no/such/file'], '', 'cannot read /no/such/file'],
    ['a type without a subtype', ['--mime', 'text'], 'x', '--mime must be type/subtype without parameters, such as text/plain; got "text"'],
    ['an empty type', ['--mime', ''], 'x', '--mime'],
    ['a type with a parameter', ['--mime', 'text/plain; charset=utf-8'], 'x', '--mime'],
    ['a type with a control character', ['--mime', 'text/\u001b[2J'], 'x', '--mime'],
    ['a type that is too long', ['--mime', `text/${'x'.repeat(123)}`], 'x', '--mime'],
  ])('%s', async (_, args, stdin, said) => {
    const before = await readdir(join(data, 'store/blocks'));
    expect(await append(args, stdin)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('USAGE: ') });
    expect((await append(args, stdin)).stderr).toContain(said);
    expect(await readdir(join(data, 'store/blocks'))).toEqual(before);
  });
});

test('append takes an empty blob with --allow-empty', async () => {
  await mkdir(join(data, 'files'), { recursive: true });
  const empty = join(data, 'files/empty');
  await writeFile(empty, '');
  for (const args of [['--allow-empty'], ['-', '--allow-empty'], [empty]])
    expect(linesOf(await append(args, ''))).toMatchObject([{ length: 0 }]);
});

test('append takes a type in any case, and keeps it in lower case', async () => {
  expect(linesOf(await append(['--mime', 'Application/Vnd.X+JSON'], 'x'))).toMatchObject([{ mime: 'application/vnd.x+json' }]);
});

describe('append from a terminal', () => {
  /** What is written is in `said`. */
  function notes(): { stderr: PassThrough; said: () => string } {
    const stderr = new PassThrough({ encoding: 'utf8' });
    let said = '';
    stderr.on('data', (text: string) => {
      said += text;
    });
    return { stderr, said: () => said };
  }
  const terminal = (stdin: Readable): Readable & { isTTY: boolean } => Object.assign(stdin, { isTTY: true });

  test('says that it reads, and takes nothing for nothing', async () => {
    const { stderr, said } = notes();
    const code = await run(['append', '--data', data], { stdin: terminal(new PassThrough().end()), stdout: new PassThrough(), stderr });
    expect(code).toBe(2);
    expect(said()).toMatch(/^reading from the terminal; end the input with Ctrl-D\nUSAGE: standard input is empty/);
  });

  test('ends at the first Ctrl-C', async () => {
    const { stderr, said } = notes();
    const interrupt = new AbortController();
    const stdin = terminal(new PassThrough());
    const running = run(['append', '--data', data], { stdin, stdout: new PassThrough(), stderr, signal: interrupt.signal });
    while (!said().includes('reading from the terminal')) await new Promise(setImmediate);
    interrupt.abort(new Error('interrupted'));
    expect(await running).toBe(130);
    expect(said()).toMatch(/interrupted\n$/);
  });
});
