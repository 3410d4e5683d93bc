import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Broker } from '../../types.ts';
import { openSqliteBroker } from './broker.ts';

type Child = ChildProcessByStdio<null, Readable, null>;

let folder: string;
let path: string;
let children: Child[];
let brokers: Broker[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'blockhub-one-'));
  path = join(folder, 'broker.sqlite');
  children = [];
  brokers = [];
});
afterEach(async () => {
  for (const broker of brokers) await broker.close();
  for (const child of children) await kill(child);
  await rm(folder, { recursive: true });
});

/** A process that consumes, and its output. */
async function consumer(file = path): Promise<{ child: Child; said: string }> {
  const child = spawn(process.execPath, ['--no-warnings', join(import.meta.dirname, 'consume-child.ts'), file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const [said] = await once(child.stdout, 'data');
  return { child, said: String(said).trim() };
}

async function kill(child: Child): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

async function open(): Promise<Broker> {
  const broker = await openSqliteBroker(path);
  brokers.push(broker);
  return broker;
}

const consume = (broker: Broker, got: string[] = []) =>
  broker.consume('a', { prefetch: 10 }, (delivery) => {
    got.push(delivery.id);
    delivery.ack();
  });

test('a second process cannot consume, and the error names the first; everything else works', async () => {
  const first = await consumer();
  expect(first.said).toBe('consumes');
  expect((await consumer()).said).toBe('BROKER_IN_USE');
  const broker = await open();
  await expect(consume(broker)).rejects.toMatchObject({
    code: 'BROKER_IN_USE',
    message: `process ${first.child.pid} consumes from ${path}`,
    fix: expect.stringContaining('RabbitMQ'),
    details: { path, pid: String(first.child.pid) },
  });
  await broker.declare([{ name: 'b', kind: 'durable' }]);
  await broker.publish(['1', '2'].map((id) => ({ queue: 'b', id, meta: {}, body: Buffer.from(id) })));
  const [one, two] = await Array.fromAsync(broker.browse('b'));
  await broker.take('b', [one?.seq ?? '']);
  expect(two?.id).toBe('2');
  expect(await broker.queues()).toMatchObject([{ name: 'a' }, { name: 'b', ready: 1 }]);
  // The consumers of another process are unknown.
  expect((await broker.queues()).map(({ consumers, unacked }) => [consumers, unacked])).toEqual(Array(2).fill([undefined, undefined]));
});

test('a process that has consumed counts its unsettled deliveries', async () => {
  const broker = await open();
  await broker.declare([{ name: 'a', kind: 'durable' }]);
  await broker.publish([{ queue: 'a', id: '1', meta: {}, body: Buffer.alloc(0) }]);
  const held: { ack(): void }[] = [];
  const consuming = await broker.consume('a', { prefetch: 10 }, (delivery) => held.push(delivery));
  while (held.length === 0) await new Promise(setImmediate);
  const cancelled = consuming.cancel();
  expect(await broker.queues()).toMatchObject([{ ready: 0, unacked: 1, consumers: expect.any(Number) }]);
  held[0]?.ack();
  await cancelled;
});

test('the lock goes with its process, also by kill -9', async () => {
  const first = await consumer();
  const broker = await open();
  await broker.publish([{ queue: 'a', id: '1', meta: {}, body: Buffer.alloc(0) }]);
  await expect(consume(broker)).rejects.toMatchObject({ code: 'BROKER_IN_USE' });
  await kill(first.child);
  const got: string[] = [];
  await consume(broker, got);
  while (got.length === 0) await new Promise(setImmediate);
  expect(got).toEqual(['1']);
  expect((await consumer()).said).toBe('BROKER_IN_USE');
  await broker.close();
  expect([existsSync(`${path}.pid`), (await consumer()).said]).toEqual([false, 'consumes']);
});

test('of many that begin at once, one consumes', async () => {
  const said = await Promise.all(Array.from({ length: 4 }, async () => (await consumer()).said));
  expect(said.sort()).toEqual(['BROKER_IN_USE', 'BROKER_IN_USE', 'BROKER_IN_USE', 'consumes']);
});

test('a link to the file is the same file', async () => {
  await (await open()).close();
  await symlink(path, join(folder, 'link.sqlite'));
  expect((await consumer()).said).toBe('consumes');
  expect((await consumer(join(folder, 'link.sqlite'))).said).toBe('BROKER_IN_USE');
});

test('two connections of one process are two as well, and the first may have many consumers', async () => {
  const [one, two] = [await open(), await open()];
  await one.declare([{ name: 'a', kind: 'durable' }]);
  await (await consume(one)).cancel();
  await consume(one);
  await consume(one);
  await expect(consume(two)).rejects.toMatchObject({ code: 'BROKER_IN_USE' });
  await one.close();
  await consume(two);
  await two.close();
});
