import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Broker, Delivery, Outgoing, QueueInfo, StoredMessage } from './types.ts';

/** One broker under test, fresh for each test. */
export interface Harness {
  /** One more process's connection. */
  connect(): Promise<Broker>;
  /** Every process and the broker stop in order and start again; gives a new connection. */
  restart(broker: Broker): Promise<Broker>;
  /** The process of this connection dies. */
  kill(broker: Broker): Promise<void>;
  /** Lets so much time of the broker's clock pass. */
  pass(ms: number): Promise<void>;
  /** A broker elsewhere may take longer than its own clock says: how many more times 20 ms to wait for what is expected. */
  readonly patience?: number;
  dispose(): Promise<void>;
}

interface Bench {
  readonly harness: Harness;
  broker: Broker;
}

type Check = (bench: Bench) => Promise<void>;

/**
 * What every driver promises, as tests. `skip` names the tests that a driver cannot pass, each with the reason.
 */
export function testBroker(driver: string, open: () => Promise<Harness>, skip: Readonly<Record<string, string>> = {}): void {
  const unknown = Object.keys(skip).filter((title) => !(title in checks));
  if (unknown.length > 0) throw new Error(`no such test to skip: ${unknown.join(', ')}`);
  describe(`${driver} broker`, () => {
    let bench: Bench;
    beforeEach(async () => {
      const harness = await open();
      bench = { harness, broker: await harness.connect() };
    });
    afterEach(() => bench.harness.dispose());
    for (const [title, check] of Object.entries(checks)) {
      const reason = skip[title];
      if (reason === undefined) test(title, () => check(bench));
      else test.skip(`${title} (not here: ${reason})`, () => {});
    }
  });
}

const bodyOf = (id: string): Buffer => Buffer.from(`body of ${id}`);

const message = (queue: string, id: string, body = bodyOf(id)): Outgoing => ({ queue, id, meta: { chain: 'c', n: id.length }, body });

const numbered = (queue: string, from: number, to: number): Outgoing[] =>
  Array.from({ length: to - from + 1 }, (_, at) => message(queue, String(from + at)));

const ids = (list: readonly { readonly id: string }[]): string[] => list.map(({ id }) => id);

const sorted = (list: readonly { readonly id: string }[]): string[] => ids(list).sort((a, b) => Number(a) - Number(b));

const range = (from: number, to: number): string[] => Array.from({ length: to - from + 1 }, (_, at) => String(from + at));

interface Tray {
  readonly all: Delivery[];
  cancel(): Promise<void>;
}

/** Collects deliveries without settling them. */
async function collect(broker: Broker, queue: string, prefetch = 100, onDelivery: (delivery: Delivery) => void = () => {}): Promise<Tray> {
  const all: Delivery[] = [];
  const consumer = await broker.consume(queue, { prefetch }, (delivery) => {
    all.push(delivery);
    onDelivery(delivery);
  });
  return { all, cancel: () => consumer.cancel() };
}

const browse = (broker: Broker, queue: string): Promise<StoredMessage[]> => Array.fromAsync(broker.browse(queue));

/** Takes the messages with these ids while it browses. */
async function take(broker: Broker, queue: string, wanted: readonly string[], replacement?: readonly Outgoing[]): Promise<void> {
  const seqs: string[] = [];
  for await (const { id, seq } of broker.browse(queue)) {
    if (wanted.includes(id)) seqs.push(seq);
    if (seqs.length === wanted.length) return await broker.take(queue, seqs, replacement);
  }
  throw new Error(`${wanted.join()} are not all there`);
}

const declare = (broker: Broker, ...names: string[]): Promise<void> => broker.declare(names.map((name) => ({ name, kind: 'durable' })));

/** As many as the consumer may hold. */
async function collected(harness: Harness, broker: Broker, queue: string, prefetch: number): Promise<Tray> {
  const tray = await collect(broker, queue, prefetch);
  await arrive(harness, tray, prefetch);
  return tray;
}

/** A moment later, and with a driver that needs patience some moments later, the expectation holds. */
async function eventually({ pass, patience = 0 }: Harness, expectation: () => void | Promise<void>): Promise<void> {
  for (let left = patience; ; left--) {
    await pass(20);
    try {
      return await expectation();
    } catch (error) {
      if (left <= 0) throw error;
    }
  }
}

