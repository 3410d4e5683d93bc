import { randomBytes } from 'node:crypto';
import { type Clock, systemClock } from '@blockhub/clock';
import { type BlockhubError, errorCode, hasCode } from '@blockhub/errors';
import type { ChannelModel } from 'amqplib';
import { closedBroker } from '../../checks.ts';
import { StateHolder } from '../../state.ts';
import type {
  Broker,
  BrokerLog,
  BrokerState,
  ConsumeOptions,
  Consumer,
  Delivery,
  Outgoing,
  QueueDeclaration,
  QueueInfo,
  StoredMessage,
} from '../../types.ts';
import { Unconfirmed } from '../../unconfirmed.ts';
import { QueueBrowser } from './browse.ts';
import { ControlChannel } from './channel.ts';
import { Connection, type ConnectionOptions } from './connection.ts';
import { AmqpConsumer, type ConsumerContext } from './consumer.ts';
import { DelayWatch, Retries } from './delay-queues.ts';
import { blockedBroker, CloseLog } from './errors.ts';
import { type DriverHeaders, encodeMessage } from './messages.ts';
import { ConfirmPublisher, type LastConfirm } from './publisher.ts';
import { Topology } from './topology.ts';
import type { AmqpTarget } from './url.ts';

/** A private queue can belong to the lost connection until the server misses its heartbeats. */
const RESTORE_AGAIN_MS = 250;
const MAX_RESTORE_AGAIN_MS = 5_000;
/** If a deleted queue is back at once, RabbitMQ 3.10 may not cancel consumers, which then wait. */
const REVIVE_AFTER_MS = 1_000;
/** How long `close` waits for confirms. A dead peer must not keep a process from ending. */
const CLOSE_MS = 10_000;

export interface AmqpBrokerOptions {
  readonly clock?: Clock;
  readonly log?: BrokerLog;
  /** Shown in RabbitMQ's list of connections. */
  readonly name?: string;
}

/** If no address answers, it goes on trying. BROKER_DENIED, BROKER_UNSAFE: see `connectOnce`. */
export async function openAmqpBroker(target: AmqpTarget, options: AmqpBrokerOptions = {}): Promise<Broker> {
  const broker = new AmqpBroker(target, options);
  await broker.open();
  return broker;
}

/**
 * It has two connections, because a broker that is short of memory stops reading from a connection
 * that publishes, and acks must go on. Private queues belong to the one that consumes.
 */
class AmqpBroker implements Broker {
  readonly #target: AmqpTarget;
  readonly #clock: Clock;
  readonly #log: BrokerLog | undefined;
  readonly #state = new StateHolder('disconnected');
  readonly #unconfirmed = new Unconfirmed();
  readonly #publishing: Connection;
  readonly #consuming: Connection;
  readonly #publisher: ConfirmPublisher;
  readonly #copier: ConfirmPublisher;
  readonly #topology: Topology;
  readonly #retries: Retries;
  readonly #browser: QueueBrowser;
  readonly #consumers = new Set<AmqpConsumer>();
  /** With the number of a message it makes the seq of a message that this process publishes. */
  readonly #seqPrefix = randomBytes(6).toString('base64url');
  #seq = 0;
  #blocked = false;
  #closing: Promise<void> | undefined;
  readonly #closed = new AbortController();
  readonly #consumerContext: ConsumerContext;

