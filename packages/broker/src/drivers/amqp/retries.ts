import { type Cancel, type Clock, Pace } from '@blockhub/clock';
import { errorCode, hasCode } from '@blockhub/errors';
import type { BrokerLog } from '../../types.ts';
import { DELIVERY_LIMIT } from './arguments.ts';
import type { DelayWatch } from './delay-watch.ts';
import type { AmqpDelivery } from './intake.ts';
import { direct, parcelOf, type Route } from './messages.ts';
import type { Publisher } from './publisher.ts';
import type { Topology } from './topology.ts';

const LEAST_DELAY_MS = 128;
/** The longest time that a queue can keep. */
const MOST_DELAY_MS = 2 ** 31;
/** After a copy that could not be stored; doubled each time, until it is due: whole bodies go to a broker that is short already. */
const AGAIN_MS = 1_000;
/** One trouble may concern all that consumers hold, each second. */
const LOG_AGAIN_MS = 60_000;

/** Delays are powers of two, rounded up, so that a few queues serve all; a message waits behind those that came before it and not behind longer ones. */
export const delayOf = (afterMs: number): number => Math.min(MOST_DELAY_MS, 2 ** Math.ceil(Math.log2(Math.max(LEAST_DELAY_MS, afterMs))));

export interface RetriesParts {
  /** A channel of its own: an exchange that is missing ends it. */
  readonly publisher: Publisher;
  readonly topology: Topology;
  readonly watch: DelayWatch;
  readonly clock: Clock;
  readonly log: BrokerLog | undefined;
}

/** What is to be stored instead of a delivery. */
interface Copy {
  readonly delivery: AmqpDelivery;
  readonly attempts: number;
  /** When it is to come, by the ticks of the clock; undefined goes straight to its queue. */
  readonly due: number | undefined;
  /** How long to wait where it cannot be stored. */
  readonly pauseMs: number;
}

/**
 * Copies of messages that come again: the copy is safe before the original goes. Where it cannot be stored, because the queue of its delay is
 * full, the original stays held, and at its time comes again from here: consumers that hold all they may get nothing more, and nothing is lost.
 */
export class Retries {
  readonly #parts: RetriesParts;
  /** Names of exchanges that exist, or are being declared. */
  readonly #delays = new Map<number, Promise<string>>();
  readonly #timers = new Set<Cancel>();
  readonly #copies = new Set<Promise<void>>();
  readonly #pace: Pace;
  #closed = false;

  constructor(parts: RetriesParts) {
    this.#parts = parts;
    this.#pace = new Pace(parts.clock, LOG_AGAIN_MS);
  }

  /** The broker may have lost them. */
  forget(): void {
    this.#delays.clear();
  }

  retry(delivery: AmqpDelivery, afterMs: number, isPrivate: boolean): void {
    const attempts = delivery.attempts + 1;
    if (!isPrivate) {
      this.#copy({ delivery, attempts, due: this.#parts.clock.ticks() + afterMs, pauseMs: AGAIN_MS });
      return;
    }
    // The queue ends with this process, and so may what waits for it.
    delivery.copied();
    this.#after(afterMs, () => {
      this.#publish(delivery, attempts, { ...direct, persistent: false }).catch(() => {});
    });
  }

  /** A message that came back often would become a dead letter, though only its consumers were stopped or their connections lost. A copy begins anew. */
  releaseByCopy(delivery: AmqpDelivery): boolean {
    if (delivery.message.comebacks < DELIVERY_LIMIT / 2) return false;
    this.#copy({ delivery, attempts: delivery.attempts, due: undefined, pauseMs: AGAIN_MS });
    return true;
  }

  /** Resolves when no copy is under way; those that wait for their time are with the broker. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#parts.watch.close();
    for (const cancel of this.#timers) cancel();
    await Promise.all(this.#copies);
  }

  #copy(copy: Copy): void {
    const stored = this.#store(copy).then(
      () => copy.delivery.copied(),
      (error) => this.#copyFailed(copy, error),
    );
    this.#copies.add(stored);
    void stored.finally(() => this.#copies.delete(stored));
  }

  async #store({ delivery, attempts, due }: Copy): Promise<void> {
    if (due === undefined) return this.#publish(delivery, attempts, direct);
    const delayMs = delayOf(due - this.#parts.clock.ticks());
    const exchange = await this.#delay(delayMs);
    try {
      await this.#publish(delivery, attempts, { ...direct, exchange });
      this.#parts.watch.used(exchange, delayMs);
    } catch (error) {
      // The broker may have lost it; one that is full is there.
      if (!hasCode(error, 'BROKER_QUEUE_FULL')) this.#delays.delete(delayMs);
      throw error;
    }
  }

  /** The message stays held meanwhile; where its channel ends it comes again by itself. */
  #copyFailed(copy: Copy, error: unknown): void {
    const { delivery, attempts, due, pauseMs } = copy;
    const { clock } = this.#parts;
    if (!delivery.alive || this.#closed) return;
    this.#warn(delivery, error);
    this.#after(due === undefined ? pauseMs : Math.max(0, Math.min(pauseMs, due - clock.ticks())), () => {
      if (due === undefined || due <= clock.ticks()) delivery.comeAgain(attempts);
      else if (delivery.alive) this.#copy({ ...copy, pauseMs: 2 * pauseMs });
    });
  }

  #warn({ queue, id }: AmqpDelivery, err: unknown): void {
    const { log } = this.#parts;
    const code = errorCode(err);
    // Of a lost connection and a broker in need others tell.
    if (code === 'BROKER_UNAVAILABLE' || this.#pace.pass() === 0) return;
    log?.warn({ queue, id, code, err }, 'retries cannot be stored, they wait with their consumers');
  }

  async #publish({ queue, id, meta, body, message }: AmqpDelivery, attempts: number, route: Route): Promise<void> {
    const story = { attempts, firstAt: message.firstAt, seq: message.seq };
    await this.#parts.publisher.send([parcelOf({ queue, id, meta, body }, story, Number.POSITIVE_INFINITY, route)]);
  }

  #delay(delayMs: number): Promise<string> {
    const known = this.#delays.get(delayMs);
    if (known) return known;
    const declared = this.#parts.topology.declareDelay(delayMs);
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