const arrive = (harness: Harness, { all }: Pick<Tray, 'all'>, count: number): Promise<void> =>
  eventually(harness, () => expect(all.length).toBe(count));

/** The queue, as far as the driver knows it. */
async function expectInfo(broker: Broker, queue: string, expected: Partial<QueueInfo>): Promise<void> {
  const [info] = await broker.queues([queue]);
  const known = Object.entries(expected).filter(([field]) => info === undefined || info[field as keyof QueueInfo] !== undefined);
  expect(info).toMatchObject(Object.fromEntries(known));
}

const code = (expected: string) => expect.objectContaining({ code: expected });

const order: Record<string, Check> = {
  async 'delivers in order, across publishes of one turn'({ broker, harness }) {
    await declare(broker, 'a', 'b');
    await Promise.all([
      broker.publish([message('a', '1'), message('b', '1'), message('a', '2')]),
      broker.publish([message('a', '3')]),
      broker.publish(numbered('a', 4, 60)),
    ]);
    const a = await collect(broker, 'a');
    const b = await collect(broker, 'b');
    await broker.publish([message('b', '2'), message('a', '61')]);
    await eventually(harness, () => {
      expect(ids(a.all)).toEqual(range(1, 61));
      expect(ids(b.all)).toEqual(['1', '2']);
    });
  },
  async 'counts what is published and not confirmed'({ broker }) {
    await declare(broker, 'a');
    const publishing = [broker.publish(numbered('a', 1, 3)), broker.publish([message('missing', '4')])].map((one) => one.catch(() => {}));
    expect(broker.unconfirmed).toBe(4);
    await Promise.all(publishing);
    expect(broker.unconfirmed).toBe(0);
  },
  async 'keeps id, meta and every byte'({ broker, harness }) {
    await declare(broker, 'a');
    const bodies = [Buffer.alloc(0), Buffer.from(Uint8Array.from({ length: 256 }, (_, at) => at)), Buffer.alloc(3_000_000, 'x')];
    const meta = { text: 'é "\n', whole: 7, part: 0.5, yes: true, no: false };
    await broker.publish(bodies.map((body, at) => ({ queue: 'a', id: `i${at}`, meta, body })));
    const again = await harness.restart(broker);
    const { all } = await collect(again, 'a');
    await eventually(harness, () => {
      expect(ids(all)).toEqual(['i0', 'i1', 'i2']);
      expect(all.every((delivery, at) => Buffer.isBuffer(delivery.body) && delivery.body.equals(bodies[at] as Buffer))).toBe(true);
      expect(all.map((delivery) => delivery.meta)).toEqual([meta, meta, meta]);
      expect(all.map((delivery) => [delivery.queue, delivery.attempts])).toEqual(Array(3).fill(['a', 0]));
    });
  },
  async 'delivers a long backlog once and in order'({ broker, harness }) {
    await declare(broker, 'a');
    for (let from = 1; from <= 6_000; from += 500) await broker.publish(numbered('a', from, from + 499));
    const { all } = await collect(broker, 'a', 300, (delivery) => delivery.ack());
    for (let from = 6_001; from <= 12_000; from += 3_000) await broker.publish(numbered('a', from, from + 2_999));
    for (let tries = 0; tries < 400 && all.length < 12_000; tries++) await harness.pass(5);
    await eventually(harness, () => expect(all.length).toBe(12_000));
    expect(ids(all)).toEqual(range(1, 12_000));
    await eventually(harness, () => expectInfo(broker, 'a', { ready: 0, unacked: 0, delayed: 0, bytes: 0 }));
  },
  async 'gives each consumer its turn'({ broker, harness }) {
    await declare(broker, 'a');
    const one = await collect(broker, 'a', 5);
    const two = await collect(broker, 'a', 50);
    await broker.publish(numbered('a', 1, 20));
    await eventually(harness, () => {
      expect([one.all.length, two.all.length]).toEqual([5, 15]);
      expect([...ids(one.all), ...ids(two.all)].map(Number).sort((x, y) => x - y)).toEqual(range(1, 20).map(Number));
    });
  },
};

