import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { QueueInfo } from '@blockhub/broker';
import { expect, test } from '@jest/globals';
import { Command } from 'commander';
import { define } from './commands/queues.ts';
import { Session } from './session.ts';

/** As RabbitMQ without its management API: it lists no queue, and finds every queue by its name. */
class Asked extends Session {
  override async broker() {
    const queues = async (names: readonly string[] = []): Promise<QueueInfo[]> =>
      names.map((name) => ({ name, kind: 'durable', ready: 0, unacked: undefined, delayed: undefined, bytes: undefined, consumers: 1 }));
    return { queues } as Awaited<ReturnType<Session['broker']>>;
  }
}

async function listed(env: Record<string, string>): Promise<{ name: string }[]> {
  const stdout = new PassThrough();
  const session = new Asked({ stdin: new PassThrough(), stdout, stderr: new PassThrough(), env, signal: new AbortController().signal });
  session.configure({ output: 'ndjson' });
  const command = new Command();
  define(command, session);
  await command.parseAsync([], { from: 'user' });
  stdout.end();
  return (await text(stdout))
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

test('a broker that cannot list is asked for the queues of all partitions', async () => {
  const names = async (env: Record<string, string>): Promise<string[]> =>
    (await listed(env)).map(({ name }) => name).filter((name) => name.startsWith('blobs.deployed'));
  expect(await names({})).toEqual(['blobs.deployed.0']);
  expect(await names({ BLOCKHUB_PARTITIONS: '3' })).toEqual(['blobs.deployed.0', 'blobs.deployed.1', 'blobs.deployed.2']);
});

test('partitions that are no number are a mistake, not one', async () => {
  await expect(listed({ BLOCKHUB_PARTITIONS: 'many' })).rejects.toMatchObject({ code: 'SETTINGS_INVALID' });
});
