import { type Cancel, type Clock, Pace } from '@blockhub/clock';
import { errorCode, hasCode } from '@blockhub/errors';
import type { BrokerLog, Delivery } from '../../types.ts';
import type { ControlChannel } from './channel.ts';
import { isRefusal } from './errors.ts';
import { type DecodedMessage, direct, encodeMessage, type Route } from './messages.ts';
import type { ConfirmPublisher } from './publisher.ts';
import { DELIVERY_LIMIT, type Topology } from './topology.ts';

const MIN_DELAY_MS = 128;
/** The longest time that a queue can keep a message. */
const MAX_DELAY_MS = 2 ** 31;
/** Pause after a copy that could not be stored. It doubles, because each try sends a whole body. */
const AGAIN_MS = 1_000;
/** One fault can make every delivery fail each second, so its line is written once a minute. */
const LOG_AGAIN_MS = 60_000;

/** Powers of two, so that few queues serve all retries. None waits behind a longer delay. */
const roundDelay = (afterMs: number): number => Math.min(MAX_DELAY_MS, 2 ** Math.ceil(Math.log2(Math.max(MIN_DELAY_MS, afterMs))));

export interface CopiedDelivery extends Pick<Delivery, 'queue' | 'id' | 'meta' | 'body' | 'attempts'> {
  readonly message: Pick<DecodedMessage, 'firstAt' | 'seq' | 'redeliveries'>;
  /** False once its channel is gone: its message comes again by itself. */
  readonly alive: boolean;
  /** The copy is safe: the delivery can be acked. */
  copied(): void;
  /** No copy could be stored in time: the message is delivered again from this process. */
  comeAgain(attempts: number): void;
}

interface Copy {
  readonly delivery: CopiedDelivery;
  readonly attempts: number;
  /** When it is due, in ticks of the clock; undefined if it goes straight to its queue. */
  readonly due: number | undefined;
  /** How long to wait if it cannot be stored. */
  readonly pauseMs: number;
}

export interface RetriesOptions {
  /** With a channel of its own, because a missing exchange closes it. */
  readonly publisher: ConfirmPublisher;
  readonly topology: Topology;
  readonly watch: DelayWatch;
  readonly clock: Clock;
  readonly log: BrokerLog | undefined;
}

/**
 * Acks an original only when its copy is safe. If the delay queue is full, the original stays
 * unacked and is delivered again from this process when it is due. Such messages use up the
 * prefetch of their consumer; nothing is lost.
 */
export class Retries {
  readonly #options: RetriesOptions;
  /** The exchange of each delay that is declared, or is being declared. */
  readonly #exchanges = new Map<number, Promise<string>>();
  readonly #timers = new Set<Cancel>();
  readonly #copies = new Set<Promise<void>>();
  readonly #pace: Pace;
  #closed = false;

  constructor(options: RetriesOptions) {
    this.#options = options;
    this.#pace = new Pace(options.clock, LOG_AGAIN_MS);
  }

  /** After a reconnect: the broker may have lost its exchanges. */
  reset(): void {
    this.#exchanges.clear();
  }

