import type { MessageProperties, Options } from 'amqplib';
import type { Meta, MetaValue, Outgoing } from '../../types.ts';
import { tooLarge } from './errors.ts';

/** Headers of the driver. Meta names that look like them, or like RabbitMQ's, are escaped. */
const own = 'blockhub-';
const attemptsHeader = `${own}attempts`;
const firstAtHeader = `${own}first-at`;
const seqHeader = `${own}seq`;
const escapedPrefix = `${own}meta-`;
const needsEscape = /^(?:CC|BCC|x-|blockhub-)/;
const isBrokers = /^(?:CC|BCC|x-)/;

export interface DriverHeaders {
  readonly attempts: number;
  readonly firstAt: number;
  /** Names the message for `take`. A copy for a retry has the same. */
  readonly seq: string;
}

export interface EncodedMessage {
  /** Named in errors. */
  readonly queue: string;
  readonly exchange: string;
  readonly routingKey: string;
  readonly id: string;
  readonly seq: string;
  readonly body: Buffer;
  readonly options: Options.Publish;
  /** If true, the message may be lost: a full or missing queue is not an error. */
  readonly hint: boolean;
}

export interface Route {
  readonly exchange: string;
  /** False for queues that end with this process. */
  readonly persistent: boolean;
}

/** To the queue itself, by the default exchange. */
export const direct: Route = { exchange: '', persistent: true };

/** BROKER_MESSAGE_TOO_LARGE */
export function encodeMessage(
  { queue, id, meta, body, hint = false }: Outgoing,
  { attempts, firstAt, seq }: DriverHeaders,
  maxBytes: number,
  route = direct,
): EncodedMessage {
  if (body.length > maxBytes) throw tooLarge(queue, id, `its body has ${body.length} bytes, the limit is ${maxBytes}`);
  const headers: Record<string, unknown> = { [firstAtHeader]: firstAt, [seqHeader]: seq };
  if (attempts > 0) headers[attemptsHeader] = attempts;
  for (const name in meta) {
    const value = meta[name] as MetaValue;
    headers[needsEscape.test(name) ? escapedPrefix + name : name] = typeof value === 'number' ? numberHeader(value) : value;
  }
  const options = { headers, messageId: id, mandatory: !hint, persistent: route.persistent && !hint };
  return { queue, exchange: route.exchange, routingKey: queue, id, seq, body, options, hint };
}

/** amqplib sends some fractions and huge numbers as integers, and loses the sign of -0. */
const numberHeader = (value: number): unknown => (Number.isSafeInteger(value) && !Object.is(value, -0) ? value : { '!': 'double', value });

/** A message from a queue, without its body. */
export interface DecodedMessage extends DriverHeaders {
  readonly id: string;
  readonly meta: Meta;
  /** How often it was delivered before and went back, as far as the broker counts that. */
  readonly redeliveries: number;
}

/** The message of another program has no driver headers: its `firstAt` is `now`. */
export function decodeMessage(
  queue: string,
  { headers = {}, messageId }: Pick<MessageProperties, 'headers' | 'messageId'>,
  now: number,
): DecodedMessage {
  const meta: Meta = {};
  for (const name in headers) {
    const value: unknown = headers[name];
    if (!isMetaValue(value)) continue;
    if (name.startsWith(own)) {
      if (name.startsWith(escapedPrefix)) meta[name.slice(escapedPrefix.length)] = value;
    } else if (!isBrokers.test(name)) meta[name] = value;
  }
  const attempts = count(headers[attemptsHeader], 0);
  const firstAt = count(headers[firstAtHeader], now);
  const dead = deadLetterMeta(headers['x-death'], queue);
  if (dead) Object.assign(meta, dead, { 'dead-attempts': attempts + 1, 'dead-first-at': firstAt, 'dead-last-at': now });
  return {
    id: typeof messageId === 'string' ? messageId : '',
    meta,
    // A dead letter is new in its queue, like one that a worker publishes.
    attempts: dead ? 0 : attempts,
    firstAt,
    seq: seqOf(headers),
    redeliveries: count(headers['x-delivery-count'], 0),
  };
}

export const seqOf = (headers: MessageProperties['headers']): string => String(headers?.[seqHeader] ?? '');

const isMetaValue = (value: unknown): value is MetaValue =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';

const count = (value: unknown, otherwise: number): number =>
  Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : otherwise;

/** An entry of the header `x-death`. */
interface Death {
  readonly reason?: unknown;
  readonly queue?: unknown;
  readonly 'routing-keys'?: readonly unknown[];
}

/**
 * The meta of a dead letter that the broker moved to `queue`. The newest entry of `x-death` is
 * first. A message that returned from a delay queue has an entry too, but it is in its own queue.
 */
function deadLetterMeta(deaths: unknown, queue: string): Meta | undefined {
  const newest = (Array.isArray(deaths) ? deaths[0] : undefined) as Death | undefined;
  if (!newest) return undefined;
  const waited = newest.reason === 'expired';
  const from = String((waited ? newest['routing-keys']?.[0] : newest.queue) ?? '');
  if (from === queue) return undefined;
  return {
    'dead-code': waited ? 'BROKER_QUEUE_MISSING' : 'DELIVERIES_EXHAUSTED',
    'dead-message': waited
      ? 'its queue was deleted while it waited for a retry'
      : 'its consumers died or lost their connection again and again',
    'dead-queue': from,
  };
}
