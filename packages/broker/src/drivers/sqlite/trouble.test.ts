import { spawnSync } from 'node:child_process';
import { chmodSync, closeSync, existsSync, openSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { VirtualClock } from '@blockhub/clock';
import type { BlockhubError } from '@blockhub/errors';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Broker, Delivery, Outgoing } from '../../types.ts';
import { openSqliteBroker, type SqliteBrokerOptions } from './broker.ts';

const code = (expected: string) => expect.objectContaining({ code: expected });
const message = (queue: string, id: string, size = 10): Outgoing => ({ queue, id, meta: { n: 1 }, body: Buffer.alloc(size, id) });
const ids = (list: readonly { readonly id: string }[]): string[] => list.map(({ id }) => id);

let folder: string;
let path: string;
let clock: VirtualClock;
let opened: Broker[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'blockhub-broker-'));
  path = join(folder, 'broker.sqlite');
  clock = new VirtualClock();
  opened = [];
});
afterEach(async () => {
  for (const broker of opened) await broker.close();
  await rm(folder, { recursive: true });
});

async function open(options: SqliteBrokerOptions = {}): Promise<Broker> {
  const broker = await openSqliteBroker(path, { clock, ...options });
  opened.push(broker);
  await broker.declare(['a', 'b'].map((name) => ({ name, kind: 'durable' })));
  return broker;
}

async function consume(broker: Broker, queue: string, prefetch = 100): Promise<Delivery[]> {
  const all: Delivery[] = [];
  await broker.consume(queue, { prefetch }, (delivery) => all.push(delivery));
  return all;
}

async function browse(broker: Broker, queue: string) {
  const all = [];
  for await (const stored of broker.browse(queue)) all.push(stored);
  return all;
}

const overwrite = (at: number, length: number): void => {
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(length, 0xa5), 0, length, at);
  closeSync(file);
};

