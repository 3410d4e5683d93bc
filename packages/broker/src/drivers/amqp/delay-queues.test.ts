import { VirtualClock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type Channel, type ChannelModel, type ConsumeMessage, connect } from 'amqplib';
import type { Delivery } from '../../types.ts';
import { ChannelDeliveries } from './consumer.ts';
import { type CopiedDelivery, DelayWatch, Retries, type RetriesOptions } from './delay-queues.ts';
import { collect, eventually, listen, numbered } from './deliveries.fixture.ts';
import { Bench, onRabbit } from './server.fixture.ts';

const delivery = {
  queue: 'a',
  id: '1',
  meta: {},
  body: Buffer.from(''),
  attempts: 0,
  message: { firstAt: 0, seq: 's' },
  alive: true,
  copied: () => {},
};

test.each([
  [0, 128],
  [128, 128],
  [128.5, 256],
  [1_000, 1_024],
  [60_000, 65_536],
  [2 ** 40, 2 ** 31],
  [Number.POSITIVE_INFINITY, 2 ** 31],
])('a retry after %p ms is stored in the queue of %p ms, and the queue is watched', async (afterMs, delayMs) => {
  const clock = new VirtualClock();
  const watched: [queue: string, delayMs: number][] = [];
  const watch = { used: (queue: string, ms: number) => watched.push([queue, ms]) };
  const topology = { declareDelay: async (ms: number) => `delay.${ms}` };
  const publisher = { send: async () => undefined };
  const retries = new Retries({ clock, log: undefined, publisher, topology, watch } as unknown as RetriesOptions);
  retries.retry(delivery as unknown as CopiedDelivery, afterMs, false);
  await clock.advance(0);
  expect(watched).toEqual([[`delay.${delayMs}`, delayMs]]);
});

test.each([
  ['BROKER_QUEUE_FULL', [4096, 512]],
  ['BROKER_QUEUE_MISSING', [4096, 4096, 512, 4096, 4096, 512]],
] as const)(
  'what cannot be stored (%s) is tried less and less often, is delivered again from this process when it is due, and is acked once',
  async (why, declares) => {
    const clock = new VirtualClock();
    const declared: number[] = [];
    const tries: number[] = [];
    const began = clock.ticks();
    const send = async (): Promise<void> => {
      tries.push(clock.ticks() - began);
      throw new BlockhubError(why, 'no');
    };
    const declareDelay = async (delayMs: number): Promise<string> => `delay ${declared.push(delayMs)}`;
    const retries = new Retries({ clock, log: undefined, publisher: { send }, topology: { declareDelay } } as unknown as RetriesOptions);
    const acked: unknown[] = [];
    const came: [attempts: number, at: number][] = [];
    const deliveries = new ChannelDeliveries(
      { ack: ({ fields }: ConsumeMessage) => acked.push(fields.deliveryTag) } as unknown as Channel,
      {
        queue: 'a',
        clock,
        onDelivery(delivery: Delivery) {
          came.push([delivery.attempts, clock.ticks() - began]);
          if (delivery.attempts < 2) delivery.retry(3_500);
          else delivery.ack();
        },
        retry: (delivery, afterMs) => retries.retry(delivery, afterMs, false),
        releaseByCopy: () => false,
        finished: () => {},
      },
    );
    deliveries.add({ content: Buffer.from('x'), properties: { messageId: '1' }, fields: { deliveryTag: 1 } } as ConsumeMessage);
    await clock.advance(20_000);
    deliveries.flush();
    expect(came).toEqual([
      [0, 0],
      [1, 3_500],
      [2, 7_000],
    ]);
    expect(tries).toEqual([0, 1_000, 3_000, 3_500, 4_500, 6_500]);
    expect(declared).toEqual(declares);
    expect(acked).toEqual([1]);
  },
);

/** A queue: `ready` is its count at each check, `left` the count that a get finds. */
class FakeQueue {
  readonly clock = new VirtualClock();
  readonly log = listen();
  readonly checks: number[] = [];
  readonly nacks: unknown[] = [];
  ready: () => number = () => 0;
  left: (() => number) | undefined;
  readonly watch = new DelayWatch({ control: this, clock: this.clock, log: this.log });
  readonly #began = this.clock.ticks();

