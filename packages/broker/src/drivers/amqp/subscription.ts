import { type BackOff, backOff, type Cancel, type Clock } from '@blockhub/clock';
import { errorCode, hasCode } from '@blockhub/errors';
import type { Channel } from 'amqplib';
import type { BrokerLog, Delivery, QueueDeclaration } from '../../types.ts';
import type { CloseLog } from './close-reason.ts';
import { type Desk, openChannel, questionError } from './desk.ts';
import { Intake } from './intake.ts';
import { closed, type Link, unavailable } from './link.ts';
import type { Retries } from './retries.ts';
import { bindBack, type Topology } from './topology.ts';

/** Quorum queues refuse more. */
const MOST_PREFETCH = 2_000;
/** RabbitMQ gives no reason. */
const cancelFix =
  'The queue was deleted, its node went down, or a message was held for longer than consumer_timeout of RabbitMQ, which must be 30 minutes or more; its log says which. The consumer is restored by itself.';
const betweenTries: BackOff = { firstMs: 100, mostMs: 5_000 };

export interface SubscriptionParts {
  readonly link: Link;
  readonly desk: Desk;
  readonly topology: Topology;
  readonly retries: Retries;
  readonly clock: Clock;
  readonly log: BrokerLog | undefined;
  readonly closes: CloseLog;
}

export interface SubscriptionWish {
  readonly queue: string;
  readonly prefetch: number;
  readonly onDelivery: (delivery: Delivery) => void;
}

/** A consumer that begins again, on a new channel, whatever ended it. What it held then is dropped: it comes again. */
export class Subscription {
  readonly #parts: SubscriptionParts;
  readonly #wish: SubscriptionWish;
  #life: { readonly channel: Channel; readonly intake: Intake; readonly tag: string } | undefined;
  /** Where it is known; a process that declares very many queues forgets the oldest. */
  #declared: QueueDeclaration | undefined;
  /** Cancelled or closed. */
  #over = false;
  #failures = 0;
  #timer: Cancel | undefined;
  #finished = Promise.withResolvers<void>();

  constructor(parts: SubscriptionParts, wish: SubscriptionWish) {
    this.#parts = parts;
    this.#wish = wish;
    const { queue, prefetch } = wish;
    // Whoever waits until it holds so many would wait for ever.
    if (prefetch > MOST_PREFETCH) parts.log?.warn({ queue, prefetch, most: MOST_PREFETCH }, 'RabbitMQ gives no consumer so many at a time');
  }

  /** BROKER_QUEUE_MISSING, BROKER_QUEUE_MISMATCH, BROKER_UNAVAILABLE */
  async start(): Promise<void> {
    const { link, desk, topology, retries, clock, closes } = this.#parts;
    const { queue, prefetch, onDelivery } = this.#wish;
    const declared = topology.get(queue) ?? this.#declared;
    this.#declared = declared;
    const isPrivate = declared?.kind === 'private';
    const channel = await openChannel(link.model);
    let intake: Intake | undefined;
    // An error at the start rejects the call that waits for it.
    channel.on('error', (error) => {
      if (this.#life?.channel === channel) closes.tell(error, { queue });
    });
    channel.once('close', () => {
      intake?.end();
      this.#lost(channel);
    });
    try {
      if (!isPrivate) await bindBack(desk, queue, declared?.deadLetterTo);
      await channel.prefetch(Math.min(Math.max(1, prefetch), MOST_PREFETCH));
      intake = new Intake(channel, {
        queue,
        clock,
        onDelivery,
        retry: (delivery, afterMs) => retries.retry(delivery, afterMs, isPrivate),
        releaseByCopy: (delivery) => retries.releaseByCopy(delivery),
        finished: () => this.#finish(channel),
      });
      const takes = intake;
      const { consumerTag } = await channel.consume(queue, (message) => (message ? takes.take(message) : this.#cancelled(channel, takes)));
      if (!takes.alive) throw unavailable('the channel ended');
      this.#life = { channel, intake: takes, tag: consumerTag };
      this.#failures = 0;
    } catch (error) {
      intake?.end();
      await closed(channel);
      throw questionError(error, queue);
    }
    if (this.#over) await this.#cancelLife();
  }

  async cancel(): Promise<void> {
    this.#over = true;
    this.#timer?.();
    await this.#cancelLife();
  }

  /** Resolves when it is cancelled and nothing of it is held. */
  get finished(): Promise<void> {
    return this.#finished.promise;
  }

  /** The connection is back. */
  wake(): void {
    if (this.#over || !this.#timer) return;
    this.#timer();
    this.#failures = 0;
    this.#again();
  }

  /** Tells the server what is done; nothing that is said later counts. */
  async close(): Promise<void> {
    this.#over = true;
    this.#timer?.();
    const life = this.#life;
    if (!life) return;
    life.intake.flush();
    life.intake.end();
    // A connection's close would overtake the acks that lie in the channel's buffer; a channel's does not.
    await closed(life.channel);
  }

  async #cancelLife(): Promise<void> {
    const life = this.#life;
    if (!life) return this.#finished.resolve();
    try {
      await life.channel.cancel(life.tag);
      life.intake.finish();
    } catch {
      // The channel is gone, and the consumer with it.
      this.#finished.resolve();
    }
  }

  #finish(channel: Channel): void {
    this.#life = undefined;
    void closed(channel);
    this.#finished.resolve();
  }

  /** By the server: the queue was deleted, or its node went down. */
  #cancelled(channel: Channel, intake: Intake): void {
    this.#parts.log?.warn({ queue: this.#wish.queue, fix: cancelFix }, 'consumer cancelled by the broker');
    // Handlers go on, and a channel that closes throws at what they settle.
    intake.end();
    void closed(channel);
  }

  #lost(channel: Channel): void {
    if (this.#life?.channel !== channel) return;
    this.#life = undefined;
    if (this.#over) this.#finished.resolve();
    else this.#again();
  }

  #again(): void {
    const { clock, log, link, topology } = this.#parts;
    const { queue } = this.#wish;
    this.#timer = clock.after(backOff(++this.#failures, betweenTries, Math.random), async () => {
      this.#timer = undefined;
      try {
        const declared = topology.get(queue) ?? this.#declared;
        if (declared) await topology.restore(declared);
        await this.start();
        log?.info({ queue }, 'consumer restored');
      } catch (error) {
        // Closed meanwhile: nobody would ever stop it.
        if (this.#over || hasCode(error, 'BROKER_CLOSED')) return;
        if (link.up && !hasCode(error, 'BROKER_UNAVAILABLE'))
          log?.warn({ queue, code: errorCode(error), err: error }, 'consumer cannot be restored');
        this.#again();
      }
    });
  }
}
