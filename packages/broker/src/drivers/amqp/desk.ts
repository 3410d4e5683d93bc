import { BlockhubError } from '@blockhub/errors';
import type { Channel, ChannelModel } from 'amqplib';
import { missingQueue } from '../../checks.ts';
import { closeReason } from './close-reason.ts';
import { type Link, unavailable } from './link.ts';

/** What the server says with the end of a channel. */
const codes = { DENIED: 403, MISSING: 404, LOCKED: 405, MISMATCH: 406 } as const;

/** A refusal by the server: it ended the channel and nothing else. */
export const isRefusal = (error: unknown, refusal: keyof typeof codes): error is Error =>
  error instanceof Error && (error as { code?: unknown }).code === codes[refusal];

/** What a refused question about a queue means; anything else is the connection's fault. */
export function questionError(error: unknown, queue: string): BlockhubError {
  if (error instanceof BlockhubError) return error;
  if (isRefusal(error, 'MISSING')) return missingQueue(queue);
  const details = { queue };
  const said = closeReason(error);
  const text = said ? ` (${said.reply}: ${said.reason})` : '';
  const refused = (code: 'BROKER_QUEUE_MISMATCH' | 'BROKER_DENIED', why: string): BlockhubError =>
    new BlockhubError(code, `queue "${queue}" ${why}${text}`, {
      cause: error,
      details,
      fix: code === 'BROKER_DENIED' ? said?.fix : undefined,
    });
  if (isRefusal(error, 'LOCKED')) return refused('BROKER_QUEUE_MISMATCH', 'belongs to another connection, or is of another kind');
  if (isRefusal(error, 'MISMATCH')) return refused('BROKER_QUEUE_MISMATCH', 'is declared otherwise');
  if (isRefusal(error, 'DENIED')) return refused('BROKER_DENIED', 'may not be used by this user');
  return unavailable(`the broker did not answer${text}`, error);
}

/** Asks one question after the other on a channel of its own, because a question that is refused ends its channel with all that is on it. */
export class Desk {
  readonly #link: Link;
  #model: ChannelModel | undefined;
  #channel: Channel | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(link: Link) {
    this.#link = link;
  }

  /** BROKER_UNAVAILABLE, BROKER_CLOSED; else what the server says, see `questionError`. */
  ask<T>(question: (channel: Channel) => Promise<T>): Promise<T> {
    const answer = this.#last.then(async () => question(await this.#open()));
    this.#last = answer.catch(() => {});
    return answer;
  }

  async #open(): Promise<Channel> {
    const model = this.#link.model;
    if (this.#channel && this.#model === model) return this.#channel;
    const channel = await openChannel(model);
    channel.once('close', () => {
      if (this.#channel === channel) this.#channel = undefined;
    });
    this.#channel = channel;
    this.#model = model;
    return channel;
  }
}

/** A channel whose end is told by whoever waits for an answer on it. BROKER_UNAVAILABLE. */
export async function openChannel(model: ChannelModel): Promise<Channel> {
  try {
    const channel = await model.createChannel();
    channel.on('error', () => {});
    return channel;
  } catch (cause) {
    throw unavailable('no channel to the broker', cause);
  }
}