  constructor(target: AmqpTarget, { clock = systemClock, log, name = 'blockhub' }: AmqpBrokerOptions) {
    this.#target = target;
    this.#clock = clock;
    this.#log = log;
    const connection = (role: string, handlers: Pick<ConnectionOptions, 'onOpen' | 'onBlocked'>): Connection =>
      new Connection({ target, clock, log, name: `${name} ${role}`, onChange: () => this.#updateState(), ...handlers });
    this.#publishing = connection('publishes', {
      onOpen: (model) => this.#openPublishers(model),
      onBlocked: (blocked) => this.#setBlocked(blocked),
    });
    this.#consuming = connection('consumes', { onOpen: async () => this.#restoreAll(), onBlocked: () => {} });
    const lastConfirm: LastConfirm = { at: Number.NEGATIVE_INFINITY };
    const closes = new CloseLog(clock, log);
    const publisher = (): ConfirmPublisher =>
      new ConfirmPublisher({
        clock,
        lastConfirm,
        onLate: (queues) => log?.warn({ queues }, 'messages were not confirmed in time; a queue may have no leader'),
        onChannelClosed: (error) => closes.write(error, { connection: `${name} publishes` }),
        onNoConfirms: () => this.#publishing.abort('no confirm came in time'),
        onBroken: () => this.#publishing.abort('no channel can be opened'),
      });
    this.#publisher = publisher();
    this.#copier = publisher();
    const control = new ControlChannel(this.#consuming);
    const topology = new Topology(control, log);
    this.#topology = topology;
    this.#retries = new Retries({ publisher: this.#copier, topology, watch: new DelayWatch({ control, clock, log }), clock, log });
    this.#consumerContext = { connection: this.#consuming, topology, retries: this.#retries, clock, log, closes };
    const publish = (messages: readonly Outgoing[]): Promise<void> => this.publish(messages);
    this.#browser = new QueueBrowser({ target, connection: this.#consuming, control, topology, clock, publish });
  }

  async open(): Promise<void> {
    try {
      await Promise.all([this.#publishing.open(), this.#consuming.open()]);
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#updateState();
  }

  get state(): BrokerState {
    return this.#state.now;
  }

  get trouble(): BlockhubError | undefined {
    const lost = this.#publishing.trouble ?? this.#consuming.trouble;
    return lost ?? (this.#blocked ? blockedBroker() : undefined);
  }

  get unconfirmed(): number {
    return this.#unconfirmed.count;
  }

  onState(listener: (state: BrokerState) => void): () => void {
    return this.#state.onChange(listener);
  }

  async declare(queues: readonly QueueDeclaration[]): Promise<void> {
    this.#check();
    await this.#topology.declare(queues);
  }

  async publish(messages: readonly Outgoing[]): Promise<void> {
    this.#check();
    await this.#unconfirmed.during(messages, this.#send(messages));
  }

  /** A deleted queue of this process is declared again, and all messages are repeated. */
  async #send(messages: readonly Outgoing[]): Promise<void> {
    const firstAt = this.#clock.now();
    const revived = new Set<string>();
    for (;;) {
      try {
        // Each time with new seqs, because some messages may be in their queues already.
        await this.#publisher.send(messages.map((message) => encodeMessage(message, this.#headers(firstAt), this.#target.maxMessageBytes)));
        return;
      } catch (error) {
        const queue = hasCode(error, 'BROKER_QUEUE_MISSING') && this.#topology.get(String(error.details.queue));
        if (!queue || revived.has(queue.name)) throw error;
        revived.add(queue.name);
        await this.#clock.sleep(REVIVE_AFTER_MS, this.#closed.signal);
        if (this.#closed.signal.aborted) throw error;
        await this.#topology.revive(queue);
      }
    }
  }

  async consume(queue: string, { prefetch }: ConsumeOptions, onDelivery: (delivery: Delivery) => void): Promise<Consumer> {
    this.#check();
    const consumer = new AmqpConsumer(this.#consumerContext, { queue, prefetch, onDelivery });
    await consumer.start();
    this.#consumers.add(consumer);
    // Until then its channel must stay open for the acks of its deliveries.
    void consumer.finished.then(() => this.#consumers.delete(consumer));
    return { cancel: () => consumer.cancel() };
  }

  async queues(names?: readonly string[]): Promise<QueueInfo[]> {
    this.#check();
    return this.#browser.queues(names);
  }

  async *browse(queue: string): AsyncGenerator<StoredMessage> {
    this.#check();
    yield* this.#browser.browse(queue);
  }

  async take(queue: string, seqs: readonly string[], replacement: readonly Outgoing[] = []): Promise<void> {
    this.#check();
    await this.#browser.take(queue, seqs, replacement);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#closed.abort();
    const confirmed = new AbortController();
    const orderly = async (): Promise<void> => {
      // Copies before consumers: the original of a copy is acked when the copy is confirmed.
      await Promise.all([this.#publisher.close(), this.#retries.close().then(() => this.#copier.close())]);
      await Promise.all([...this.#consumers].map((consumer) => consumer.close()));
    };
    await Promise.race([orderly(), this.#clock.sleep(CLOSE_MS, confirmed.signal)]);
    confirmed.abort();
    await Promise.all([this.#publishing.close(), this.#consuming.close()]);
    this.#state.set('closed');
  }

  #check(): void {
    if (this.#closing) throw closedBroker();
  }

  #headers(firstAt: number): DriverHeaders {
    return { attempts: 0, firstAt, seq: `${this.#seqPrefix}${this.#seq++}` };
  }

  async #openPublishers(model: ChannelModel): Promise<void> {
    this.#blocked = false;
    this.#retries.reset();
    await Promise.all([this.#publisher.open(model), this.#copier.open(model)]);
  }

  /** Durable queues too, because a broker may have lost them. */
  #restoreAll(): void {
    for (const queue of this.#topology.all) void this.#restore(queue, this.#consuming.model);
    for (const consumer of this.#consumers) consumer.wake();
  }

  async #restore(queue: QueueDeclaration, model: ChannelModel): Promise<void> {
    for (
      let waitMs = RESTORE_AGAIN_MS;
      !this.#closing && this.#consuming.isCurrent(model);
      waitMs = Math.min(2 * waitMs, MAX_RESTORE_AGAIN_MS)
    ) {
      try {
        await this.#topology.restore(queue);
        return;
      } catch (error) {
        if (this.#consuming.isCurrent(model))
          this.#log?.warn({ queue: queue.name, code: errorCode(error), err: error }, 'queue cannot be declared again yet');
      }
      await this.#clock.sleep(waitMs, this.#closed.signal);
    }
  }

  #setBlocked(blocked: boolean): void {
    this.#blocked = blocked;
    this.#publisher.setBlocked(blocked);
    this.#copier.setBlocked(blocked);
    this.#updateState();
  }

  #updateState(): void {
    if (this.#closing) return;
    if (!this.#publishing.isOpen || !this.#consuming.isOpen) this.#state.set('disconnected');
    else this.#state.set(this.#blocked ? 'blocked' : 'connected');
  }
}