const settling: Record<string, Check> = {
  async 'prefetch bounds what a consumer holds'({ broker, harness }) {
    await declare(broker, 'a');
    await broker.publish(numbered('a', 1, 10));
    const { all } = await collect(broker, 'a', 3);
    await eventually(harness, async () => {
      expect(ids(all)).toEqual(['1', '2', '3']);
      await expectInfo(broker, 'a', { ready: 7, unacked: 3, delayed: 0, consumers: 1 });
    });
    all[1]?.ack();
    await eventually(harness, async () => {
      expect(ids(all)).toEqual(['1', '2', '3', '4']);
      await expectInfo(broker, 'a', { ready: 6, unacked: 3 });
    });
  },
  async 'an acked message never comes again'({ broker, harness }) {
    await declare(broker, 'a');
    await broker.publish(numbered('a', 1, 50));
    const { all } = await collected(harness, broker, 'a', 50);
    for (const delivery of all) if (Number(delivery.id) % 3 !== 0) delivery.ack();
    await harness.pass(20);
    const again = await collect(await harness.restart(broker), 'a');
    await eventually(harness, () => expect(ids(again.all)).toEqual(range(1, 50).filter((id) => Number(id) % 3 === 0)));
  },
  async 'a release goes back to its place without an attempt'({ broker, harness }) {
    await declare(broker, 'a');
    await broker.publish(numbered('a', 1, 4));
    const { all } = await collected(harness, broker, 'a', 2);
    all[0]?.release();
    await eventually(harness, () => {
      expect(ids(all)).toEqual(['1', '2', '1']);
      expect(all[2]?.attempts).toBe(0);
    });
    for (const delivery of [...all]) delivery.ack();
    await eventually(harness, () => expect(ids(all)).toEqual(['1', '2', '1', '3', '4']));
  },
  async 'a retry comes later with its attempt and blocks nothing'({ broker, harness }) {
    await declare(broker, 'a');
    await broker.publish([message('a', '1')]);
    const { all } = await collected(harness, broker, 'a', 1);
    const firstAt = all[0]?.firstAt;
    all[0]?.retry(2_000);
    await broker.publish([message('a', '2')]);
    await eventually(harness, async () => {
      expect(ids(all)).toEqual(['1', '2']);
      await expectInfo(broker, 'a', { ready: 0, unacked: 1, delayed: 1 });
    });
    all[1]?.ack();
    await harness.pass(200);
    expect(all.length).toBe(2);
    await harness.pass(1_800);
    await eventually(harness, () =>
      expect(all.map(({ id, attempts }) => [id, attempts])).toEqual([
        ['1', 0],
        ['2', 0],
        ['1', 1],
      ]),
    );
    expect(all[2]?.firstAt).toBe(firstAt);
    all[2]?.retry(0);
    await eventually(harness, () => expect(all[3]).toMatchObject({ id: '1', attempts: 2 }));
  },
  async 'a retry keeps id, body and meta, and adds nothing'({ broker, harness }) {
    await declare(broker, 'a');
    await broker.publish([message('a', '1')]);
    const { all } = await collect(broker, 'a', 1, (delivery) => {
      if (delivery.attempts < 2) delivery.retry(100);
    });
    await harness.pass(500);
    await eventually(harness, () => expect(all.length).toBe(3));
    for (const { id, body, meta } of all) expect({ id, body, meta }).toEqual({ id: '1', body: bodyOf('1'), meta: { chain: 'c', n: 1 } });
  },
  async 'many retries each come at their own time'({ broker, harness }) {
    await declare(broker, 'a');
    await broker.publish(numbered('a', 1, 30));
    const { all } = await collect(broker, 'a', 30, (delivery) => {
      if (delivery.attempts === 0) delivery.retry(1_000 - 30 * Number(delivery.id));
    });
    await harness.pass(2_000);
    expect(ids(all.slice(30))).toEqual(range(1, 30).reverse());
  },
  async 'a retry survives a restart'({ broker, harness }) {
    await declare(broker, 'a');
    await broker.publish(numbered('a', 1, 2));
    const before = await collected(harness, broker, 'a', 2);
    before.all[0]?.retry(4_000);
    const again = await collect(await harness.restart(broker), 'a');
    await harness.pass(1_000);
    await eventually(harness, () => expect(ids(again.all)).toEqual(['2']));
    await harness.pass(3_000);
    await eventually(harness, () =>
      expect(again.all.map(({ id, attempts }) => [id, attempts])).toEqual([
        ['2', 0],
        ['1', 1],
      ]),
    );
  },
  async 'only the first settlement counts'({ broker, harness }) {
    await declare(broker, 'a');
    await broker.publish(numbered('a', 1, 2));
    const { all } = await collected(harness, broker, 'a', 2);
    all[0]?.release();
    all[0]?.ack();
    all[0]?.retry(0);
    all[1]?.ack();
    all[1]?.release();
    await eventually(harness, () => {
      expect(ids(all)).toEqual(['1', '2', '1']);
      expect(all[2]?.attempts).toBe(0);
    });
    all[0]?.ack();
    await eventually(harness, () => expectInfo(broker, 'a', { ready: 0, unacked: 1, delayed: 0 }));
  },
  async 'cancel ends deliveries and leaves those held'({ broker, harness }) {
    await declare(broker, 'a');
    await broker.publish(numbered('a', 1, 6));
    const one = await collected(harness, broker, 'a', 3);
    await one.cancel();
    one.all[0]?.ack();
    one.all[1]?.release();
    await eventually(harness, async () => {
      expect(one.all.length).toBe(3);
      await expectInfo(broker, 'a', { ready: 4, unacked: 1 });
    });
    const two = await collect(broker, 'a', 10);
    await eventually(harness, () => expect(ids(two.all)).toEqual(['2', '4', '5', '6']));
    one.all[2]?.ack();
    await eventually(harness, () => expectInfo(broker, 'a', { ready: 0, unacked: 4 }));
  },
};

