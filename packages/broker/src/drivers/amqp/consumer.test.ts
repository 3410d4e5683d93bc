import { EventEmitter } from 'node:events';
import { VirtualClock } from '@blockhub/clock';
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import { closedBroker } from '../../checks.ts';
import type { Delivery, QueueDeclaration } from '../../types.ts';
import { AmqpConsumer, ChannelDeliveries, type ConsumerContext } from './consumer.ts';
import type { Topology } from './topology.ts';

/** A channel that accepts everything. */
class FakeChannel extends EventEmitter {
  most = 0;
  async prefetch(count: number): Promise<void> {
    this.most = count;
  }
  deliver: (message: ConsumeMessage | null) => void = () => {};
  async consume(_queue: string, deliver: FakeChannel['deliver']): Promise<{ consumerTag: string }> {
    this.deliver = deliver;
    return { consumerTag: 'tag' };
  }
  async close(): Promise<void> {
    this.emit('close');
  }
}

interface Given {
  readonly clock?: VirtualClock;
  readonly channel: FakeChannel;
  readonly log?: { warn(facts: object): void };
  model?(): void;
}

/** Everything that a consumer uses, on one channel. */
const contextOf = ({ clock = new VirtualClock(), channel, log, model = () => {} }: Given): ConsumerContext =>
  ({
    connection: {
      isOpen: false,
      get model() {
        model();
        return { createChannel: async () => channel } as unknown as ChannelModel;
      },
    },
    topology: { get: () => undefined, restore: async () => undefined, bindBack: async () => undefined },
    retries: {},
    clock,
    log,
  }) as unknown as ConsumerContext;

test('a consumer that begins while its broker is closed does not try again without end', async () => {
  const clock = new VirtualClock();
  const channel = new FakeChannel();
  let closed = false;
  let asked = 0;
  const model = (): void => {
    asked++;
    if (closed) throw closedBroker();
  };
  await new AmqpConsumer(contextOf({ clock, channel, model }), { queue: 'a', prefetch: 1, onDelivery: () => {} }).start();
  closed = true;
  channel.emit('close');
  await clock.advance(60_000);
  expect(asked).toBe(2);
});

test.each([
  [2000, 0],
  [2001, 1],
])('a prefetch of %i, when 2,000 are the maximum, warns %i times', async (prefetch, warnings) => {
  const channel = new FakeChannel();
  const warned: object[] = [];
  const log = { warn: (facts: object) => void warned.push(facts) };
  await new AmqpConsumer(contextOf({ channel, log }), { queue: 'a', prefetch, onDelivery: () => {} }).start();
  expect([channel.most, warned.length]).toEqual([2000, warnings]);
});

test('what is acked after the broker cancelled the consumer is not sent on its closing channel', async () => {
  const acks: unknown[] = [];
  const channel = Object.assign(new FakeChannel(), { ack: () => acks.push('ack'), close: () => new Promise<void>(() => {}) });
  const deliveries: Delivery[] = [];
  const onDelivery = (delivery: Delivery): unknown => deliveries.push(delivery);
  await new AmqpConsumer(contextOf({ channel }), { queue: 'a', prefetch: 2, onDelivery }).start();
  const message = { content: Buffer.from(''), properties: { headers: {}, messageId: '1' }, fields: { deliveryTag: 1 } };
  channel.deliver(message as unknown as ConsumeMessage);
  channel.deliver(null);
  deliveries[0]?.ack();
  await new Promise((resolve) => setImmediate(resolve));
  expect(acks).toEqual([]);
});

test('a queue whose declaration was dropped is declared again for its consumer', async () => {
  const clock = new VirtualClock();
  const channel = new FakeChannel();
  const declaration: QueueDeclaration = { name: 'a', kind: 'durable', deadLetterTo: 'dead-letter' };
  const restored: unknown[] = [];
  let known: QueueDeclaration | undefined = declaration;
  const topology = {
    get: () => known,
    restore: async (queue: unknown) => restored.push(queue),
    bindBack: async () => undefined,
  } as unknown as Topology;
  const consumer = new AmqpConsumer({ ...contextOf({ clock, channel }), topology }, { queue: 'a', prefetch: 1, onDelivery: () => {} });
  await consumer.start();
  known = undefined;
  for (let times = 1; times <= 2; times++) {
    channel.emit('close');
    await clock.advance(10_000);
    expect(restored).toEqual(Array(times).fill(declaration));
  }
});

describe('the deliveries of a channel', () => {
  let sent: string[];
  let held: Delivery[];
  let deliveries: ChannelDeliveries;

  beforeEach(() => {
    sent = [];
    held = [];
    const channel = {
      ack: ({ fields: { deliveryTag } }: ConsumeMessage, upTo = false) => sent.push(`${upTo ? 'all up to ' : ''}${deliveryTag}`),
      nack: ({ fields: { deliveryTag } }: ConsumeMessage) => sent.push(`back ${deliveryTag}`),
    };
    deliveries = new ChannelDeliveries(channel as unknown as Channel, {
      queue: 'a',
      clock: new VirtualClock(),
      onDelivery: (delivery) => held.push(delivery),
      retry: () => {},
      releaseByCopy: () => false,
      finished: () => sent.push('finished'),
    });
  });

  const take = (deliveryTag: number): void =>
    deliveries.add({ content: Buffer.from('x'), properties: {}, fields: { deliveryTag } } as unknown as ConsumeMessage);

  /** What the server gets in one turn in which these are acked. */
  function acked(...tags: number[]): string[] {
    for (const tag of tags) held[tag - 1]?.ack();
    deliveries.flush();
    return sent.splice(0).sort();
  }

  test('acks go as one where all before them are done, else one by one', () => {
    for (let tag = 1; tag <= 9; tag++) take(tag);
    expect(acked(3, 2)).toEqual(['2', '3']);
    expect(acked(1)).toEqual(['all up to 1']);
    expect(acked(5, 4, 7)).toEqual(['7', 'all up to 5']);
    held[5]?.release();
    expect(acked()).toEqual(['back 6']);
    expect(acked(8)).toEqual(['all up to 8']);
    deliveries.finish();
    expect(acked(9)).toEqual(['all up to 9', 'finished']);
  });

  test('one that is held for long makes the acks behind it no slower', () => {
    // If each flush went through all tags behind it, the test would end by its timeout.
    take(1);
    for (let tag = 2; tag <= 400_000; tag++) {
      take(tag);
      held.pop()?.ack();
      deliveries.flush();
    }
    expect(sent.length).toBe(399_999);
    sent = [];
    expect(acked(1)).toEqual(['all up to 1']);
  });
});
