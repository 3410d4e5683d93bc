import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { blockhub, linesOf, mainFile, start } from './blockhub.fixture.ts';

let data: string;
const inData = (...args: string[]): string[] => [...args, '--data', data];

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'blockhub-cli-'));
});
afterAll(() => rm(data, { recursive: true }));

describe('one chain, from its creation on', () => {
  let chain: string;
  let event: string;
  let block: string;
  let hash: string;

  test('before there is one, everything says so with 4', async () => {
    for (const args of [['list'], ['tail'], ['verify'], ['walk', 'missing']])
      expect(await blockhub(inData(...args))).toMatchObject({
        code: 4,
        stdout: '',
        stderr: expect.stringMatching(`^STORE_NOT_FOUND: the folder ${join(data, 'store')} does not exist\n.*--data.*blockhub create`),
      });
  });

  test('help describes one command or all; if the command does not exist, it lists those that do', async () => {
    expect(await blockhub(['help', 'walk'])).toMatchObject({ code: 0, stdout: expect.stringContaining('--skip-next-check'), stderr: '' });
    expect(await blockhub(['help'])).toMatchObject({ code: 0, stdout: expect.stringContaining('patchblock'), stderr: '' });
    const unknown = await blockhub(['help', 'nope']);
    expect(unknown).toMatchObject({ code: 2, stdout: '' });
    expect(unknown.stderr).toMatch(/^error: unknown command 'nope'\n(.*\n)*.*patchblock/);
  });

  test('create makes it, and shows it the second time', async () => {
    const first = await blockhub(inData('create', 'default', '--payload', '{"by":"me"}'));
    expect(first.code).toBe(0);
    const [record] = linesOf(first);
    expect(record).toEqual({
      chain: expect.stringMatching(/^[0-9a-f]{64}$/),
      name: 'default',
      crypt: 'sha256',
      settings: {},
      time: expect.any(Number),
      created: true,
    });
    chain = record.chain;
    const second = await blockhub(inData('create', 'default'));
    expect(linesOf(second)).toEqual([{ ...record, created: false }]);
  });

  test('append takes stdin or files, and prints the receipts', async () => {
    const [receipt] = linesOf(await blockhub(inData('append'), { stdin: 'hello\n' }));
    expect(receipt).toMatchObject({ event: expect.any(String), chain, crypt: 'sha256', length: 6, mime: 'text/plain', height: 1 });
    ({ event, block, hash } = receipt);
    const files = ['a.json', 'b.bin'].map((name) => join(data, name));
    await writeFile(files[0] ?? '', '{"a":1}');
    await writeFile(files[1] ?? '', Buffer.from([0, 1, 2, 255]));
    const receipts = linesOf(await blockhub(inData('append', ...files, '--chain', chain)));
    expect(receipts.map(({ mime, height }) => [mime, height])).toEqual([
      ['application/json', 2],
      ['application/octet-stream', 2],
    ]);
    expect(linesOf(await blockhub(inData('append', files[1] ?? '', '--mime', 'x/y')))).toMatchObject([{ mime: 'x/y', height: 3 }]);
  });

  test('walk prints a line per block of exactly the agreed form', async () => {
    const walked = await blockhub(inData('walk'));
    expect(walked).toMatchObject({ code: 0, stderr: '' });
    const blocks = linesOf(walked);
    expect(blocks.map(({ height }) => height)).toEqual([0, 1, 2, 3]);
    const blob = `{"event":"${event}","crypt":"sha256","hash":"${hash}","length":6,"mime":"text/plain"}`;
    expect(walked.stdout.split('\n')[1]).toBe(
      `{"chain":"${chain}","id":"${block}","prev":"${chain}","next":"${blocks[2].id}","height":1,"time":${blocks[1].time},"blobs":[${blob}]}`,
    );
    expect(blocks.at(-1).next).toBeNull();
    expect(linesOf(await blockhub(inData('walk', 'default', '--from', '-2', '--to', '2'))).map(({ height }) => height)).toEqual([2]);
    expect(linesOf(await blockhub(inData('walk', chain, '--from', block, '--verify', 'full'))).map(({ height }) => height)).toEqual([
      1, 2, 3,
    ]);
    expect(JSON.parse((await blockhub(inData('walk', '--output', 'json'))).stdout)).toEqual(blocks);
  });

  test('walk for people shows blocks, blobs with their type, text, and that the rest is binary', async () => {
    const { stdout } = await blockhub(inData('walk', '--output', 'table'));
    expect(stdout).toContain(`B:${block} H:1\nA:${hash} #0 TYPE:text/plain\nhello\nB:`);
    expect(stdout).toMatch(/A:[0-9a-f]{64} #\d TYPE:application\/octet-stream\n<binary, 4 bytes>\n/);
  });

  test('tail, list, info, cat', async () => {
    expect(linesOf(await blockhub(inData('tail')))).toEqual([{ chain, id: expect.any(String), height: 3, time: expect.any(Number) }]);
    expect(linesOf(await blockhub(inData('list')))).toMatchObject([{ chain, name: 'default', height: 3 }]);
    expect((await blockhub(inData('list', '--output', 'table'))).stdout).toMatch(/^CHAIN +NAME +HEIGHT .*\n[0-9a-f]{64} +default +3 /);
    expect(linesOf(await blockhub(inData('info', block)))).toMatchObject([
      { kind: 'block', chain, height: 1, prev: chain, linked: true, blobs: 1 },
    ]);
    for (const id of [event, hash]) {
      expect(linesOf(await blockhub(inData('info', id)))).toMatchObject([
        { kind: 'blob', event, hash, mime: 'text/plain', block, height: 1, content: 'hello\n' },
      ]);
      expect((await blockhub(inData('cat', id))).stdout).toBe('hello\n');
    }
    expect((await blockhub(inData('cat', block))).stdout).toBe(await readFile(join(data, 'store/blocks', `${block}.block`), 'utf8'));
    expect(await blockhub(inData('cat', 'ab'.repeat(32)))).toMatchObject({ code: 4, stdout: '' });
    expect(await blockhub(inData('info', 'x'))).toMatchObject({ code: 2, stdout: '' });
  });

  test('the store is also given by a URL, a path, or the environment', async () => {
    const path = join(data, 'store');
    for (const args of [
      ['--store', path],
      ['--store', `file://${path}`],
    ])
      expect(linesOf(await blockhub(['tail', ...args]))).toHaveLength(1);
    expect(linesOf(await blockhub(['tail'], { env: { BLOCKHUB_STORE: path } }))).toHaveLength(1);
    expect(linesOf(await blockhub(['tail'], { env: { BLOCKHUB_DATA: data } }))).toHaveLength(1);
    // An empty variable is as good as none.
    expect(linesOf(await blockhub(['tail'], { env: { BLOCKHUB_STORE: '', BLOCKHUB_DATA: data } }))).toHaveLength(1);
    expect(linesOf(await blockhub(['tail'], { env: { BLOCKHUB_STORE: path, BLOCKHUB_DATA: '' } }))).toHaveLength(1);
    const unset = await blockhub(['queues'], { env: { BLOCKHUB_BROKER: '', BLOCKHUB_DATA: '' }, cwd: path });
    expect(unset.stderr).toContain(`${join(path, 'data/broker.sqlite')} does not exist`);
  });

  test('with several chains and none named default, one must be named', async () => {
    const other = await mkdtemp(join(tmpdir(), 'blockhub-cli-'));
    for (const name of ['one', 'two']) await blockhub(['create', name, '--data', other]);
    expect(await blockhub(['tail', '--data', other])).toMatchObject({ code: 2, stderr: expect.stringContaining('several chains') });
    expect((await blockhub(['tail', 'two', '--data', other])).code).toBe(0);
    expect(linesOf(await blockhub(['verify', '--all', '--data', other]))).toHaveLength(2);
    await rm(other, { recursive: true });
  });

  test('a store without a chain has nothing that could be whole', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'blockhub-cli-'));
    for (const args of [['verify', '--all'], ['verify'], ['tail']])
      expect(await blockhub([...args, '--store', folder])).toMatchObject({
        code: 4,
        stdout: '',
        stderr: expect.stringContaining(`CHAIN_NOT_FOUND: the store file://${folder} has no chain`),
      });
    await rm(folder, { recursive: true });
  });

  test('a chain of which no entry is left is lost, not absent', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'blockhub-cli-'));
    const [made] = linesOf(await blockhub(['create', 'lost', '--store', folder])) as [{ chain: string }];
    await blockhub(['append', '--store', folder], { stdin: 'x' });
    await rm(join(folder, 'chains'), { recursive: true });
    for (const which of ['--all', made.chain, 'lost']) {
      const ran = await blockhub(['verify', which, '--store', folder]);
      expect(ran.code).toBe(1);
      expect(linesOf(ran)).toMatchObject([
        { type: 'fault', code: 'ENTRY_MISSING', chain: made.chain, height: 0 },
        { type: 'fault', code: 'BLOCK_DETACHED', chain: made.chain, height: 1 },
        { type: 'report', ok: false, faults: 2 },
      ]);
    }
    await rm(folder, { recursive: true });
  });

  test('live: shows blocks as they come; Ctrl-C ends it with 130 and says how to go on', async () => {
    const { child, ran } = start(inData('walk', '--live', '--poll', '20'));
    let seen = '';
    child.stdout?.on('data', (bytes: Buffer) => {
      seen += bytes.toString();
    });
    const until = async (lines: number): Promise<void> => {
      while (seen.split('\n').length <= lines) await once(child.stdout as Readable, 'data');
    };
    await until(4);
    await blockhub(inData('append'), { stdin: 'later' });
    await until(5);
    child.kill('SIGINT');
    const { code, stdout, stderr } = await ran;
    expect(code).toBe(130);
    expect(JSON.parse(stdout.trim().split('\n').at(-1) ?? '')).toMatchObject({ height: 4 });
    expect(stderr).toContain(`to continue, run: blockhub walk ${chain} --from 5 --live --poll 20 --data ${data}\n`);
  });

  test('is a program by itself', async () => {
    const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` };
    const { stdout } = await promisify(execFile)(mainFile, ['tail', 'default', '--data', data], { env });
    expect(JSON.parse(stdout)).toMatchObject({ chain });
  });

  test('dashes before the command, as a script runner hands them on, mean nothing', async () => {
    expect(await blockhub(['--', 'walk', 'default', '--from', '-1', '--data', data])).toEqual(
      await blockhub(inData('walk', 'default', '--from', '-1')),
    );
  });

  test('a reader of stderr that has enough does not change the exit code', async () => {
    const script = `"${process.execPath}" "${mainFile}" tail missing --data "${data}" 2>&1 >/dev/null | true; echo "\${PIPESTATUS[0]}"`;
    expect((await promisify(execFile)('bash', ['-c', script])).stdout).toBe('4\n');
  });

  test('output that cannot be written is an error, not a success', async () => {
    const sh = (command: string): Promise<{ stderr: string }> =>
      promisify(execFile)('sh', ['-c', `"${process.execPath}" "${mainFile}" ${command}`], { cwd: data });
    for (const args of ['tail default', `cat ${event}`, 'list', 'walk default'])
      await expect(sh(`${args} --data "${data}" > /dev/full`)).rejects.toMatchObject({
        code: 3,
        stderr: expect.stringContaining('ENOSPC'),
      });
    expect((await sh('--help | true')).stderr).toBe('');
  });

  test('a reader that closes the pipe is not an error', async () => {
    for (let number = 0; number < 3; number++) await blockhub(inData('append'), { stdin: 'x'.repeat(100_000) });
    const script = `"${process.execPath}" "${mainFile}" walk --output table --data "${data}" | head -n 1; echo "\${PIPESTATUS[0]}"`;
    const { stdout, stderr } = await promisify(execFile)('bash', ['-c', script]);
    expect({ stdout, stderr }).toEqual({ stdout: `B:${chain} H:0\n0\n`, stderr: '' });
  });
});

describe('exit codes of verify', () => {
  const store = (): string => join(data, 'checked/store');
  const verify = (...args: string[]): ReturnType<typeof blockhub> => blockhub(['verify', ...args, '--data', join(data, 'checked')]);
  let chain: string;
  let blocks: { id: string; blobs: { event: string }[] }[];
  let pack: string;

  beforeAll(async () => {
    const there = ['--data', join(data, 'checked')];
    [{ chain }] = linesOf(await blockhub(['create', 'checked', ...there])) as [{ chain: string }];
    for (const text of ['one', 'two', 'three']) await blockhub(['append', ...there], { stdin: text });
    blocks = linesOf(await blockhub(['walk', ...there]));
    [
      {
        at: { key: pack },
      },
    ] = linesOf(await blockhub(['info', blocks[2]?.blobs[0]?.event ?? '', ...there])) as [{ at: { key: string } }];
  });

  const entry = (height: number): string => `chains/${chain}/${String(height).padStart(12, '0')}.block`;
  const copy = (height: number): string => `blocks/${blocks[height]?.id}.block`;

  test('0: nothing wrong', async () => {
    expect(linesOf(await verify())).toEqual([
      { type: 'report', ok: true, chain, level: 'full', height: 3, blocks: 4, events: 3, bytes: 11, faults: 0, unchecked: 0 },
    ]);
    expect(await verify('--output', 'json')).toMatchObject({ code: 0 });
    expect((await verify('--output', 'table')).stdout).toBe(`${chain} ok: 4 blocks, 3 events, 11 bytes at level full\n`);
  });

  test.each([
    ['a changed entry', () => entry(1)],
    ['a changed tail', () => entry(3)],
    ['a changed copy', () => copy(2)],
    ['a changed pack', () => pack],
    ['a changed name', () => 'names/checked.block'],
  ])('1: %s is located', async (_, key) => {
    const path = join(store(), key());
    const bytes = await readFile(path);
    const changed = Buffer.from(bytes);
    changed[2] = (changed[2] ?? 0) ^ 4;
    await writeFile(path, changed);
    const { code, stdout } = await verify(chain, '--output', 'json');
    const lines = await verify('checked');
    const table = await verify(chain, '--output', 'table');
    await writeFile(path, bytes);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      faults: expect.arrayContaining([expect.objectContaining({ chain, key: key() })]),
    });
    expect(lines.code).toBe(1);
    expect(linesOf(lines)).toContainEqual(expect.objectContaining({ type: 'fault', key: key() }));
    expect(table).toMatchObject({ code: 1, stdout: expect.stringContaining(key()) });
  });

  test.each([
    ['entry', () => entry(2), 'ENTRY_MISSING'],
    ['newest entry', () => entry(3), 'BLOCK_DETACHED'],
    ['copy', () => copy(1), 'BLOCK_MISSING'],
    ['pack', () => pack, 'PACK_MISSING'],
    ['name', () => 'names/checked.block', 'NAME_MISSING'],
  ])('1: a missing %s is named', async (_, key, code) => {
    const path = join(store(), key());
    await rename(path, `${path}.away`);
    const ran = await verify('checked');
    await rename(`${path}.away`, path);
    expect(ran.code).toBe(1);
    expect(linesOf(ran)).toContainEqual(expect.objectContaining({ type: 'fault', code }));
  });

  test('1: a walk over a fault stops there', async () => {
    const path = join(store(), entry(2));
    await rename(path, `${path}.away`);
    const ran = await blockhub(['walk', 'checked', '--data', join(data, 'checked')]);
    await rename(`${path}.away`, path);
    expect(ran).toMatchObject({ code: 1, stderr: expect.stringContaining('CHAIN_DAMAGED') });
    expect(linesOf(ran)).toHaveLength(2);
  });

  test('2: what the command line has wrong', async () => {
    for (const args of [['--level', 'most'], ['--output', 'xml'], ['--nothing'], ['--all', 'checked'], ['--store', 'ftp://x/y']])
      expect((await verify(...args)).code).toBe(2);
    expect((await blockhub(['nothing'])).code).toBe(2);
  });

  test('3: what cannot be read is not called a fault', async () => {
    const path = join(store(), copy(1));
    await rename(path, `${path}.away`);
    // A link to itself cannot be opened, not even by root.
    await symlink(path, path);
    const ran = await verify('--output', 'json');
    await rm(path);
    await rename(`${path}.away`, path);
    await chmod(path, 0o644);
    expect(ran.code).toBe(3);
    expect(JSON.parse(ran.stdout)).toMatchObject({ ok: false, faultCount: 0, unchecked: [expect.stringContaining(copy(1))] });
  });

  test('4: no such chain', async () => {
    expect(await verify('missing')).toMatchObject({ code: 4, stdout: '', stderr: expect.stringContaining('CHAIN_NOT_FOUND') });
  });

  test('patchblock repairs what can be repaired, and records it', async () => {
    for (const [key, height] of [
      [entry(1), 1],
      [copy(2), 2],
      ['names/checked.block', 0],
      [entry(3), 3],
    ] as const) {
      await rm(join(store(), key));
      const there = ['--data', join(data, 'checked')];
      expect((await blockhub(['patchblock', chain, '--dry-run', ...there])).code).toBe(key.startsWith('names') ? 0 : 1);
      const ran = await blockhub(['patchblock', chain, ...there]);
      expect(ran.code).toBe(0);
      expect(linesOf(ran)).toEqual([expect.objectContaining({ type: 'repair', key, height })]);
      expect((await verify()).code).toBe(0);
    }
  }, 60_000);
});

describe('doctor store', () => {
  test('judges a store', async () => {
    const ran = await blockhub(['doctor', 'store', '--store', join(data, 'probed')]);
    expect(ran.code).toBe(0);
    expect(linesOf(ran)).toEqual([
      expect.objectContaining({
        ok: true,
        checks: expect.arrayContaining([expect.objectContaining({ name: 'create if absent', ok: true })]),
      }),
    ]);
  });
});
