import { type BackOff, backOff, type Cancel, type Clock } from '@blockhub/clock';
import { errorCode, hasCode } from '@blockhub/errors';
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import { BaseDelivery, deliver, type SettlementKind } from '../../delivery.ts';
import type { BrokerLog, Delivery, QueueDeclaration } from '../../types.ts';
import { closeConnectionOrChannel, openChannel, withTag } from './channel.ts';
import type { Retries } from './delay-queues.ts';
import { type CloseLog, queueError, unavailable } from './errors.ts';
import { type DecodedMessage, decodeMessage } from './messages.ts';
import type { Topology } from './topology.ts';

/** Quorum queues refuse a larger prefetch. */
const MAX_PREFETCH = 2_000;
/** RabbitMQ gives no reason for a cancel. */
const cancelFix =
  'The queue was deleted, its node went down, or a message was held for longer than consumer_timeout of RabbitMQ, which must be 30 minutes or more. The log of RabbitMQ has the reason. The consumer is restored by itself.';
const betweenTries: BackOff = { firstMs: 100, mostMs: 5_000 };

export interface ConsumerContext {
  readonly connection: { readonly isOpen: boolean; readonly model: ChannelModel };
  readonly topology: Topology;
  readonly retries: Retries;
  readonly clock: Clock;
  readonly log: BrokerLog | undefined;
  readonly closes: CloseLog;
}

export interface ConsumerRequest {
  readonly queue: string;
  readonly prefetch: number;
  readonly onDelivery: (delivery: Delivery) => void;
}

interface Running {
  readonly channel: Channel;
  readonly deliveries: ChannelDeliveries;
  readonly consumerTag: string;
}

/**
 * Starts again on a new channel after any loss. Unsettled deliveries are dropped; they come again.
 *
 * | mode | meaning | changes to |
 * | --- | --- | --- |
 * | starting | `start` runs | running; waiting, if a restart failed |
 * | running | it gets deliveries | waiting, if its channel is lost |
 * | waiting | a timer runs until the next start | starting |
 * | ending | after `cancel` or `close`, from any mode: unsettled deliveries stay | |
 */
export class AmqpConsumer {
  readonly #context: ConsumerContext;
  readonly #request: ConsumerRequest;
  #mode: 'starting' | 'running' | 'waiting' | 'ending' = 'starting';
  #running: Running | undefined;
  /** Kept here, because Topology keeps only the newest declarations. */
  #declared: QueueDeclaration | undefined;
  #failures = 0;
  #timer: Cancel | undefined;
  #finished = Promise.withResolvers<void>();

  constructor(context: ConsumerContext, request: ConsumerRequest) {
    this.#context = context;
    this.#request = request;
    const { queue, prefetch } = request;
    // A caller that waits for so many deliveries at a time would wait without end.
    if (prefetch > MAX_PREFETCH)
      context.log?.warn({ queue, prefetch, most: MAX_PREFETCH }, 'prefetch is higher than RabbitMQ allows, its maximum is used');
  }

