import type { Cancel, Clock } from '@blockhub/clock';
import { errorCode, hasCode } from '@blockhub/errors';
import type { BrokerLog } from '../../types.ts';
import { DELIVERY_LIMIT } from './arguments.ts';
import type { Desk } from './desk.ts';
import type { AmqpDelivery } from './intake.ts';
import { direct, parcelOf } from './messages.ts';
import type { Publisher } from './publisher.ts';
import { declareDelay } from './topology.ts';

const LEAST_DELAY_MS = 128;
/** The longest time that a queue can keep. */
const MOST_DELAY_MS = 2 ** 31;
/** After a copy that could not be published. */
const AGAIN_MS = 1_000;

/** Delays are powers of two, rounded up, so that a few queues serve all; a message waits behind those that came before it and not behind longer ones. */
export const delayOf = (afterMs: number): number => Math.min(MOST_DELAY_MS, 2 ** Math.ceil(Math.log2(Math.max(LEAST_DELAY_MS, afterMs))));

export interface RetriesParts {
  /** A channel of its own: an exchange that is missing ends it. */
  readonly publisher: Publisher;
  readonly desk: Desk;
  readonly clock: Clock;
  readonly log: BrokerLog | undefined;
}

/** Copies of messages that come again: the copy is safe before the original goes. */
export class Retries {
  readonly #parts: RetriesParts;
  /** Names of exchanges that exist, or are being declared. */
  readonly #delays = new Map<number, Promise<string>>();
  readonly #timers = new Set<Cancel>();
  readonly #copies = new Set<Promise<void>>();
  #closed = false;

  constructor(parts: RetriesParts) {
    this.#parts = parts;
  }

  /** The broker may have lost them. */
  forget(): void {
    this.#delays.clear();
  }

  retry(delivery: AmqpDelivery, afterMs: number, isPrivate: boolean): void {
    if (!isPrivate) {
      this.#copy(delivery, () => this.#publish(delivery, delivery.attempts + 1, this.#delay(delayOf(afterMs))));
      return;
    }
    // The queue ends with this process, and so may what waits for it.
    delivery.copied();
    this.#after(afterMs, () => {
      this.#publish(delivery, delivery.attempts + 1, Promise.resolve(''), false).catch(() => {});
    });
  }

  /** A message that came back often would become a dead letter, though only its consumers were stopped or their connections lost. A copy begins anew. */
  releaseByCopy(delivery: AmqpDelivery): boolean {
    if (delivery.message.comebacks < DELIVERY_LIMIT / 2) return false;
    this.#copy(delivery, () => this.#publish(delivery, delivery.attempts, Promise.resolve('')));
    return true;
  }

  /** Resolves when no copy is under way; those that wait for their time are with the broker. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const cancel of this.#timers) cancel();
    await Promise.all(this.#copies);
  }

  #copy(delivery: AmqpDelivery, publish: () => Promise<void>): void {
    const copy = publish().then(
      () => delivery.copied(),
      (error) => this.#copyFailed(delivery, publish, error),
    );
    this.#copies.add(copy);
    void copy.finally(() => this.#copies.delete(copy));
  }

  /** The message stays held meanwhile; where its channel ends it comes again by itself. */
  #copyFailed(delivery: AmqpDelivery, publish: () => Promise<void>, error: unknown): void {
    if (!delivery.alive || this.#closed) return;
    this.forget();
    if (!hasCode(error, 'BROKER_UNAVAILABLE'))
      this.#parts.log?.warn(
        { queue: delivery.queue, id: delivery.id, code: errorCode(error), err: error },
        'retry cannot be stored, trying again',
      );
    this.#after(AGAIN_MS, () => {
      if (delivery.alive) this.#copy(delivery, publish);
    });
  }

  async #publish(
    { queue, id, meta, body, message }: AmqpDelivery,
    attempts: number,
    delay: Promise<string>,
    persistent = true,
  ): Promise<void> {
    const exchange = await delay;
    const story = { attempts, firstAt: message.firstAt, seq: message.seq };
    await this.#parts.publisher.send([
      parcelOf({ queue, id, meta, body }, story, Number.POSITIVE_INFINITY, { ...direct, exchange, persistent }),
    ]);
  }

  #delay(delayMs: number): Promise<string> {
    const known = this.#delays.get(delayMs);
    if (known) return known;
    const declared = this.#parts.desk.ask((channel) => declareDelay(channel, delayMs));
    this.#delays.set(delayMs, declared);
    declared.catch(() => this.#delays.delete(delayMs));
    return declared;
  }

  #after(ms: number, run: () => void): void {
    const cancel = this.#parts.clock.after(ms, () => {
      this.#timers.delete(cancel);
      run();
    });
    this.#timers.add(cancel);
  }
}