const routing: Record<string, Check> = {
  async 'refuses a message without a queue'({ broker }) {
    await declare(broker, 'a');
    await expect(broker.publish([message('a', '1'), message('none', '2')])).rejects.toEqual(code('BROKER_QUEUE_MISSING'));
    await expect(broker.consume('none', { prefetch: 1 }, () => {})).rejects.toEqual(code('BROKER_QUEUE_MISSING'));
    await expect(browse(broker, 'none')).rejects.toEqual(code('BROKER_QUEUE_MISSING'));
    expect(await broker.queues(['none'])).toEqual([]);
  },
  async 'what fails leaves nothing behind'({ broker }) {
    await declare(broker, 'a');
    await expect(broker.publish([message('a', '1'), message('none', '2')])).rejects.toEqual(code('BROKER_QUEUE_MISSING'));
    await expectInfo(broker, 'a', { ready: 0, bytes: 0 });
    const otherwise = { name: 'a', kind: 'durable', singleActive: true } as const;
    await expect(broker.declare([{ name: 'b', kind: 'durable' }, otherwise])).rejects.toEqual(code('BROKER_QUEUE_MISMATCH'));
    expect((await broker.queues()).map(({ name }) => name)).toEqual(['a']);
  },
  async 'a hint without a queue is no error'({ broker }) {
    await declare(broker, 'a');
    await broker.publish([{ ...message('none', '1'), hint: true }, message('a', '2')]);
    await broker.publish([]);
    expect(ids(await browse(broker, 'a'))).toEqual(['2']);
  },
  async 'a full queue refuses that publish only'({ broker, harness }) {
    await broker.declare([
      { name: 'few', kind: 'durable', maxMessages: 3 },
      { name: 'light', kind: 'durable', maxBytes: 20 },
      { name: 'free', kind: 'durable' },
    ]);
    const some = [
      broker.publish(numbered('few', 1, 2)),
      broker.publish([message('free', '1'), ...numbered('few', 3, 4)]),
      broker.publish(numbered('few', 5, 5)),
    ];
    const results = await Promise.allSettled(some);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    await expect(some[1]).rejects.toEqual(code('BROKER_QUEUE_FULL'));
    await broker.publish([message('light', '1', Buffer.alloc(20))]);
    await expect(broker.publish([message('light', '2', Buffer.alloc(1))])).rejects.toEqual(code('BROKER_QUEUE_FULL'));
    await expectInfo(broker, 'free', { ready: 0 });
    const { all } = await collect(broker, 'few', 10);
    await eventually(harness, () => expect(ids(all)).toEqual(['1', '2', '5']));
    await expect(broker.publish([message('few', '6')])).rejects.toEqual(code('BROKER_QUEUE_FULL'));
    all[0]?.ack();
    await harness.pass(20);
    await broker.publish([message('few', '6')]);
    await broker.declare([{ name: 'few', kind: 'durable', maxMessages: 4 }]);
    await broker.publish([message('few', '7')]);
  },
  async 'declares alike as often as wanted, but not otherwise'({ broker }) {
    await declare(broker, 'a');
    await broker.publish([message('a', '1')]);
    await declare(broker, 'a');
    await expectInfo(broker, 'a', { ready: 1 });
    await expect(broker.declare([{ name: 'a', kind: 'private' }])).rejects.toEqual(code('BROKER_QUEUE_MISMATCH'));
    await expect(broker.declare([{ name: 'a', kind: 'durable', singleActive: true }])).rejects.toEqual(code('BROKER_QUEUE_MISMATCH'));
    for (const name of ['', 'amq.x', 'é'.repeat(128)]) await expect(declare(broker, name)).rejects.toEqual(code('BROKER_QUEUE_MISMATCH'));
    expect((await broker.queues()).map(({ name }) => name)).toEqual(['a']);
    await declare(broker, 'é'.repeat(127));
  },
  async 'a private queue works and is gone after a restart'({ broker, harness }) {
    await broker.declare([{ name: 'mine', kind: 'private' }]);
    const tray = await collect(broker, 'mine', 1);
    const { all } = tray;
    await broker.publish([message('mine', '1'), message('mine', '2')]);
    await arrive(harness, tray, 1);
    all[0]?.retry(50);
    await eventually(harness, () => expect(ids(all)).toEqual(['1', '2']));
    all[1]?.release();
    await eventually(harness, () => expect(all[2]).toMatchObject({ id: '2', attempts: 0 }));
    all[2]?.ack();
    await harness.pass(100);
    await eventually(harness, async () => {
      expect(all[3]).toMatchObject({ id: '1', attempts: 1 });
      await expectInfo(broker, 'mine', { kind: 'private', ready: 0, unacked: 1 });
    });
    const again = await harness.restart(broker);
    expect(await again.queues()).toEqual([]);
    await expect(again.publish([message('mine', '3')])).rejects.toEqual(code('BROKER_QUEUE_MISSING'));
  },
  async 'a private queue belongs to one connection'({ broker, harness }) {
    const other = await harness.connect();
    await broker.declare([{ name: 'mine', kind: 'private' }]);
    await other.publish([{ ...message('mine', '1'), hint: true }, message('mine', '2')]);
    await expect(other.consume('mine', { prefetch: 1 }, () => {})).rejects.toEqual(code('BROKER_QUEUE_MISMATCH'));
    await expect(other.declare([{ name: 'mine', kind: 'private' }])).rejects.toEqual(code('BROKER_QUEUE_MISMATCH'));
    expect(await other.queues(['mine'])).toEqual([]);
    await eventually(harness, () => expectInfo(broker, 'mine', { ready: 2 }));
    await harness.kill(broker);
    await eventually(harness, () => expect(other.publish([message('mine', '3')])).rejects.toEqual(code('BROKER_QUEUE_MISSING')));
  },
};