  /** BROKER_QUEUE_MISSING, BROKER_QUEUE_MISMATCH, BROKER_UNAVAILABLE */
  async start(): Promise<void> {
    const { connection, topology, closes } = this.#context;
    const { queue, prefetch } = this.#request;
    const declared = topology.get(queue) ?? this.#declared;
    this.#declared = declared;
    const isPrivate = declared?.kind === 'private';
    const channel = await openChannel(connection.model);
    const deliveries = this.#newDeliveries(channel, isPrivate);
    // While it starts, an error rejects `start`.
    channel.on('error', (error) => {
      if (this.#running?.channel === channel) closes.write(error, { queue });
    });
    channel.once('close', () => {
      deliveries.end();
      this.#lost(channel);
    });
    try {
      if (!isPrivate) await topology.bindBack(queue, declared?.deadLetterTo);
      await channel.prefetch(Math.min(Math.max(1, prefetch), MAX_PREFETCH));
      const { consumerTag } = await channel.consume(queue, (message) =>
        message ? deliveries.add(message) : this.#cancelledByBroker(channel, deliveries),
      );
      if (!deliveries.alive) throw unavailable('the channel ended');
      this.#running = { channel, deliveries, consumerTag };
      this.#failures = 0;
    } catch (error) {
      deliveries.end();
      await closeConnectionOrChannel(channel);
      throw queueError(error, queue);
    }
    if (this.#isEnding) await this.#cancelRunning();
    else this.#mode = 'running';
  }

  async cancel(): Promise<void> {
    this.#end();
    await this.#cancelRunning();
  }

  /** Resolves when it is cancelled and all its deliveries are settled. */
  get finished(): Promise<void> {
    return this.#finished.promise;
  }

  wake(): void {
    if (this.#mode !== 'waiting') return;
    this.#timer?.();
    this.#failures = 0;
    this.#startLater();
  }

  /** Sends the acks of settled deliveries. Later settlements are dropped. */
  async close(): Promise<void> {
    this.#end();
    const running = this.#running;
    if (!running) return;
    running.deliveries.flush();
    running.deliveries.end();
    // Closing the connection would overtake acks in the buffer of the channel.
    await closeConnectionOrChannel(running.channel);
  }

  get #isEnding(): boolean {
    return this.#mode === 'ending';
  }

  #end(): void {
    this.#mode = 'ending';
    this.#timer?.();
  }

  #newDeliveries(channel: Channel, isPrivate: boolean): ChannelDeliveries {
    const { retries, clock } = this.#context;
    const { queue, onDelivery } = this.#request;
    return new ChannelDeliveries(channel, {
      queue,
      clock,
      onDelivery,
      retry: (delivery, afterMs) => retries.retry(delivery, afterMs, isPrivate),
      releaseByCopy: (delivery) => retries.releaseByCopy(delivery),
      finished: () => this.#finish(channel),
    });
  }

  async #cancelRunning(): Promise<void> {
    const running = this.#running;
    if (!running) return this.#finished.resolve();
    try {
      await running.channel.cancel(running.consumerTag);
      running.deliveries.finish();
    } catch {
      // The channel is gone, and the consumer with it.
      this.#finished.resolve();
    }
  }

  #finish(channel: Channel): void {
    this.#running = undefined;
    void closeConnectionOrChannel(channel);
    this.#finished.resolve();
  }

  #cancelledByBroker(channel: Channel, deliveries: ChannelDeliveries): void {
    this.#context.log?.warn({ queue: this.#request.queue, fix: cancelFix }, 'consumer cancelled by the broker');
    // Handlers go on, and a channel that is closing throws when they settle.
    deliveries.end();
    void closeConnectionOrChannel(channel);
  }

  #lost(channel: Channel): void {
    if (this.#running?.channel !== channel) return;
    this.#running = undefined;
    if (this.#isEnding) this.#finished.resolve();
    else this.#startLater();
  }

  #startLater(): void {
    this.#mode = 'waiting';
    this.#timer = this.#context.clock.after(backOff(++this.#failures, betweenTries, Math.random), () => void this.#restart());
  }

  async #restart(): Promise<void> {
    const { log, connection, topology } = this.#context;
    const { queue } = this.#request;
    this.#mode = 'starting';
    try {
      const declared = topology.get(queue) ?? this.#declared;
      if (declared) await topology.restore(declared);
      await this.start();
      log?.info({ queue }, 'consumer restored');
    } catch (error) {
      // A consumer of a closed broker would try without end.
      if (this.#isEnding || hasCode(error, 'BROKER_CLOSED')) return;
      if (connection.isOpen && !hasCode(error, 'BROKER_UNAVAILABLE'))
        log?.warn({ queue, code: errorCode(error), err: error }, 'consumer cannot be restored');
      this.#startLater();
    }
  }
}

