import { VirtualClock } from '@blockhub/clock';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type Channel, type ChannelModel, connect } from 'amqplib';
import { DelayWatch } from './delay-watch.ts';
import type { Desk } from './desk.ts';
import { Bench, onRabbit } from './server.fixture.ts';
import { collect, eventually, listen, numbered } from './trays.fixture.ts';

/** A queue at rest: what is ready at each look, and what one that takes from it finds. */
class Asked {
  readonly clock = new VirtualClock();
  readonly log = listen();
  readonly looks: number[] = [];
  readonly nacks: unknown[] = [];
  ready: () => number = () => 0;
  left: (() => number) | undefined;
  readonly watch = new DelayWatch({ desk: this as unknown as Desk, clock: this.clock, log: this.log });
  readonly #began = this.clock.ticks();

  ask<T>(question: (channel: Channel) => Promise<T>): Promise<T> {
    return question(this as unknown as Channel);
  }
  async checkQueue(): Promise<object> {
    this.looks.push(this.clock.ticks() - this.#began);
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

describe('the watch over delays', () => {
  let asked: Asked;
  beforeEach(() => {
    asked = new Asked();
  });

  test('looks once behind the last retry, and no more where nothing is ready', async () => {
    asked.watch.used('delay', 1_000);
    await asked.clock.advance(4_000);
    asked.watch.used('delay', 1_000);
    await asked.clock.advance(60_000);
    expect(asked.looks).toEqual([10_000]);
    asked.watch.used('delay', 1_000);
    await asked.clock.advance(60_000);
    expect(asked.looks).toEqual([10_000, 70_000]);
  });

  test('moves a queue that stands still, and says so once', async () => {
    asked.ready = () => (asked.looks.length < 3 ? 131 : 1);
    asked.left = () => 1;
    asked.watch.used('delay', 1_000);
    await asked.clock.advance(60_000);
    expect(asked.looks).toEqual([6_000, 11_000, 21_000, 41_000]);
    expect(asked.nacks).toEqual(Array(3).fill([{ fields: { messageCount: 0 } }, false, true]));
    expect(asked.log.lines).toEqual(['retries stood still in the broker, and go on {"queue":"delay","messages":130} ']);
  });

  test('leaves alone what moves by itself', async () => {
    asked.ready = () => 100 - asked.looks.length;
    asked.watch.used('delay', 1_000);
    await asked.clock.advance(60_000);
    expect(asked.looks.length).toBe(4);
    expect([asked.nacks, asked.log.lines]).toEqual([[], []]);
  });

  test.each([
    [403, 1],
    [404, 1],
    [320, 4],
  ])('a refusal ends it without a word, a broker that is away does not (%i)', async (code, looks) => {
    asked.ready = () => {
      throw Object.assign(new Error('no'), { code });
    };
    asked.watch.used('delay', 1_000);
    await asked.clock.advance(60_000);
    expect([asked.looks.length, asked.log.lines]).toEqual([looks, []]);
  });

  test('ends with its broker', async () => {
    asked.watch.used('delay', 1_000);
    asked.watch.close();
    await asked.clock.advance(60_000);
    expect(asked.looks).toEqual([]);
  });
});

await onRabbit('the watch over delays on RabbitMQ', (server) => {
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

  // A queue that stands still cannot be made: nobody knows how RabbitMQ loses its timer.
  test('a look at a queue of RabbitMQ changes neither count, order nor time of what waits there', async () => {
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
    const ask = async <T>(question: (channel: Channel) => Promise<T>): Promise<T> => {
      const answer = await question(channel);
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
    const watch = new DelayWatch({ desk: { ask }, clock, log });
    watch.used(queue, 0);
    // Waits that began anew by a look would end behind that of the last message, which begins behind it.
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