const single: Record<string, Check> = {
  async 'single active: the oldest consumer gets all, the next takes over'({ broker, harness }) {
    await broker.declare([{ name: 'a', kind: 'durable', singleActive: true }]);
    const one = await collect(broker, 'a', 2);
    const two = await collect(broker, 'a', 10);
    await broker.publish(numbered('a', 1, 5));
    await eventually(harness, () => expect([ids(one.all), ids(two.all)]).toEqual([['1', '2'], []]));
    await one.cancel();
    await eventually(harness, () => expect(ids(two.all)).toEqual(['3', '4', '5']));
    one.all[0]?.release();
    await eventually(harness, () => expect(ids(two.all)).toEqual(['3', '4', '5', '1']));
  },
  async 'single active: the next takes over when a process dies'({ broker, harness }) {
    const other = await harness.connect();
    await broker.declare([{ name: 'a', kind: 'durable', singleActive: true }]);
    const one = await collect(broker, 'a', 2);
    const two = await collect(other, 'a', 10);
    await other.publish(numbered('a', 1, 4));
    await eventually(harness, () => expect([ids(one.all), ids(two.all)]).toEqual([['1', '2'], []]));
    await harness.kill(broker);
    await eventually(harness, () => expect(sorted(two.all)).toEqual(['1', '2', '3', '4']));
    one.all[0]?.ack();
    await eventually(harness, () => expectInfo(other, 'a', { unacked: 4 }));
  },
};

