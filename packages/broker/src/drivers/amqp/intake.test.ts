import { VirtualClock } from '@blockhub/clock';
import { beforeEach, expect, test } from '@jest/globals';
import type { Channel, ConsumeMessage } from 'amqplib';
import type { Delivery } from '../../types.ts';
import { Intake } from './intake.ts';

let told: string[];
let held: Delivery[];
let intake: Intake;

beforeEach(() => {
  told = [];
  held = [];
  const channel = {
    ack: ({ fields: { deliveryTag } }: ConsumeMessage, upTo = false) => told.push(`${upTo ? 'all up to ' : ''}${deliveryTag}`),
    nack: ({ fields: { deliveryTag } }: ConsumeMessage) => told.push(`back ${deliveryTag}`),
  };
  intake = new Intake(channel as unknown as Channel, {
    queue: 'a',
    clock: new VirtualClock(),
    onDelivery: (delivery) => held.push(delivery),
    retry: () => {},
    releaseByCopy: () => false,
    finished: () => told.push('finished'),
  });
});

const take = (deliveryTag: number): void =>
  intake.take({ content: Buffer.from('x'), properties: {}, fields: { deliveryTag } } as unknown as ConsumeMessage);

/** What the server is told of one turn in which these are acked. */
function acked(...tags: number[]): string[] {
  for (const tag of tags) held[tag - 1]?.ack();
  intake.flush();
  return told.splice(0).sort();
}

test('acks go as one where all before them are done, else one by one', () => {
  for (let tag = 1; tag <= 9; tag++) take(tag);
  expect(acked(3, 2)).toEqual(['2', '3']);
  expect(acked(1)).toEqual(['all up to 1']);
  expect(acked(5, 4, 7)).toEqual(['7', 'all up to 5']);
  held[5]?.release();
  expect(acked()).toEqual(['back 6']);
  expect(acked(8)).toEqual(['all up to 8']);
  intake.finish();
  expect(acked(9)).toEqual(['all up to 9', 'finished']);
});

test('one that is held for long makes the acks behind it no slower', () => {
  // Whoever goes through all behind it each time would not end before the test is given up.
  take(1);
  for (let tag = 2; tag <= 400_000; tag++) {
    take(tag);
    held.pop()?.ack();
    intake.flush();
  }
  expect(told.length).toBe(399_999);
  told = [];
  expect(acked(1)).toEqual(['all up to 1']);
});