describe('a file that cannot be used', () => {
  test('not a database, and a damaged page: BROKER_CORRUPT, and the file is left as it is', async () => {
    writeFileSync(path, 'x'.repeat(10_000));
    await expect(open()).rejects.toEqual(code('BROKER_CORRUPT'));
    expect(readFileSync(path, 'utf8')).toBe('x'.repeat(10_000));
    await rm(path);
    const broker = await open();
    await broker.publish(Array.from({ length: 500 }, (_, at) => message('a', String(at), 2_000)));
    await broker.close();
    overwrite(Math.floor(statSync(path).size / 2 / 4096) * 4096, 4096);
    const error = (await open().catch((caught) => caught)) as BlockhubError;
    expect(error).toEqual(code('BROKER_CORRUPT'));
    expect(error.fix).toMatch(/Move it away/);
    expect(error.details).toMatchObject({ path });
  });

  test('damage that shows while working stops everything with BROKER_CORRUPT', async () => {
    const broker = await open();
    for (let batch = 0; batch < 20; batch++)
      await broker.publish(Array.from({ length: 500 }, (_, at) => message('a', `${batch}-${at}`, 2_000)));
    await broker.close();
    const again = await open();
    const states: string[] = [];
    again.onState((state) => states.push(state));
    const size = statSync(path).size;
    overwrite(Math.floor(size / 4 / 4096) * 4096, Math.floor(size / 2));
    await again.consume('a', { prefetch: 100 }, (delivery) => delivery.ack());
    await clock.advance(1_000);
    expect(states.at(-1)).toBe('disconnected');
    await expect(again.publish([message('b', '1')])).rejects.toEqual(code('BROKER_CORRUPT'));
    await expect(again.queues()).rejects.toEqual(code('BROKER_CORRUPT'));
  });

  test('a file that is removed while it is used confirms nothing more, and does not seem to work again', async () => {
    const broker = await open();
    const states: string[] = [];
    broker.onState((state) => states.push(state));
    await broker.publish([message('a', 'before')]);
    for (const end of ['', '-wal', '-shm']) await rm(path + end);
    await expect(broker.publish([message('a', 'after')])).rejects.toEqual(code('BROKER_UNAVAILABLE'));
    expect(broker.state).toBe('blocked');
    for (let tries = 0; tries < 3; tries++) {
      clock.runNext();
      await expect(broker.publish([message('a', 'later')])).rejects.toEqual(code('BROKER_UNAVAILABLE'));
    }
    expect(states).toEqual(['blocked']);
  });

  test.each([0, 2])('of format %d: BROKER_FORMAT_UNKNOWN, and the file is left as it is', async (version) => {
    await (await open()).close();
    const file = new DatabaseSync(path);
    file.exec(`DROP TABLE broker_probe; UPDATE broker_format SET version = ${version}`);
    const error = (await open().catch((caught) => caught)) as BlockhubError;
    expect(error).toMatchObject({ code: 'BROKER_FORMAT_UNKNOWN', message: `${path} has format ${version}, this version reads 1` });
    expect(error.fix).toMatch(/until the queues are empty/);
    expect(file.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'broker_probe'").get()).toBeUndefined();
    file.close();
  });

  test('where it cannot have a write-ahead log: BROKER_UNSAFE', async () => {
    // A place without shared memory, as some network file systems are.
    const error = await openSqliteBroker(`file:${path}?vfs=unix-none`).catch((caught) => caught);
    expect(error).toMatchObject({
      code: 'BROKER_UNSAFE',
      message: expect.stringContaining('write-ahead log'),
      details: { mode: 'delete' },
    });
  });

  test('a folder that is missing or cannot be written: DATA_FOLDER_UNUSABLE', async () => {
    await expect(openSqliteBroker(join(folder, 'none', 'broker.sqlite'))).rejects.toEqual(code('DATA_FOLDER_UNUSABLE'));
    const broker = await open();
    await broker.close();
    chmodSync(path, 0o444);
    chmodSync(folder, 0o555);
    // Root can write everywhere, so another user tries.
    const script = `import(${JSON.stringify(join(import.meta.dirname, 'broker.ts'))}).then((m) => m.openSqliteBroker(${JSON.stringify(path)})).catch((e) => console.log(e.code))`;
    const otherUser = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
    const { stdout } = spawnSync(process.execPath, ['--no-warnings', '-e', script], { encoding: 'utf8', ...otherUser });
    chmodSync(folder, 0o755);
    expect(stdout.trim()).toBe('DATA_FOLDER_UNUSABLE');
  });
});

describe('no room', () => {
  test('publishes fail as unavailable, whole; acks make room; it goes on by itself', async () => {
    const broker = await open({ fileBytes: 400_000 });
    const states: string[] = [];
    broker.onState((state) => states.push(state));
    const confirmed: string[] = [];
    let error: BlockhubError | undefined;
    for (let number = 0; !error; number++) {
      const pair = [message('a', `a${number}`, 3_000), message('b', `b${number}`, 3_000)];
      await broker.publish(pair).then(
        () => confirmed.push(`a${number}`),
        (caught) => {
          error = caught;
        },
      );
    }
    expect(error).toMatchObject({ code: 'BROKER_UNAVAILABLE', transient: true, cause: { errcode: 13 } });
    expect(states).toEqual(['blocked']);
    expect(confirmed.length).toBeGreaterThan(20);
    expect(ids(await browse(broker, 'a'))).toEqual(confirmed);
    expect((await browse(broker, 'b')).length).toBe(confirmed.length);
    expect(await broker.queues()).toMatchObject([
      { ready: confirmed.length, bytes: 3_000 * confirmed.length },
      { ready: confirmed.length },
    ]);
    await clock.advance(5_000);
    expect(states).toEqual(['blocked']);
    const got = await consume(broker, 'a', 30);
    await clock.advance(20);
    for (const delivery of got.slice(0, 20)) delivery.ack();
    await clock.advance(2_000);
    expect(broker.state).toBe('connected');
    await broker.publish([message('a', 'later', 3_000)]);
    await broker.close();
    const again = await open();
    expect(ids(await browse(again, 'a'))).toEqual([...confirmed.slice(20), 'later']);
  });

  test('settlements of the time without writes are not forgotten', async () => {
    const broker = await open();
    await broker.publish(Array.from({ length: 5 }, (_, at) => message('a', String(at))));
    const got = await consume(broker, 'a');
    await clock.advance(20);
    const holder = await openSqliteBroker(path, { clock });
    const other = new DatabaseSync(path);
    other.exec('BEGIN IMMEDIATE');
    got[0]?.ack();
    got[1]?.retry(100);
    await expect(broker.publish([message('a', 'refused')])).rejects.toEqual(code('BROKER_UNAVAILABLE'));
    expect(broker.state).toBe('blocked');
    other.exec('ROLLBACK');
    other.close();
    await holder.close();
    await clock.advance(1_000);
    expect([broker.state, ids(got.slice(5)), got[5]?.attempts]).toEqual(['connected', ['1'], 1]);
    await broker.close();
    expect(ids(await browse(await open(), 'a'))).toEqual(['1', '2', '3', '4']);
  });
});

describe('another process on the same file', () => {
  test('what it publishes arrives, in order with ours, each once', async () => {
    const owner = await open();
    const got = await consume(owner, 'a', 10_000);
    const other = await openSqliteBroker(path, { clock });
    opened.push(other);
    const expected: string[] = [];
    for (let round = 0; round < 20; round++) {
      const from = round % 3 === 0 ? other : owner;
      await from.publish([message('a', `${round}.1`), message('a', `${round}.2`)]);
      expected.push(`${round}.1`, `${round}.2`);
    }
    await other.publish([message('a', 'last')]);
    await clock.advance(300);
    expect(ids(got)).toEqual([...expected, 'last']);
    for (const delivery of got) delivery.ack();
    await clock.advance(20);
    expect(await owner.queues()).toMatchObject([{ name: 'a', ready: 0, unacked: 0, bytes: 0 }, { name: 'b' }]);
    expect(await other.queues()).toMatchObject([{ name: 'a', ready: 0, bytes: 0 }, { name: 'b' }]);
  });

  test('what it takes is not delivered any more, and its replacement is', async () => {
    const owner = await open();
    await owner.publish(Array.from({ length: 6 }, (_, at) => message('a', String(at), 100)));
    const got = await consume(owner, 'a', 1);
    await clock.advance(20);
    const other = await openSqliteBroker(path, { clock });
    opened.push(other);
    const stored = await browse(other, 'a');
    await other.take(
      'a',
      stored.slice(2, 4).map(({ seq }) => seq),
      [message('b', 'new')],
    );
    await clock.advance(300);
    expect(await owner.queues()).toMatchObject([{ ready: 3, unacked: 1, bytes: 400 }, { ready: 1 }]);
    for (let at = 0; at < 10; at++) {
      got[at]?.ack();
      await clock.advance(20);
    }
    expect(ids(got)).toEqual(['0', '1', '4', '5']);
    // It may even take what we hold: then we go on, and the counters are right again.
    await owner.publish([message('a', '6'), message('a', '7')]);
    await clock.advance(20);
    await other.take(
      'a',
      (await browse(other, 'a')).map(({ seq }) => seq),
    );
    got[4]?.ack();
    await clock.advance(300);
    expect(await owner.queues()).toMatchObject([{ ready: 0, unacked: 1, bytes: 0 }, { ready: 1 }]);
    got[5]?.ack();
    await clock.advance(300);
    expect(await owner.queues()).toMatchObject([{ ready: 0, unacked: 0, bytes: 0 }, { ready: 1 }]);
    expect(await other.queues()).toMatchObject([{ ready: 0, bytes: 0 }, { ready: 1 }]);
  });

  test('queues declared later are seen, and a limit holds for both', async () => {
    const owner = await open();
    const other = await openSqliteBroker(path, { clock });
    opened.push(other);
    await owner.declare([{ name: 'c', kind: 'durable', maxMessages: 2 }]);
    await other.publish([message('c', '1')]);
    await owner.publish([message('c', '2')]);
    await expect(other.queues()).resolves.toMatchObject([{ name: 'a' }, { name: 'b' }, { name: 'c', ready: 2 }]);
    await expect(other.publish([message('c', '3')])).rejects.toEqual(code('BROKER_QUEUE_FULL'));
    await owner.queues();
    await expect(owner.publish([message('c', '3')])).rejects.toEqual(code('BROKER_QUEUE_FULL'));
  });

  test('a seq never names another message', async () => {
    const owner = await open();
    await owner.publish([message('a', '1')]);
    const [first] = await browse(owner, 'a');
    await owner.take('a', [first?.seq ?? '']);
    await owner.close();
    const again = await open();
    await again.publish([message('a', '2')]);
    await expect(again.take('a', [first?.seq ?? ''])).rejects.toEqual(code('BROKER_MESSAGE_MISSING'));
  });
});

describe('a backlog of 64 MB', () => {
  const COUNT = 64 * 20;
  const SIZE = 50_000;

  async function publishAll(broker: Broker): Promise<void> {
    for (let from = 0; from < COUNT; from += 20)
      await broker.publish(Array.from({ length: 20 }, (_, at) => message('a', String(from + at), SIZE)));
  }

  /** Consumes with a prefetch of 5, and acks once `acking` is set. */
  async function consumeLater(broker: Broker) {
    const held: Delivery[] = [];
    const consumer = { acking: false, onAck: (_: Delivery): void => {}, held };
    await broker.consume('a', { prefetch: 5 }, (delivery) => {
      if (!consumer.acking) {
        held.push(delivery);
        return;
      }
      consumer.onAck(delivery);
      delivery.ack();
    });
    return consumer;
  }

  test('is in memory up to 8 MB; the rest is read from the file, in order', async () => {
    const broker = await open();
    const consumer = await consumeLater(broker);
    await publishAll(broker);
    // What was not in memory by now comes with the body that the file has.
    const file = new DatabaseSync(path);
    file.exec("UPDATE broker_q1 SET body = x'00'");
    file.close();
    const got: string[] = [];
    let fromMemory = 0;
    consumer.onAck = ({ id, body }) => {
      got.push(id);
      if (body.length === SIZE) fromMemory++;
    };
    consumer.acking = true;
    for (const delivery of consumer.held) delivery.ack();
    while (got.length < COUNT - 5) await clock.advance(20);
    expect([...ids(consumer.held), ...got]).toEqual(Array.from({ length: COUNT }, (_, at) => String(at)));
    expect(fromMemory).toBe(Math.floor((8 * 1024 * 1024) / SIZE));
  });

  test('leaves memory when it is delivered', async () => {
    setFlagsFromString('--expose_gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    const broker = await open();
    const consumer = await consumeLater(broker);
    await publishAll(broker);
    const bodies: WeakRef<Buffer>[] = [];
    consumer.onAck = ({ body }) => bodies.push(new WeakRef(body));
    consumer.acking = true;
    for (const delivery of consumer.held.splice(0)) delivery.ack();
    while (bodies.length < COUNT - 5) await clock.advance(20);
    // A few may be on the stack or in lists that are cleared with the next message.
    const left = (): number => bodies.filter((body) => body.deref() !== undefined).length;
    for (collectGarbage(); left() > 20; collectGarbage()) await new Promise(setImmediate);
  });
});

test('publishes of one turn share a commit, and acks wait for company but not long', async () => {
  const broker = await open();
  const got = await consume(broker, 'a');
  const version = new DatabaseSync(path);
  const commits = (): number => Number(version.prepare('PRAGMA data_version').get()?.data_version);
  const start = commits();
  await Promise.all(Array.from({ length: 50 }, (_, at) => broker.publish([message('a', String(at)), message('b', String(at))])));
  expect(commits()).toBe(start + 1);
  for (const delivery of got) delivery.ack();
  await VirtualClock.settle();
  const [a] = version.prepare('SELECT messages FROM broker_queues ORDER BY name').all();
  expect(a).toEqual({ messages: 50 });
  await clock.advance(10);
  const [after] = version.prepare('SELECT messages FROM broker_queues ORDER BY name').all();
  expect(after).toEqual({ messages: 0 });
  version.close();
  expect(existsSync(path)).toBe(true);
});