const looking: Record<string, Check> = {
  async 'browse shows what waits and takes nothing'({ broker, harness }) {
    await declare(broker, 'a');
    await broker.publish(numbered('a', 1, 250));
    await collected(harness, broker, 'a', 2);
    const found = await browse(broker, 'a');
    expect(ids(found)).toEqual(range(3, 250));
    expect(found[0]).toMatchObject({ id: '3', attempts: 0, meta: { chain: 'c', n: 1 }, body: bodyOf('3'), firstAt: expect.any(Number) });
    for await (const { id } of broker.browse('a')) if (id === '5') break;
    await eventually(harness, () => expectInfo(broker, 'a', { ready: 248, unacked: 2 }));
    expect(sorted(await browse(broker, 'a'))).toEqual(range(3, 250));
  },
  async 'browse and take reach delayed messages'({ broker, harness }) {
    await declare(broker, 'a');
    await broker.publish(numbered('a', 1, 10));
    const { all } = await collected(harness, broker, 'a', 2);
    all[0]?.retry(10_000);
    all[1]?.retry(100);
    await arrive(harness, { all }, 4);
    const found = await browse(broker, 'a');
    expect(ids(found)).toEqual(['1', '2', ...range(5, 10)]);
    expect(found[0]).toMatchObject({ id: '1', attempts: 1, firstAt: all[0]?.firstAt });
    await take(broker, 'a', ['1', '2']);
    await harness.pass(300);
    expect(all.length).toBe(4);
    await expectInfo(broker, 'a', { ready: 6, unacked: 2, delayed: 0, bytes: 7 * bodyOf('1').length + bodyOf('10').length });
  },
  async 'browse goes on while its messages are taken, and ends with those that were there'({ broker, harness }) {
    await declare(broker, 'a');
    await broker.publish(numbered('a', 1, 250));
    const shown: string[] = [];
    for await (const { id, seq } of broker.browse('a')) {
      shown.push(id);
      // Every second one is put behind the others, as a message is that fails again.
      if (Number(id) % 2 === 0) await broker.take('a', [seq], [message('a', id)]);
    }
    expect(shown).toEqual(range(1, 250));
    await eventually(harness, async () => expect(sorted(await browse(broker, 'a'))).toEqual(range(1, 250)));
  },
  async 'browse leaves the order as it is'({ broker, harness }) {
    await declare(broker, 'a');
    await broker.publish(numbered('a', 1, 250));
    for await (const { id, seq } of broker.browse('a')) if (id === '100') await broker.take('a', [seq], [message('a', id)]);
    const { all } = await collected(harness, broker, 'a', 250);
    expect(ids(all)).toEqual([...range(1, 99), ...range(101, 250), '100']);
  },
  async 'take removes what was browsed and leaves the replacement'({ broker, harness }) {
    await declare(broker, 'a', 'b');
    await broker.publish(numbered('a', 1, 6));
    await take(broker, 'a', ['2', '5'], [message('b', '2'), message('a', '7')]);
    await eventually(harness, async () => {
      expect(sorted(await browse(broker, 'a'))).toEqual(['1', '3', '4', '6', '7']);
      expect(ids(await browse(broker, 'b'))).toEqual(['2']);
      await expectInfo(broker, 'a', { ready: 5, bytes: 5 * bodyOf('1').length });
    });
    const { all } = await collect(broker, 'a');
    await eventually(harness, () => expect(sorted(all)).toEqual(['1', '3', '4', '6', '7']));
  },
  async 'take of something missing does nothing'({ broker, harness }) {
    await declare(broker, 'a', 'b');
    await broker.publish(numbered('a', 1, 3));
    const [first, second, third] = (await browse(broker, 'a')).map(({ seq }) => seq) as [string, string, string];
    const { all } = await collected(harness, broker, 'a', 1);
    await expect(broker.take('a', [second, first], [message('b', '1')])).rejects.toEqual(code('BROKER_MESSAGE_MISSING'));
    await expect(broker.take('a', [second, 'nonsense'], [message('b', '1')])).rejects.toEqual(code('BROKER_MESSAGE_MISSING'));
    await expect(broker.take('a', [second], [message('none', '1')])).rejects.toEqual(code('BROKER_QUEUE_MISSING'));
    await broker.take('a', [third]);
    await expect(broker.take('a', [third])).rejects.toEqual(code('BROKER_MESSAGE_MISSING'));
    await expectInfo(broker, 'b', { ready: 0, bytes: 0 });
    all[0]?.ack();
    await eventually(harness, async () => {
      expect(ids(all)).toEqual(['1', '2']);
      await expectInfo(broker, 'a', { ready: 0, unacked: 1 });
    });
  },
};

