import { EventEmitter } from 'node:events';
import { VirtualClock } from '@blockhub/clock';
import { expect, test } from '@jest/globals';
import type { ChannelModel } from 'amqplib';
import { closedBroker } from '../../checks.ts';
import { Subscription, type SubscriptionParts } from './subscription.ts';

/** A channel that takes everything. */
class Channel extends EventEmitter {
  async prefetch(): Promise<void> {}
  async consume(): Promise<{ consumerTag: string }> {
    return { consumerTag: 'tag' };
  }
  async close(): Promise<void> {
    this.emit('close');
  }
}

test('a consumer that begins while its broker is closed does not try again for ever', async () => {
  const clock = new VirtualClock();
  const channel = new Channel();
  let closed = false;
  let asked = 0;
  const link = {
    up: false,
    get model() {
      asked++;
      if (closed) throw closedBroker();
      return { createChannel: async () => channel } as unknown as ChannelModel;
    },
  };
  const parts = {
    link,
    desk: { ask: async () => undefined },
    topology: { get: () => undefined, restore: async () => undefined },
    retries: {},
    clock,
    log: undefined,
  } as unknown as SubscriptionParts;
  await new Subscription(parts, { queue: 'a', prefetch: 1, onDelivery: () => {} }).start();
  closed = true;
  channel.emit('close');
  await clock.advance(60_000);
  expect(asked).toBe(2);
});
