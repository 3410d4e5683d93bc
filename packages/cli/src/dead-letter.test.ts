import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { type Broker, type Outgoing, openBroker } from '@blockhub/broker';
import { deadLetter, keepDeadLetter, queues } from '@blockhub/message';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Command } from 'commander';
import { blockhub, linesOf } from './blockhub.fixture.ts';
import { define } from './commands/dead-letter.ts';
import type { Format } from './output.ts';
import { Session } from './session.ts';

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
    deadLetter(message('a', 'one'), { code: 'MESSAGE_INVALID', cause: 'EIO', path: 'msg.meta.hash', message: 'no hash', now: 5000 }),
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
      { id: 'a', cause: 'EIO', path: 'msg.meta.hash', message: 'no hash', meta: { chain: 'one' }, body: 'body of a' },
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

  test('replay starts the count of repairs anew', async () => {
    const broker = await openBroker(`sqlite://${join(data, 'broker.sqlite')}`);
    const repaired = { ...message('r', 'one'), meta: { chain: 'one', repairs: 5 } };
    await broker.publish([keepDeadLetter(deadLetter(repaired, { code: 'STORE_FULL', message: 'full', now: 8000 }))]);
    await broker.close();
    expect((await deadLetters('replay', 'r')).code).toBe(0);
    expect(await bodies('ingress')).toEqual([['r', { chain: 'one' }, 'body of r']]);
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

  test('a broker that never had one has none', async () => {
    const path = join(data, 'new.sqlite');
    await (await openBroker(`sqlite://${path}`)).close();
    const listed = await blockhub(['dead-letter', 'list', '--broker', `sqlite://${path}`]);
    expect([listed.code, listed.stdout, listed.stderr]).toEqual([0, '', '']);
    expect((await blockhub(['dead-letter', 'replay', '--all', '--broker', `sqlite://${path}`])).code).toBe(4);
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

/** As services/dead-letter keeps messages that are not dead letters. */
const unreadable = (id: string, meta: Outgoing['meta'] = { chain: 'one', 'dead-queue': 'ingress' }): Outgoing =>
  keepDeadLetter({ id, meta, body: Buffer.from(`body of ${id}`) });

describe('a letter that cannot be read', () => {
  beforeEach(async () => {
    const broker = await openBroker(`sqlite://${join(data, 'broker.sqlite')}`);
    const late = deadLetter(message('d', 'two'), { code: 'OBJECT_HASH_MISMATCH', message: 'other bytes', now: Number.MAX_SAFE_INTEGER });
    await broker.publish([unreadable('bad'), unreadable('worse', {}), keepDeadLetter(late)]);
    await broker.close();
  });

  test('is listed and shown with what is known', async () => {
    const listed = linesOf(await deadLetters('list'));
    expect(listed.map(({ id, unreadable }) => [id, unreadable])).toEqual([
      ['a', undefined],
      ['b', undefined],
      ['c', undefined],
      ['bad', true],
      ['worse', true],
      ['d', undefined],
    ]);
    expect(listed[3]).toEqual({
      id: 'bad',
      code: 'MESSAGE_INVALID',
      queue: 'ingress',
      chain: 'one',
      message: expect.stringContaining('dead-code'),
      path: 'msg.meta.dead-code',
      length: 11,
      unreadable: true,
    });
    expect(linesOf(await deadLetters('list', '--code', 'MESSAGE_INVALID')).map(({ id }) => id)).toEqual(['a', 'bad', 'worse']);
    const table = await deadLetters('list', '--output', 'table');
    expect([table.code, table.stdout.split('\n').length]).toEqual([0, 8]);
    expect(table.stdout).not.toContain('undefined');
    expect(linesOf(await deadLetters('show', 'bad'))).toMatchObject([
      { id: 'bad', meta: { 'dead-queue': 'ingress' }, body: 'body of bad' },
    ]);
    expect((await deadLetters('show', 'worse', '--output', 'table')).stdout).not.toContain('undefined');
    expect(linesOf(await deadLetters('show', 'd'))).toMatchObject([{ id: 'd' }]);
  });

  test('is not replayed, the others are', async () => {
    const ran = await deadLetters('replay', '--all');
    expect(ran.code).toBe(1);
    expect(linesOf(ran).map(({ type, id }) => [type, id])).toEqual(['a', 'b', 'c', 'd'].map((id) => ['replayed', id]));
    expect(ran.stderr).toMatch(/MESSAGE_INVALID: bad cannot be replayed.*dead-code/);
    expect(ran.stderr.match(/cannot be replayed/g)).toHaveLength(2);
    expect((await bodies('ingress')).map(([id]) => id)).toEqual(['a', 'b', 'c', 'd']);
    expect((await bodies(queues.kept.name)).map(([id]) => id)).toEqual(['bad', 'worse']);
    const again = await deadLetters('replay', 'bad', '--output', 'json');
    expect([again.code, again.stdout]).toEqual([1, '[]\n']);
  });

  test('is discarded, and logged', async () => {
    const ran = await deadLetters('discard', 'bad', 'worse', '--reason', 'a test');
    expect([ran.code, linesOf(ran).map(({ type, id }) => [type, id])]).toEqual([
      0,
      [
        ['discarded', 'bad'],
        ['discarded', 'worse'],
      ],
    ]);
    expect((await bodies(queues.kept.name)).map(([id]) => id)).toEqual(['a', 'b', 'c', 'd']);
    expect(linesOf({ code: 0, stdout: await readFile(join(data, 'discarded.ndjson'), 'utf8'), stderr: '' })).toMatchObject([
      { discarded: { id: 'bad', code: 'MESSAGE_INVALID', unreadable: true } },
      { discarded: { id: 'worse', code: 'MESSAGE_INVALID', unreadable: true } },
    ]);
  });
});

describe('of many letters', () => {
  let broker: Broker;
  /** What the command did, in order. */
  let events: string[];
  /** Letters, and bytes of their bodies, of each take. */
  let takes: [letters: number, bytes: number][];
  let onTake: (gone: readonly Outgoing[]) => Promise<void>;

  beforeEach(async () => {
    broker = await openBroker(`sqlite://${join(data, 'many.sqlite')}`);
    events = [];
    takes = [];
    onTake = async () => {};
    await broker.declare([queues.kept, queues.ingress].map(({ name }) => ({ name, kind: 'durable' })));
  });
  afterEach(() => broker.close());

  /** The broker as the command sees it, every step written down. */
  const watched = (): Broker => ({
    declare: (declarations) => broker.declare(declarations),
    publish: (messages) => broker.publish(messages),
    consume: (queue, options, onDelivery) => broker.consume(queue, options, onDelivery),
    queues: () => broker.queues(),
    async *browse(queue) {
      events.push('browse');
      try {
        for await (const stored of broker.browse(queue)) {
          events.push(`read ${stored.id}`);
          yield stored;
        }
      } finally {
        events.push('browsed');
      }
    },
    async take(queue, seqs, replacement) {
      const gone: Outgoing[] = [];
      for await (const { seq, id, meta, body } of broker.browse(queue)) if (seqs.includes(seq)) gone.push({ queue, id, meta, body });
      events.push('take');
      takes.push([seqs.length, gone.reduce((bytes, { body }) => bytes + body.length, 0)]);
      await broker.take(queue, seqs, replacement);
      await onTake(gone);
    },
    get state() {
      return broker.state;
    },
    get unconfirmed() {
      return broker.unconfirmed;
    },
    onState: (listener) => broker.onState(listener),
    close: () => broker.close(),
  });

  async function run(format: Format, ...args: string[]): Promise<{ code: number; lines: string[]; stderr: string }> {
    const stdout = new PassThrough({ highWaterMark: 2 ** 26 });
    const stderr = new PassThrough({ highWaterMark: 2 ** 26 });
    const chunks: string[] = [];
    stdout.on('data', (chunk: Buffer) => {
      chunks.push(chunk.toString());
      events.push('line');
    });
    const session = new Session({ stdin: new PassThrough(), stdout, stderr, env: {}, signal: new AbortController().signal });
    session.broker = async () => watched();
    session.configure({ output: format, data });
    const command = new Command('dead-letter');
    define(command, session);
    await command.parseAsync(args, { from: 'user' });
    stdout.end();
    await new Promise((resolve) => stdout.on('end', resolve));
    const lines = chunks.join('').split('\n').slice(0, -1);
    return { code: session.exitCode, lines, stderr: String(stderr.read() ?? '') };
  }

  const letter = (id: string, code: string, body = Buffer.from(id)): Outgoing =>
    keepDeadLetter(deadLetter({ ...message(id, 'one'), body }, { code, message: 'why', now: 5000 }));
  const idsIn = async (queue: string): Promise<string[]> => {
    const ids: string[] = [];
    for await (const { id } of broker.browse(queue)) ids.push(id);
    return ids;
  };
  const numbered = (name: string, count: number): string[] => Array.from({ length: count }, (_, at) => `${name}${at}`);
  /** Each letter of code A between one of code B and one that cannot be read. */
  const mixed = (count: number): Outgoing[] =>
    numbered('', count).flatMap((at) => [letter(`b${at}`, 'B'), letter(`a${at}`, 'A'), unreadable(`bad${at}`)]);

  test('list holds one at a time', async () => {
    await broker.publish(numbered('a', 3).map((id) => letter(id, 'A')));
    for (const format of ['ndjson', 'json'] as const) {
      events = [];
      await run(format, 'list');
      expect(events.slice(0, 8)).toEqual(['browse', 'read a0', 'line', 'read a1', 'line', 'read a2', 'line', 'browsed']);
    }
  });

  test('a table is cut, and says so', async () => {
    await broker.publish(numbered('a', 10_000).map((id) => letter(id, 'A')));
    const whole = await run('table', 'list');
    expect([whole.lines.length, whole.stderr]).toEqual([10_001, '']);
    await broker.publish(numbered('b', 10).map((id) => letter(id, 'A')));
    const { lines, stderr } = await run('table', 'list');
    expect(lines).toHaveLength(10_001);
    expect(stderr).toContain('first 10000');
    expect(events).not.toContain('read b1');
  });

  test('show stops at the first match', async () => {
    await broker.publish(['x', 'y', 'y', 'z'].map((id) => letter(id, 'A')));
    expect((await run('ndjson', 'show', 'y')).lines).toHaveLength(1);
    expect(events.filter((event) => event.startsWith('read'))).toEqual(['read x', 'read y']);
    expect(events).toContain('browsed');
  });

  test('replay of 250 with a filter takes at most 100 at once', async () => {
    await broker.publish(mixed(250));
    const { code, lines } = await run('ndjson', 'replay', '--code', 'A');
    expect([code, lines.map((line) => JSON.parse(line).id)]).toEqual([0, numbered('a', 250)]);
    expect(takes.map(([letters]) => letters)).toEqual([100, 100, 50]);
    expect(events.filter((event) => event === 'browse')).toHaveLength(1);
    // The first take comes with the letter after its batch; each letter is read once.
    expect(events.slice(0, events.indexOf('take')).filter((event) => event.startsWith('read'))).toHaveLength(302);
    expect(events.filter((event) => event.startsWith('read'))).toHaveLength(750);
    expect(await idsIn('ingress')).toEqual(numbered('a', 250));
    expect(await idsIn(queues.kept.name)).toEqual(numbered('', 250).flatMap((at) => [`b${at}`, `bad${at}`]));
  });

  test('replay of all leaves only what cannot be read, and names it once', async () => {
    await broker.publish(mixed(120));
    const { code, lines, stderr } = await run('ndjson', 'replay', '--all');
    expect([code, lines.length, stderr.match(/cannot be replayed/g)?.length]).toEqual([1, 240, 120]);
    expect(await idsIn(queues.kept.name)).toEqual(numbered('bad', 120));
  });

  test('a letter whose queue is gone stays, and the others go on', async () => {
    const lost = (id: string): Outgoing =>
      keepDeadLetter(deadLetter({ ...message(id, 'one'), queue: 'gone' }, { code: 'A', message: 'why', now: 5000 }));
    await broker.publish([lost('x'), ...numbered('a', 120).map((id) => letter(id, 'A')), lost('y')]);
    const { code, lines, stderr } = await run('ndjson', 'replay', '--all');
    expect([code, lines.map((line) => JSON.parse(line).id)]).toEqual([1, numbered('a', 120)]);
    expect(stderr).toBe(
      ['x', 'y'].map((id) => `BROKER_QUEUE_MISSING: ${id} cannot be replayed, so it is kept: no queue "gone"\n`).join(''),
    );
    expect(await idsIn('ingress')).toEqual(numbered('a', 120));
    expect(await idsIn(queues.kept.name)).toEqual(['x', 'y']);
    expect((await run('ndjson', 'replay', 'x')).code).toBe(1);
  });

  test('discard takes at most 100 at once', async () => {
    await broker.publish(mixed(100));
    const { code, lines } = await run('ndjson', 'discard', '--all', '--reason', 'a test');
    expect([code, lines.length]).toEqual([0, 300]);
    expect(takes.map(([letters]) => letters)).toEqual([100, 100, 100]);
    expect(await idsIn(queues.kept.name)).toEqual([]);
    expect((await readFile(join(data, 'discarded.ndjson'), 'utf8')).split('\n')).toHaveLength(301);
  });

  test('a batch is at most 8 MB, or one letter', async () => {
    const sizes = [3, 3, 3, 9, 1, 8, 8];
    await broker.publish(sizes.map((size, at) => letter(`a${at}`, 'A', Buffer.alloc(size * 2 ** 20))));
    await run('ndjson', 'replay', '--all');
    expect(takes.map(([letters, bytes]) => [letters, bytes / 2 ** 20])).toEqual([
      [2, 6],
      [1, 3],
      [1, 9],
      [1, 1],
      [1, 8],
      [1, 8],
    ]);
    expect(await idsIn('ingress')).toEqual(numbered('a', 7));
  });

  test('what fails again meanwhile is not replayed again', async () => {
    await broker.publish(mixed(150));
    onTake = (gone) => broker.publish(gone);
    const { lines } = await run('ndjson', 'replay', '--code', 'A');
    expect(lines).toHaveLength(150);
    expect(await idsIn('ingress')).toEqual(numbered('a', 150));
    expect((await idsIn(queues.kept.name)).slice(300)).toEqual(numbered('a', 150));
  });

  test('a filter that matches nothing reads once', async () => {
    await broker.publish(mixed(150));
    for (const args of [
      ['replay', '--code', 'C'],
      ['discard', 'x', '--reason', 'a test'],
    ]) {
      events = [];
      await expect(run('ndjson', ...args)).rejects.toMatchObject({ code: 'DEAD_LETTER_NOT_FOUND' });
      expect(events.filter((event) => event === 'browse')).toHaveLength(1);
    }
    expect(takes).toEqual([]);
  });
});
