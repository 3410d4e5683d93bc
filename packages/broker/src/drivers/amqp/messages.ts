import { BlockhubError } from '@blockhub/errors';
import type { MessageProperties, Options } from 'amqplib';
import type { Meta, MetaValue, Outgoing } from '../../types.ts';

/** Headers of our own. Meta names that begin alike, or that the broker would read itself, travel behind `escapedPrefix`. */
const own = 'blockhub-';
const attemptsHeader = `${own}attempts`;
const firstAtHeader = `${own}first-at`;
const seqHeader = `${own}seq`;
const escapedPrefix = `${own}meta-`;
const needsEscape = /^(?:CC|BCC|x-|blockhub-)/;
const isBrokers = /^(?:CC|BCC|x-)/;

/** What the driver itself keeps in a message. */
export interface Story {
  readonly attempts: number;
  readonly firstAt: number;
  /** Names the message for `take`; a copy made by a retry is the same message. */
  readonly seq: string;
}

/** One message on its way to an exchange. */
export interface Parcel {
  /** Named in errors. */
  readonly queue: string;
  readonly exchange: string;
  readonly key: string;
  readonly id: string;
  readonly seq: string;
  readonly body: Buffer;
  readonly options: Options.Publish;
  /** It may be lost: a full queue or none is no error. */
  readonly hint: boolean;
}

export interface Route {
  readonly exchange: string;
  /** False for queues that do not outlive this process. */
  readonly persistent: boolean;
}

export const direct: Route = { exchange: '', persistent: true };

/** Ready to be written. BROKER_MESSAGE_TOO_LARGE. */
export function parcelOf({ queue, id, meta, body, hint = false }: Outgoing, story: Story, maxBytes: number, route = direct): Parcel {
  if (body.length > maxBytes) throw tooLarge(queue, id, `its body has ${body.length} bytes, ${maxBytes} are taken`);
  const headers: Record<string, unknown> = { [firstAtHeader]: story.firstAt, [seqHeader]: story.seq };
  if (story.attempts > 0) headers[attemptsHeader] = story.attempts;
  for (const name in meta) {
    const value = meta[name] as MetaValue;
    headers[needsEscape.test(name) ? escapedPrefix + name : name] = typeof value === 'number' ? numberHeader(value) : value;
  }
  const options = { headers, messageId: id, mandatory: !hint, persistent: route.persistent && !hint };
  return { queue, exchange: route.exchange, key: queue, id, seq: story.seq, body, options, hint };
}

/** Whole numbers have types of their own in AMQP; left to itself amqplib takes some fractions and huge doubles for one, and loses the sign of -0. */
const numberHeader = (value: number): unknown => (Number.isSafeInteger(value) && !Object.is(value, -0) ? value : { '!': 'double', value });

export const tooLarge = (queue: string, id: string, why: string, cause?: unknown): BlockhubError =>
  new BlockhubError('BROKER_MESSAGE_TOO_LARGE', `message ${id.slice(0, 100)} for "${queue}" is too large: ${why}`, {
    cause,
    details: { queue },
  });

/** What came out of a queue, without its body. */
export interface Envelope extends Story {
  readonly id: string;
  readonly meta: Meta;
  /** How often it was delivered before and came back, as far as the broker counts that. */
  readonly comebacks: number;
}

/** Reads a message that came out of `queue`; `now` stands for what one of foreign origin does not say. */
export function readEnvelope(
  queue: string,
  { headers = {}, messageId }: Pick<MessageProperties, 'headers' | 'messageId'>,
  now: number,
): Envelope {
  const meta: Meta = {};
  for (const name in headers) {
    const value: unknown = headers[name];
    if (!isMetaValue(value)) continue;
    if (name.startsWith(own)) {
      if (name.startsWith(escapedPrefix)) meta[name.slice(escapedPrefix.length)] = value;
    } else if (!isBrokers.test(name)) meta[name] = value;
  }
  const tried = count(headers[attemptsHeader], 0);
  const firstAt = count(headers[firstAtHeader], now);
  const death = deathOf(headers['x-death'], queue);
  if (death) Object.assign(meta, death, { 'dead-attempts': tried + 1, 'dead-first-at': firstAt, 'dead-last-at': now });
  return {
    id: typeof messageId === 'string' ? messageId : '',
    meta,
    // A dead letter is new in its queue, as one that a worker publishes.
    attempts: death ? 0 : tried,
    firstAt,
    seq: seqOf(headers),
    comebacks: count(headers['x-delivery-count'], 0),
  };
}

export const seqOf = (headers: MessageProperties['headers']): string => String(headers?.[seqHeader] ?? '');

const isMetaValue = (value: unknown): value is MetaValue =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';

const count = (value: unknown, otherwise: number): number =>
  Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : otherwise;

/**
 * What the meta of a dead letter says, see `QueueDeclaration.deadLetterTo`, where the broker itself moved it to this queue. Its newest entry tells:
 * a message that waited for a retry has one too, and came to the queue where it belongs. Copies carry no older ones.
 */
function deathOf(deaths: unknown, queue: string): Meta | undefined {
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

/** An entry of `x-death`: the newest of them comes first. */
interface Death {
  readonly reason?: unknown;
  readonly queue?: unknown;
  readonly 'routing-keys'?: readonly unknown[];
}