  retry(delivery: CopiedDelivery, afterMs: number, isPrivate: boolean): void {
    const attempts = delivery.attempts + 1;
    if (!isPrivate) {
      this.#copy({ delivery, attempts, due: this.#options.clock.ticks() + afterMs, pauseMs: AGAIN_MS });
      return;
    }
    // The queue ends with this process, so its retries can wait in this process.
    delivery.copied();
    this.#after(afterMs, () => {
      this.#publish(delivery, attempts, { ...direct, persistent: false }).catch(() => {});
    });
  }

  /**
   * Releases a message by a copy if it was redelivered at least half of DELIVERY_LIMIT times. The
   * copy starts at 0 redeliveries. Otherwise a message whose consumers were only stopped often
   * would become a dead letter. Returns false if the message was redelivered less often.
   */
  releaseByCopy(delivery: CopiedDelivery): boolean {
    if (delivery.message.redeliveries < DELIVERY_LIMIT / 2) return false;
    this.#copy({ delivery, attempts: delivery.attempts, due: undefined, pauseMs: AGAIN_MS });
    return true;
  }

  /** Resolves when every copy that is being stored has its result. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#options.watch.close();
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
    const delayMs = roundDelay(due - this.#options.clock.ticks());
    const exchange = await this.#declareExchange(delayMs);
    try {
      await this.#publish(delivery, attempts, { ...direct, exchange });
      this.#options.watch.used(exchange, delayMs);
    } catch (error) {
      // The broker may have lost the exchange. If its queue is full, it is there.
      if (!hasCode(error, 'BROKER_QUEUE_FULL')) this.#exchanges.delete(delayMs);
      throw error;
    }
  }

  #copyFailed(copy: Copy, error: unknown): void {
    const { delivery, attempts, due, pauseMs } = copy;
    const { clock } = this.#options;
    if (!delivery.alive || this.#closed) return;
    this.#warn(delivery, error);
    this.#after(due === undefined ? pauseMs : Math.max(0, Math.min(pauseMs, due - clock.ticks())), () => {
      if (due === undefined || due <= clock.ticks()) delivery.comeAgain(attempts);
      else if (delivery.alive) this.#copy({ ...copy, pauseMs: 2 * pauseMs });
    });
  }

  #warn({ queue, id }: CopiedDelivery, err: unknown): void {
    const code = errorCode(err);
    // A lost connection and a blocked broker have log lines of their own.
    if (code === 'BROKER_UNAVAILABLE' || this.#pace.pass() === 0) return;
    this.#options.log?.warn({ queue, id, code, err }, 'retries cannot be stored in the broker and wait in this process');
  }

  async #publish({ queue, id, meta, body, message }: CopiedDelivery, attempts: number, route: Route): Promise<void> {
    const headers = { attempts, firstAt: message.firstAt, seq: message.seq };
    await this.#options.publisher.send([encodeMessage({ queue, id, meta, body }, headers, Number.POSITIVE_INFINITY, route)]);
  }

  #declareExchange(delayMs: number): Promise<string> {
    const known = this.#exchanges.get(delayMs);
    if (known) return known;
    const declared = this.#options.topology.declareDelay(delayMs);
    this.#exchanges.set(delayMs, declared);
    declared.catch(() => this.#exchanges.delete(delayMs));
    return declared;
  }

  #after(ms: number, run: () => void): void {
    const cancel = this.#options.clock.after(ms, () => {
      this.#timers.delete(cancel);
      run();
    });
    this.#timers.add(cancel);
  }
}

/** From the due time of the last retry to the check. It doubles while messages are found. */
const CHECK_AFTER_MS = 5_000;
const MAX_PAUSE_MS = 5 * 60_000;

export interface DelayWatchOptions {
  readonly control: Pick<ControlChannel, 'request'>;
  readonly clock: Clock;
  readonly log: BrokerLog | undefined;
}

/**
 * Checks each delay queue when its last retry was due. RabbitMQ expires messages of a quorum queue
 * by one timer, or with the next command to the queue. If the timer is lost, as once after a broker
 * was killed, all messages stand still. Then the watch gets the first message and puts it back.
 */
export class DelayWatch {
  readonly #options: DelayWatchOptions;
  /** When to check a queue, in ticks of the clock. */
  readonly #checkAt = new Map<string, number>();
  readonly #closed = new AbortController();

  constructor(options: DelayWatchOptions) {
    this.#options = options;
  }

  /** A retry was stored in this queue. */
  used(queue: string, delayMs: number): void {
    const isWatched = this.#checkAt.has(queue);
    this.#checkAt.set(queue, this.#options.clock.ticks() + delayMs + CHECK_AFTER_MS);
    if (!isWatched) void this.#watch(queue);
  }

  close(): void {
    this.#closed.abort();
  }

  async #watch(queue: string): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#closed;
    let ready: number | undefined;
    for (let pauseMs = CHECK_AFTER_MS; ready !== 0; pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)) {
      for (let ms = this.#waitOf(queue); ms > 0 && !signal.aborted; ms = this.#waitOf(queue)) await clock.sleep(ms, signal);
      if (signal.aborted) return;
      this.#checkAt.set(queue, clock.ticks() + pauseMs);
      ready = await this.#check(queue, ready);
    }
    this.#checkAt.delete(queue);
  }

  #waitOf(queue: string): number {
    return (this.#checkAt.get(queue) ?? 0) - this.#options.clock.ticks();
  }

  /** The count of ready messages, undefined if unknown. `before` is the last result. */
  async #check(queue: string, before: number | undefined): Promise<number | undefined> {
    try {
      return await this.#options.control.request(async (channel) => {
        const { messageCount: ready } = await channel.checkQueue(queue);
        // If the count changed, the queue moves: other processes use it too.
        if (ready === 0 || ready !== before) return ready;
        const first = await channel.get(queue);
        if (first) channel.nack(first, false, true);
        const left = first ? first.fields.messageCount + 1 : 0;
        if (left < ready) this.#options.log?.warn({ queue, messages: ready - left }, 'retries stood still in the broker and go on now');
        return left;
      });
    } catch (error) {
      // If the queue is gone, or this user may not read it, the watch ends.
      return isRefusal(error, 'MISSING') || isRefusal(error, 'DENIED') ? 0 : undefined;
    }
  }
}