  request<T>(run: (channel: Channel) => Promise<T>): Promise<T> {
    return run(this as unknown as Channel);
  }
  async checkQueue(): Promise<object> {
    this.checks.push(this.clock.ticks() - this.#began);
    return { messageCount: this.ready() };
  }
  async get(): Promise<object | false> {
    const left = (this.left ?? this.ready)();
    return left > 0 && { fields: { messageCount: left - 1 } };
  }
  nack(...args: unknown[]): void {
    this.nacks.push(args);
  }
}

describe('the watch over delay queues', () => {
  let queue: FakeQueue;
  beforeEach(() => {
    queue = new FakeQueue();
  });

  test('checks once after the last retry, and no more if nothing is ready', async () => {
    queue.watch.used('delay', 1_000);
    await queue.clock.advance(4_000);
    queue.watch.used('delay', 1_000);
    await queue.clock.advance(60_000);
    expect(queue.checks).toEqual([10_000]);
    queue.watch.used('delay', 1_000);
    await queue.clock.advance(60_000);
    expect(queue.checks).toEqual([10_000, 70_000]);
  });

  test('moves a queue that stands still, and logs it once', async () => {
    queue.ready = () => (queue.checks.length < 3 ? 131 : 1);
    queue.left = () => 1;
    queue.watch.used('delay', 1_000);
    await queue.clock.advance(60_000);
    expect(queue.checks).toEqual([6_000, 11_000, 21_000, 41_000]);
    expect(queue.nacks).toEqual(Array(3).fill([{ fields: { messageCount: 0 } }, false, true]));
    expect(queue.log.lines).toEqual(['retries stood still in the broker and go on now {"queue":"delay","messages":130} ']);
  });

  test('changes nothing in a queue that moves by itself', async () => {
    queue.ready = () => 100 - queue.checks.length;
    queue.watch.used('delay', 1_000);
    await queue.clock.advance(60_000);
    expect(queue.checks.length).toBe(4);
    expect([queue.nacks, queue.log.lines]).toEqual([[], []]);
  });

  test.each([
    [403, 1],
    [404, 1],
    [320, 4],
  ])('a refusal ends it without a log line, a broker that cannot be reached does not (%i)', async (code, checks) => {
    queue.ready = () => {
      throw Object.assign(new Error('no'), { code });
    };
    queue.watch.used('delay', 1_000);
    await queue.clock.advance(60_000);
    expect([queue.checks.length, queue.log.lines]).toEqual([checks, []]);
  });

  test('ends with its broker', async () => {
    queue.watch.used('delay', 1_000);
    queue.watch.close();
    await queue.clock.advance(60_000);
    expect(queue.checks).toEqual([]);
  });
});

await onRabbit('the watch over delay queues on RabbitMQ', (server) => {
  const bench = new Bench(server);
  let model: ChannelModel;
  beforeAll(async () => {
    await bench.open();
    model = await connect(`${server.url}/${bench.vhost}`);
  });
  afterAll(async () => {
    await model.close();
    await bench.close();
  });

  // A queue that stands still cannot be made: it is unknown how RabbitMQ loses its timer.
  test('a check of a queue of RabbitMQ changes neither count, order nor time of what waits there', async () => {
    const broker = await bench.connect();
    await broker.declare([{ name: 'a', kind: 'durable' }]);
    await broker.publish(numbered('a', 1, 4));
    const waits: Record<string, number> = { 1: 8_000, 2: 8_000, 3: 8_000, 4: 4_000 };
    const began = performance.now();
    const { all, ids } = await collect(broker, 'a', 1, (delivery) => {
      if (delivery.attempts > 0) delivery.ack();
      else if (delivery.id !== '4') delivery.retry(waits[delivery.id] as number);
    });
    const queue = 'blockhub.delay.8192';
    const ready = async (): Promise<number | undefined> => (await broker.queues([queue]))[0]?.ready;
    await eventually(async () => expect([all.length, await ready()]).toEqual([4, 3]));
    const clock = new VirtualClock();
    const channel = await model.createChannel();
    const seen: unknown[] = [];
    const request = async <T>(run: (channel: Channel) => Promise<T>): Promise<T> => {
      const answer = await run(channel);
      seen.push(answer);
      return answer;
    };
    const get = channel.get.bind(channel);
    const gets: unknown[] = [];
    channel.get = async (...args) => {
      const found = await get(...args);
      if (found) gets.push(found.properties.messageId);
      return found;
    };
    const log = listen();
    const watch = new DelayWatch({ control: { request }, clock, log });
    watch.used(queue, 0);
    // Waits that began anew by a look would end behind that of the last message, which begins
    // behind it.
    await eventually(() => expect(performance.now() - began).toBeGreaterThan(4_500));
    for (const [before, ms] of [5_000, 5_000, 10_000, 20_000, 40_000].entries()) {
      await clock.advance(ms);
      await eventually(() => expect(seen.length).toBe(before + 1));
      await eventually(async () => expect(await ready()).toBe(3));
    }
    expect(gets).toEqual(['1', '1', '1', '1']);
    watch.close();
    all[3]?.retry(waits[4] as number);
    await eventually(() => expect(ids().slice(4)).toEqual(['1', '2', '3', '4']));
    expect([seen, log.lines]).toEqual([[3, 3, 3, 3, 3], []]);
  });
});
