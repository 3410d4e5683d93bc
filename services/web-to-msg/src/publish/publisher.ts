import type { Broker, Outgoing } from '@blockhub/broker';
import type { Clock } from '@blockhub/clock';
import { BlockhubError, hasCode, isTransient } from '@blockhub/errors';
import type { Store } from '@blockhub/store';
import { type Context, publishInSpans } from '@blockhub/worker';
import { within } from './deadline.ts';

/** Called with work that needs the body in memory, and may go on after the sender was answered. */
export type KeepBodyFor = (work: Promise<unknown>) => void;

export interface PublisherParts {
  readonly broker: Broker;
  readonly store: Store;
  readonly clock: Clock;
  readonly tracing?: Context['tracing'];
}

const EMPTY = Buffer.alloc(0);

/** True if the body must be stored as an object, and its message only refers to it. */
export const isLarge = ({ meta, body }: Outgoing): boolean => meta.at !== undefined && body.length > 0;

/**
 * Large bodies go to the store before the messages that refer to them. Each method waits until
 * `deadline`, in ticks. @throws the errors of broker and store, CAPTURE_UNCONFIRMED
 */
export class CapturePublisher {
  readonly #parts: PublisherParts;
  #storeUnavailable = false;

  constructor(parts: PublisherParts) {
    this.#parts = parts;
  }

  /** True if the last large body could not be stored, and a later one may be. */
  get storeUnavailable(): boolean {
    return this.#storeUnavailable;
  }

  /** Stores the large bodies, and returns the messages without them. */
  async store(messages: readonly Outgoing[], deadline: number, keepBodyFor?: KeepBodyFor): Promise<readonly Outgoing[]> {
    if (!messages.some(isLarge)) return messages;
    return Promise.all(messages.map((message) => (isLarge(message) ? this.#storeBody(message, deadline, keepBodyFor) : message)));
  }

  /** Resolves when every message is confirmed. No message may be large any more. */
  publish(messages: readonly Outgoing[], deadline: number, keepBodyFor?: KeepBodyFor): Promise<void> {
    const { broker, clock, tracing } = this.#parts;
    const publish = (all: readonly Outgoing[]): Promise<void> => broker.publish(all).catch(whileQueueIsMissing);
    const publishing = tracing ? publishInSpans(tracing, messages, publish) : publish(messages);
    keepBodyFor?.(publishing);
    return within(clock, deadline, publishing, 'broker');
  }

  async #storeBody(message: Outgoing, deadline: number, keepBodyFor: KeepBodyFor | undefined): Promise<Outgoing> {
    const { store, clock } = this.#parts;
    // `keep` checks the bytes that lie there: a damaged object must not pass for the body.
    const storing = store.keep(String(message.meta.at), message.body);
    keepBodyFor?.(storing);
    try {
      await within(clock, deadline, storing, 'store');
      this.#storeUnavailable = false;
    } catch (error) {
      this.#storeUnavailable = isTransient(error);
      throw error;
    }
    return { ...message, body: EMPTY };
  }
}

/** The queues existed at the start. A deleted one is a fault of the broker that may pass. */
function whileQueueIsMissing(cause: unknown): never {
  if (!hasCode(cause, 'BROKER_QUEUE_MISSING')) throw cause;
  throw new BlockhubError('BROKER_UNAVAILABLE', `${cause.message} any more`, { cause, details: cause.details });
}
