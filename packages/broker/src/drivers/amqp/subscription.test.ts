import { EventEmitter } from 'node:events';
import { VirtualClock } from '@blockhub/clock';
import { expect, test } from '@jest/globals';
import type { ChannelModel, ConsumeMessage } from 'amqplib';
import { closedBroker } from '../../checks.ts';
import type { Delivery, QueueDeclaration } from '../../types.ts';
import { Subscription, type SubscriptionParts } from './subscription.ts';
import type { Topology } from './topology.ts';

/** A channel that takes everything. */
class Channel extends EventEmitter {
  most = 0;
  async prefetch(count: number): Promise<void> {
    this.most = count;
  }
  deliver: (message: ConsumeMessage | null) => void = () => {};
  async consume(_queue: string, deliver: Channel['deliver']): Promise<{ consumerTag: string }> {
    this.deliver = deliver;
    return { consumerTag: 'tag' };
  }
  async close(): Promise<void> {
    this.emit('close');
  }
}

interface Trouble {
  readonly clock?: VirtualClock;
  readonly channel: Channel;
  readonly log?: { warn(facts: object): void };
  model?(): void;
}

/** All that a subscription needs, on one channel. */
const partsOf = ({ clock = new VirtualClock(), channel, log, model = () => {} }: Trouble): SubscriptionParts =>
  ({
    link: {
      up: false,
      get model() {
        model();
        return { createChannel: async () => channel } as unknown as ChannelModel;
      },
    },
    desk: { ask: async () => undefined },
    topology: { get: () => undefined, restore: async () => undefined },
    retries: {},
    clock,
    log,
  }) as unknown as SubscriptionParts;

test('a consumer that begins while its broker is closed does not try again for ever', async () => {
  const clock = new VirtualClock();
  const channel = new Channel();
  let closed = false;
  let asked = 0;
  const model = (): void => {
    asked++;
    if (closed) throw closedBroker();
  };
  await new Subscription(partsOf({ clock, channel, model }), { queue: 'a', prefetch: 1, onDelivery: () => {} }).start();
  closed = true;
  channel.emit('close');
  await clock.advance(60_000);
  expect(asked).toBe(2);
});

test.each([
  [2000, 0],
  [2001, 1],
])('a prefetch of %i, where 2,000 are given, warns %i times', async (prefetch, warnings) => {
  const channel = new Channel();
  const warned: object[] = [];
  const log = { warn: (facts: object) => void warned.push(facts) };
  await new Subscription(partsOf({ channel, log }), { queue: 'a', prefetch, onDelivery: () => {} }).start();
  expect([channel.most, warned.length]).toEqual([2000, warnings]);
});

test('what is acked after the broker cancelled the consumer is not told to its closing channel', async () => {
  const acks: unknown[] = [];
  const channel = Object.assign(new Channel(), { ack: () => acks.push('ack'), close: () => new Promise<void>(() => {}) });
  const deliveries: Delivery[] = [];
  const onDelivery = (delivery: Delivery): unknown => deliveries.push(delivery);
  await new Subscription(partsOf({ channel }), { queue: 'a', prefetch: 2, onDelivery }).start();
  const message = { content: Buffer.from(''), properties: { headers: {}, messageId: '1' }, fields: { deliveryTag: 1 } };
  channel.deliver(message as unknown as ConsumeMessage);
  channel.deliver(null);
  deliveries[0]?.ack();
  await new Promise((resolve) => setImmediate(resolve));
  expect(acks).toEqual([]);
});

test('a queue that its process has forgotten is declared again for its consumer', async () => {
  const clock = new VirtualClock();
  const channel = new Channel();
  const declaration: QueueDeclaration = { name: 'a', kind: 'durable', deadLetterTo: 'dead-letter' };
  const restored: unknown[] = [];
  let known: QueueDeclaration | undefined = declaration;
  const topology = { get: () => known, restore: async (queue: unknown) => restored.push(queue) } as unknown as Topology;
  const subscription = new Subscription({ ...partsOf({ clock, channel }), topology }, { queue: 'a', prefetch: 1, onDelivery: () => {} });
  await subscription.start();
  known = undefined;
  for (let times = 1; times <= 2; times++) {
    channel.emit('close');
    await clock.advance(10_000);
    expect(restored).toEqual(Array(times).fill(declaration));
  }
});
