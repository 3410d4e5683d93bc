import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { run } from './run.ts';

let data: string;
beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'blockhub-cli-'));
});
afterAll(() => rm(data, { recursive: true }));

/** Runs the command here, and gives all that it writes. */
async function blockhub(args: readonly string[], env: Record<string, string> = {}): Promise<{ code: number; written: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const written = Promise.all([text(stdout), text(stderr)]);
  const code = await run([...args, '--data', data], { stdin: new PassThrough(), stdout, stderr, env });
  stdout.end();
  stderr.end();
  return { code, written: (await written).join('') };
}

const between = ['', '/', '?', '#', '@', '%', '\\', '?x=', '/@'];

test.each(between)('no command shows a password with %j in it', async (raw) => {
  const password = `HUN${raw}TER7`;
  const login = `user:${password}@127.0.0.1:1`;
  for (const args of [
    ['queues', '--broker', `amqp://${login}`],
    ['queues', '--broker', `amqp://user:12${password}@host`],
    ['list', '--store', `s3://${login}/bucket`],
    ['list', '--store', `https://${login}/bucket`],
    ['registry', 'rebuild', '--registry', `redis://${login}`],
    ['registry', 'rebuild', '--registry', `rediss://${login}/0`],
    ['doctor', 'mesh', `http://${login}`],
    ['doctor', 'mesh', `ftp://${login}`],
    ['list', `--stor=s3://${login}/bucket`],
    ['list', `s3://${login}/bucket`, 'more'],
    [`amqp://${login}`],
  ]) {
    // A broker that is away is waited for.
    if (raw === '' && args.includes('--broker')) continue;
    const { code, written } = await blockhub(args);
    expect([args.join(' '), code]).not.toEqual([args.join(' '), 0]);
    expect(written).not.toMatch(/HUN|TER7/);
  }
});

test('the secrets of services are read by the same rule', async () => {
  const file = join(data, 'secret');
  await writeFile(file, 'HUNTER7\nHUNTER7\n');
  for (const [name, args] of [
    ['BLOCKHUB_BROKER_PASSWORD', ['queues', '--broker', 'amqp://127.0.0.1:1']],
    ['BLOCKHUB_REGISTRY_PASSWORD', ['registry', 'rebuild', '--store', 'memory:', '--registry', 'redis://127.0.0.1:1']],
    ['BLOCKHUB_STORE_ACCESS_KEY', ['list', '--store', 's3://127.0.0.1:1/bucket']],
    ['BLOCKHUB_STORE_SECRET_KEY', ['list', '--store', 's3://127.0.0.1:1/bucket']],
    ['BLOCKHUB_TOKEN', ['doctor', 'mesh']],
  ] as const) {
    for (const [env, why] of [
      [{ [name]: '' }, 'is empty'],
      [{ [name]: ' \n' }, 'is empty'],
      [{ [name]: 'HUN\0TER7' }, 'a NUL (0x00) at byte 3'],
      [{ [`${name}_FILE`]: file }, 'a line break (0x0a) at byte 7'],
      [{ [`${name}_FILE`]: '' }, `${name}_FILE is empty`],
    ] as const) {
      const { code, written } = await blockhub(args, env as unknown as Record<string, string>);
      expect([code, written]).toEqual([2, expect.stringContaining(why)]);
      expect(written).toContain(name);
      expect(written).not.toMatch(/HUN|TER7/);
    }
  }
});

test.each([
  ['--source', ''],
  ['--source', ' '],
  ['--source', ','],
  ['--source', '\n'],
  ['--chain', ''],
  ['--chain', ' '],
  ['--expires', ''],
  ['--label', ' '],
])('keys create %s %j makes no key that is good for all', async (option, value) => {
  expect(await blockhub(['keys', 'create', option, value])).toMatchObject({ code: 2, written: expect.stringContaining(option) });
  expect(existsSync(join(data, 'store/keys'))).toBe(false);
});
