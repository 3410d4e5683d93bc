import type { QueueDeclaration } from '../../types.ts';

/** So often may a message come back without an ack before it goes to the dead letters: more than a bad day, fewer than for ever. */
export const DELIVERY_LIMIT = 200;
/** Where nothing takes the dead, a message must never die; -1 is not known before RabbitMQ 4, and absent means 20 there. */
const NO_LIMIT = 2 ** 31 - 1;
/** How many nodes keep a durable queue; where there are fewer, all of them. */
const MEMBERS = 3;

export type Arguments = Record<string, string | number | boolean>;

/** Every argument explicit, so that all versions of RabbitMQ behave alike. */
export function argumentsOf({ kind, singleActive, maxMessages, maxBytes, deadLetterTo }: QueueDeclaration): Arguments {
  return {
    'x-queue-type': kind === 'durable' ? 'quorum' : 'classic',
    'x-overflow': 'reject-publish',
    ...(kind === 'durable' && placement),
    ...(kind === 'durable' && { 'x-delivery-limit': deadLetterTo === undefined ? NO_LIMIT : DELIVERY_LIMIT }),
    ...(kind === 'durable' && deadLetterTo !== undefined && deadLetters('', deadLetterTo)),
    ...(singleActive && { 'x-single-active-consumer': true }),
    ...(maxMessages !== undefined && { 'x-max-length': maxMessages }),
    ...(maxBytes !== undefined && { 'x-max-length-bytes': maxBytes }),
  };
}

/** Left to each version, leaders gather on the node that services are connected to. */
export const placement: Arguments = { 'x-quorum-initial-group-size': MEMBERS, 'x-queue-leader-locator': 'balanced' };

/** A message leaves its queue only when it is safe in the next one. */
export const deadLetters = (exchange: string, key?: string): Arguments => ({
  'x-dead-letter-exchange': exchange,
  ...(key !== undefined && { 'x-dead-letter-routing-key': key }),
  'x-dead-letter-strategy': 'at-least-once',
});

/** Shown in lists of queues of the broker; not queues of anybody's work. */
export const delayPrefix = 'blockhub.delay.';
/** Brings what waited back to its queue; what has none any more goes on to `lostExchange`. */
export const backExchange = 'blockhub.back';
export const lostExchange = 'blockhub.lost';
