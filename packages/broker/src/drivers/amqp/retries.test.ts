import { VirtualClock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import { expect, test } from '@jest/globals';
import type { Channel, ConsumeMessage } from 'amqplib';
import type { Delivery } from '../../types.ts';
import { Intake } from './intake.ts';
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

test('what finds no room for its copy comes again from here, at its time, and is acked once', async () => {
  const clock = new VirtualClock();
  let tries = 0;
  const send = async (): Promise<void> => {
    tries++;
    throw new BlockhubError('BROKER_QUEUE_FULL', 'full');
  };
  const parts = { clock, log: undefined, publisher: { send }, topology: { declareDelay: async () => 'delay' } };
  const retries = new Retries(parts as unknown as RetriesParts);
  const acked: unknown[] = [];
  const came: [attempts: number, at: number][] = [];
  const began = clock.ticks();
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
  expect(came.map(([attempts]) => attempts)).toEqual([0, 1, 2]);
  for (const [attempts, at] of came) expect(at).toBeGreaterThanOrEqual(attempts * 3_500);
  expect([acked, tries]).toEqual([[1], 8]);
});
