import { VirtualClock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import { expect, test } from '@jest/globals';
import type { Channel, ConsumeMessage } from 'amqplib';
import type { Delivery } from '../../types.ts';
import { type AmqpDelivery, Intake } from './intake.ts';
import { delayOf, Retries, type RetriesParts } from './retries.ts';

test.each([
  [0, 128],
  [128, 128],
  [128.5, 256],
  [1_000, 1_024],
  [60_000, 65_536],
  [2 ** 40, 2 ** 31],
  [Number.POSITIVE_INFINITY, 2 ** 31],
])('a retry after %p ms waits %p', (afterMs, delayMs) => {
  expect(delayOf(afterMs)).toBe(delayMs);
});

test.each([
  ['BROKER_QUEUE_FULL', [4096, 512]],
  ['BROKER_QUEUE_MISSING', [4096, 4096, 512, 4096, 4096, 512]],
] as const)(
  'what cannot be stored (%s) is tried less and less often, comes again from here at its time, and is acked once',
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
    const retries = new Retries({ clock, log: undefined, publisher: { send }, topology: { declareDelay } } as unknown as RetriesParts);
    const acked: unknown[] = [];
    const came: [attempts: number, at: number][] = [];
    const intake = new Intake({ ack: ({ fields }: ConsumeMessage) => acked.push(fields.deliveryTag) } as unknown as Channel, {
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
    });
    intake.take({ content: Buffer.from('x'), properties: { messageId: '1' }, fields: { deliveryTag: 1 } } as ConsumeMessage);
    await clock.advance(20_000);
    intake.flush();
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

test('a stored retry is watched, in the queue of its delay', async () => {
  const clock = new VirtualClock();
  const watched: [queue: string, delayMs: number][] = [];
  const watch = { used: (queue: string, delayMs: number) => watched.push([queue, delayMs]) };
  const topology = { declareDelay: async (delayMs: number) => `delay.${delayMs}` };
  const publisher = { send: async () => undefined };
  const retries = new Retries({ clock, log: undefined, publisher, topology, watch } as unknown as RetriesParts);
  const message = { firstAt: 0, seq: 's' };
  const delivery = { queue: 'a', id: '1', meta: {}, body: Buffer.from(''), attempts: 0, message, alive: true, copied: () => {} };
  retries.retry(delivery as unknown as AmqpDelivery, 3_500, false);
  await clock.advance(0);
  expect(watched).toEqual([['delay.4096', 4096]]);
});
