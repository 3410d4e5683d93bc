import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openBroker } from '@blockhub/broker';
import { deadLetter, keepDeadLetter, queues } from '@blockhub/message';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { blockhub, linesOf } from './blockhub.ts';

let data: string;

const message = (
  id: string,
  chain: string,
): { id: string; queue: string; meta: Record<string, string>; body: Buffer; attempts: number; firstAt: number } => ({
  id,
  queue: 'ingress',
  meta: { chain, mime: 'text/plain' },
  body: Buffer.from(`body of ${id}`),
  attempts: 2,
  firstAt: 1000,
});

async function fill(): Promise<void> {
  const broker = await openBroker(`sqlite://${join(data, 'broker.sqlite')}`);
  await broker.declare([
    { name: queues.kept.name, kind: 'durable' },
    { name: 'ingress', kind: 'durable' },
  ]);
  const letters = [
    deadLetter(message('a', 'one'), { code: 'MESSAGE_INVALID', path: 'msg.meta.hash', message: 'no hash', now: 5000 }),
    deadLetter(message('b', 'one'), { code: 'OBJECT_HASH_MISMATCH', message: 'other bytes', now: 6000 }),
    deadLetter(message('c', 'two'), { code: 'OBJECT_HASH_MISMATCH', message: 'other bytes', now: 7000 }),
  ];
  await broker.publish(letters.map(keepDeadLetter));
  await broker.close();
}

async function bodies(queue: string): Promise<[string, object, string][]> {
  const broker = await openBroker(`sqlite://${join(data, 'broker.sqlite')}`);
  const found: [string, object, string][] = [];
  for await (const { id, meta, body } of broker.browse(queue)) found.push([id, meta, body.toString()]);
  await broker.close();
  return found;
}

const deadLetters = (...args: string[]): ReturnType<typeof blockhub> => blockhub(['dead-letter', ...args, '--data', data]);

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'blockhub-dead-'));
  await fill();
});
afterEach(() => rm(data, { recursive: true }));

describe('dead-letter', () => {
  test('list and show', async () => {
    expect(linesOf(await deadLetters('list')).map(({ id, code, queue, chain, attempts }) => [id, code, queue, chain, attempts])).toEqual([
      ['a', 'MESSAGE_INVALID', 'ingress', 'one', 3],
      ['b', 'OBJECT_HASH_MISMATCH', 'ingress', 'one', 3],
      ['c', 'OBJECT_HASH_MISMATCH', 'ingress', 'two', 3],
    ]);
    expect(linesOf(await deadLetters('list', '--code', 'OBJECT_HASH_MISMATCH', '--chain', 'two')).map(({ id }) => id)).toEqual(['c']);
    expect((await deadLetters('list', '--output', 'table')).stdout.split('\n')).toHaveLength(5);
    expect(linesOf(await deadLetters('show', 'a'))).toMatchObject([
      { id: 'a', path: 'msg.meta.hash', message: 'no hash', meta: { chain: 'one' }, body: 'body of a' },
    ]);
    expect((await deadLetters('show', 'x')).code).toBe(4);
  });

  test('replay puts the original back as it was', async () => {
    const ran = await deadLetters('replay', '--code', 'OBJECT_HASH_MISMATCH');
    expect(ran.code).toBe(0);
    expect(linesOf(ran).map(({ type, id }) => [type, id])).toEqual([
      ['replayed', 'b'],
      ['replayed', 'c'],
    ]);
    expect(await bodies('ingress')).toEqual([
      ['b', { chain: 'one', mime: 'text/plain' }, 'body of b'],
      ['c', { chain: 'two', mime: 'text/plain' }, 'body of c'],
    ]);
    expect((await bodies(queues.kept.name)).map(([id]) => id)).toEqual(['a']);
    expect((await deadLetters('replay', 'b')).code).toBe(4);
  });

  test('discard needs a reason, and logs it', async () => {
    expect((await deadLetters('discard', 'a')).code).toBe(2);
    expect((await deadLetters('discard', '--reason', 'all of them?')).code).toBe(2);
    expect(await bodies(queues.kept.name)).toHaveLength(3);
    expect((await deadLetters('discard', 'a', '--reason', 'a test')).code).toBe(0);
    expect((await bodies(queues.kept.name)).map(([id]) => id)).toEqual(['b', 'c']);
    expect(JSON.parse(await readFile(join(data, 'discarded.ndjson'), 'utf8'))).toMatchObject({
      reason: 'a test',
      discarded: { id: 'a', code: 'MESSAGE_INVALID' },
    });
  });

  test('queues shows them', async () => {
    expect(linesOf(await blockhub(['queues', '--data', data]))).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ name: queues.kept.name, ready: 3 }),
        expect.objectContaining({ name: 'ingress', ready: 0 }),
      ]),
    );
  });
});
