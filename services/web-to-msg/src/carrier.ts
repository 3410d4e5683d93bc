import type { Broker, Outgoing } from '@blockhub/broker';
import type { Clock } from '@blockhub/clock';
import { BlockhubError, hasCode, isTransient } from '@blockhub/errors';
import type { Store } from '@blockhub/store';
import { type Context, publishInSpans } from '@blockhub/worker';
import { within } from './within.ts';

/** Told of work that holds a body, and may go on behind an answer that would not wait. */
export type Keeps = (work: Promise<unknown>) => void;

export interface CarrierParts {
  readonly broker: Broker;
  readonly store: Store;
  readonly clock: Clock;
  /** Where traces are recorded. */
  readonly tracing?: Context['tracing'];
}

const EMPTY = Buffer.alloc(0);

/** Its body is to lie at a key of the store and not to travel. */
export const isLarge = ({ meta, body }: Outgoing): boolean => meta.at !== undefined && body.length > 0;

/**
 * Brings messages to where they are safe, large bodies to the store before the messages that refer to them. Waits until `end`, in ticks. Errors are
 * those of broker and store, and CAPTURE_UNCONFIRMED.
 */
export class Carrier {
  readonly #parts: CarrierParts;
  #storeAway = false;

  constructor(parts: CarrierParts) {
    this.#parts = parts;
  }

  /** The last large body could not be stored, and may the next time. */
  get storeAway(): boolean {
    return this.#storeAway;
  }

  /** The messages without their large bodies, which are in the store. */
  async store(messages: readonly Outgoing[], end: number, keeps?: Keeps): Promise<readonly Outgoing[]> {
    if (!messages.some(isLarge)) return messages;
    return Promise.all(messages.map((message) => (isLarge(message) ? this.#storeBody(message, end, keeps) : message)));
  }

  /** Resolves when every message is confirmed. Nothing may be large any more. */
  publish(messages: readonly Outgoing[], end: number, keeps?: Keeps): Promise<void> {
    const { broker, clock, tracing } = this.#parts;
    const publish = (all: readonly Outgoing[]): Promise<void> => broker.publish(all).catch(untilQueueIsThere);
    const publishing = tracing ? publishInSpans(tracing, messages, publish) : publish(messages);
    keeps?.(publishing);
    return within(clock, end, publishing, 'broker');
  }

  async #storeBody(message: Outgoing, end: number, keeps: Keeps | undefined): Promise<Outgoing> {
    const { store, clock } = this.#parts;
    // What lies there must be the body: a damaged object taken for it would lose it.
    const storing = store.keep(String(message.meta.at), message.body);
    keeps?.(storing);
    try {
      await within(clock, end, storing, 'store');
      this.#storeAway = false;
    } catch (error) {
      this.#storeAway = isTransient(error);
      throw error;
    }
    return { ...message, body: EMPTY };
  }
}

/** The queues were there at the start: one that was deleted since is the broker's trouble, which passes, and not the sender's. */
function untilQueueIsThere(cause: unknown): never {
  if (!hasCode(cause, 'BROKER_QUEUE_MISSING')) throw cause;
  throw new BlockhubError('BROKER_UNAVAILABLE', `${cause.message} any more`, { cause, details: cause.details });
}