const ending: Record<string, Check> = {
  async 'what is not acked comes again after a restart'({ broker, harness }) {
    await declare(broker, 'a');
    await broker.publish(numbered('a', 1, 20));
    const tray = await collected(harness, broker, 'a', 7);
    tray.all[2]?.ack();
    tray.all[4]?.release();
    await arrive(harness, tray, 9);
    const again = await harness.restart(broker);
    await eventually(harness, () => expectInfo(again, 'a', { ready: 19, unacked: 0, consumers: 0 }));
    const after = await collect(again, 'a');
    await arrive(harness, after, 19);
    expect(sorted(after.all)).toEqual(range(1, 20).filter((id) => id !== '3'));
    expect(after.all.every(({ attempts }) => attempts === 0)).toBe(true);
  },
  async 'what is not acked comes again in order'({ broker, harness }) {
    await declare(broker, 'a');
    await broker.publish(numbered('a', 1, 20));
    const tray = await collected(harness, broker, 'a', 7);
    tray.all[2]?.ack();
    tray.all[4]?.release();
    await arrive(harness, tray, 9);
    const after = await collect(await harness.restart(broker), 'a');
    await eventually(harness, () => expect(ids(after.all)).toEqual(range(1, 20).filter((id) => id !== '3')));
  },
  async 'closing waits for what is in flight, then refuses and forgets'({ broker, harness }) {
    await declare(broker, 'a');
    await broker.publish(numbered('a', 1, 3));
    const { all } = await collected(harness, broker, 'a', 1);
    const states: string[] = [];
    const stop = broker.onState((state) => states.push(state));
    broker.onState((state) => states.push(`${state}!`));
    expect(broker.state).toBe('connected');
    const flying = broker.publish([message('a', '4')]);
    all[0]?.ack();
    stop();
    await Promise.all([broker.close(), broker.close()]);
    await flying;
    expect([broker.state, states]).toEqual(['closed', ['closed!']]);
    await expect(broker.publish([message('a', '5')])).rejects.toEqual(code('BROKER_CLOSED'));
    await expect(broker.queues()).rejects.toEqual(code('BROKER_CLOSED'));
    await expect(declare(broker, 'a')).rejects.toEqual(code('BROKER_CLOSED'));
    await expect(broker.consume('a', { prefetch: 1 }, () => {})).rejects.toEqual(code('BROKER_CLOSED'));
    const again = await harness.connect();
    expect(ids(await browse(again, 'a'))).toEqual(['2', '3', '4']);
  },
  async 'a delivery from before the end is worth nothing'({ broker, harness }) {
    await declare(broker, 'a');
    await broker.publish(numbered('a', 1, 2));
    const { all } = await collected(harness, broker, 'a', 2);
    const again = await harness.restart(broker);
    const after = await collect(again, 'a');
    await eventually(harness, () => expect(ids(after.all)).toEqual(['1', '2']));
    all[0]?.ack();
    all[1]?.retry(0);
    await harness.pass(50);
    expect(ids(after.all)).toEqual(['1', '2']);
    await expectInfo(again, 'a', { ready: 0, unacked: 2, delayed: 0 });
  },
};

const checks: Readonly<Record<string, Check>> = { ...order, ...settling, ...routing, ...single, ...looking, ...ending };