export interface DeliveryHandlers {
  readonly queue: string;
  readonly clock: Clock;
  readonly onDelivery: (delivery: Delivery) => void;
  /** Stores a copy that comes again later; `copied` or `comeAgain` of the delivery follows. */
  retry(delivery: AmqpDelivery, afterMs: number): void;
  /** See `Retries.releaseByCopy`. */
  releaseByCopy(delivery: AmqpDelivery): boolean;
  /** After `finish`, when every delivery is settled. */
  finished(): void;
}

export class AmqpDelivery extends BaseDelivery<DecodedMessage> {
  readonly body: Buffer;
  readonly tag: number;
  readonly #deliveries: ChannelDeliveries;

  constructor(queue: string, deliveries: ChannelDeliveries, message: DecodedMessage, body: Buffer, tag: number) {
    super(queue, message);
    this.body = body;
    this.tag = tag;
    this.#deliveries = deliveries;
  }

  get alive(): boolean {
    return this.#deliveries.alive;
  }

  copied(): void {
    this.#deliveries.done(this.tag);
  }

  comeAgain(attempts: number): void {
    this.#deliveries.again(this, attempts);
  }

  protected override settle(how: SettlementKind, afterMs: number): void {
    this.#deliveries.settle(this, how, afterMs);
  }
}

/** The unsettled deliveries of one channel. Acks of one turn are sent together. */
export class ChannelDeliveries {
  readonly #handlers: DeliveryHandlers;
  readonly #channel: Channel;
  #alive = true;
  /** Delivery tags in order: the broker counts them from 1 on each channel. */
  readonly #unsettled = new Set<number>();
  /** Settled by an ack that is not sent yet. */
  #done: number[] = [];
  #flushing = false;
  #finishing = false;

  constructor(channel: Channel, handlers: DeliveryHandlers) {
    this.#channel = channel;
    this.#handlers = handlers;
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** The channel is gone: all unsettled messages went back. */
  end(): void {
    this.#alive = false;
  }

  add({ content, properties, fields }: ConsumeMessage): void {
    const { queue, clock, onDelivery } = this.#handlers;
    if (!this.#alive) return;
    this.#unsettled.add(fields.deliveryTag);
    deliver(onDelivery, new AmqpDelivery(queue, this, decodeMessage(queue, properties, clock.now()), content, fields.deliveryTag));
  }

  /** No retry could be stored: delivered again, or given back if the consumer is cancelled. */
  again({ message, body, tag }: AmqpDelivery, attempts: number): void {
    const { queue, onDelivery } = this.#handlers;
    if (!this.#alive) return;
    if (this.#finishing) this.#giveBack(tag);
    else deliver(onDelivery, new AmqpDelivery(queue, this, { ...message, attempts }, body, tag));
  }

  settle(delivery: AmqpDelivery, how: SettlementKind, afterMs: number): void {
    if (!this.#alive) return;
    if (how === 'ack') this.done(delivery.tag);
    else if (how === 'retry') this.#handlers.retry(delivery, afterMs);
    else if (!this.#handlers.releaseByCopy(delivery)) this.#giveBack(delivery.tag);
  }

  done(tag: number): void {
    if (!this.#alive) return;
    this.#unsettled.delete(tag);
    this.#done.push(tag);
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => this.flush());
  }

  /** After the consumer was cancelled: calls `finished` as soon as everything is settled. */
  finish(): void {
    this.#finishing = true;
    this.flush();
  }

  flush(): void {
    this.#flushing = false;
    if (!this.#alive) return;
    const [oldest = Number.POSITIVE_INFINITY] = this.#unsettled;
    let last = 0;
    for (const tag of this.#done) {
      if (tag > oldest) this.#channel.ack(withTag(tag));
      else last = Math.max(last, tag);
    }
    this.#done = [];
    if (last > 0) this.#channel.ack(withTag(last), true);
    if (this.#finishing && this.#unsettled.size === 0) this.#handlers.finished();
  }

  #giveBack(tag: number): void {
    this.#unsettled.delete(tag);
    this.#channel.nack(withTag(tag), false, true);
    if (this.#finishing) this.flush();
  }
}
