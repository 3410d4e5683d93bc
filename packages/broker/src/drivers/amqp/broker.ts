import { randomBytes } from 'node:crypto';
import { type Clock, systemClock } from '@blockhub/clock';
import { BlockhubError, errorCode, hasCode } from '@blockhub/errors';
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
import { CloseLog } from './close-reason.ts';
import { DelayWatch } from './delay-watch.ts';
import { Desk } from './desk.ts';
import { Link, type LinkParts } from './link.ts';
import { Looking } from './looking.ts';
import { parcelOf, type Story } from './messages.ts';
import { Publisher, type Pulse } from './publisher.ts';
import { Retries } from './retries.ts';
import { Subscription } from './subscription.ts';
import { Topology } from './topology.ts';
import type { AmqpTarget } from './url.ts';

/** A private queue may belong to the connection before this one for as long as the server waits for its heartbeats. */
const RESTORE_AGAIN_MS = 250;
const RESTORE_AGAIN_MOST_MS = 5_000;
/** Consumers have to hear first that their queue is gone: of one that is back at once RabbitMQ 3.10 may not tell them, and they would wait at it for ever. */
const REVIVE_AFTER_MS = 1_000;
/** What is in flight gets so long to be confirmed; a dead peer must not keep a process from ending. */
const CLOSE_MS = 10_000;

export interface AmqpBrokerOptions {
  readonly clock?: Clock;
  readonly log?: BrokerLog;
  /** Shown in RabbitMQ's list of connections. */
  readonly name?: string;
}

/**
 * Opens a broker on RabbitMQ. Comes back disconnected where no address answers, and goes on trying.
 * BROKER_DENIED: user or password are refused. BROKER_UNSAFE: the server lacks what is relied on.
 */
export async function openAmqpBroker(target: AmqpTarget, options: AmqpBrokerOptions = {}): Promise<Broker> {
  const broker = new AmqpBroker(target, options);
  await broker.open();
  return broker;
}

/**
 * Two connections: a broker that is short of memory stops reading from whoever publishes, and acks must go on.
 * Private queues belong to the one that consumes.
 */
class AmqpBroker implements Broker {
  readonly #target: AmqpTarget;
  readonly #clock: Clock;
  readonly #log: BrokerLog | undefined;
  readonly #state = new StateHolder('disconnected');
  readonly #unconfirmed = new Unconfirmed();
  readonly #publishing: Link;
  readonly #consuming: Link;
  readonly #publisher: Publisher;
  readonly #copier: Publisher;
  readonly #desk: Desk;
  readonly #topology: Topology;
  readonly #retries: Retries;
  readonly #looking: Looking;
  readonly #subscriptions = new Set<Subscription>();
  /** Of the messages that this process publishes: with their number it makes their seq. */
  readonly #mark = randomBytes(6).toString('base64url');
  #seq = 0;
  #blocked = false;
  #closing: Promise<void> | undefined;
  readonly #over = new AbortController();
  readonly #closes: CloseLog;

  constructor(target: AmqpTarget, { clock = systemClock, log, name = 'blockhub' }: AmqpBrokerOptions) {
    this.#target = target;
    this.#clock = clock;
    this.#log = log;
    const link = (role: string, parts: Pick<LinkParts, 'onUp' | 'onBlocked'>): Link =>
      new Link({ target, clock, log, name: `${name} ${role}`, onChange: () => this.#show(), ...parts });
    this.#publishing = link('publishes', { onUp: (model) => this.#publishUp(model), onBlocked: (blocked) => this.#block(blocked) });
    this.#consuming = link('consumes', { onUp: async () => this.#consumeUp(), onBlocked: () => {} });
    const pulse: Pulse = { at: Number.NEGATIVE_INFINITY };
    const closes = new CloseLog(clock, log);
    this.#closes = closes;
    const publisher = (): Publisher =>
      new Publisher({
        clock,
        pulse,
        late: (queues) => log?.warn({ queues }, 'messages were not confirmed in time, as where a queue has no leader'),
        closed: (error) => closes.tell(error, { connection: `${name} publishes` }),
        stuck: () => this.#publishing.cut('no confirm came in time'),
        broken: () => this.#publishing.cut('no channel can be opened'),
      });
    this.#publisher = publisher();
    this.#copier = publisher();
    this.#desk = new Desk(this.#consuming);
    this.#topology = new Topology(this.#desk, log);
    const watch = new DelayWatch({ desk: this.#desk, clock, log });
    this.#retries = new Retries({ publisher: this.#copier, topology: this.#topology, watch, clock, log });
    this.#looking = new Looking({
      target,
      link: this.#consuming,
      desk: this.#desk,
      topology: this.#topology,
      clock,
      publish: (messages) => this.publish(messages),
    });
  }

  async open(): Promise<void> {
    try {
      await Promise.all([this.#publishing.open(), this.#consuming.open()]);
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#show();
  }

  get state(): BrokerState {
    return this.#state.now;
  }

  get trouble(): BlockhubError | undefined {
    const lost = this.#publishing.trouble ?? this.#consuming.trouble;
    return lost ?? (this.#blocked ? inNeed() : undefined);
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

  /** An operator may delete a queue that this process declared: it is declared again, and all goes again under the same ids. */
  async #send(messages: readonly Outgoing[]): Promise<void> {
    const firstAt = this.#clock.now();
    const revived = new Set<string>();
    for (;;) {
      try {
        // Each time with seqs of their own: some may lie in their queues already.
        await this.#publisher.send(messages.map((message) => parcelOf(message, this.#story(firstAt), this.#target.maxMessageBytes)));
        return;
      } catch (error) {
        const queue = hasCode(error, 'BROKER_QUEUE_MISSING') && this.#topology.get(String(error.details.queue));
        if (!queue || revived.has(queue.name)) throw error;
        revived.add(queue.name);
        await this.#clock.sleep(REVIVE_AFTER_MS, this.#over.signal);
        if (this.#over.signal.aborted) throw error;
        await this.#topology.revive(queue);
      }
    }
  }

  async consume(queue: string, { prefetch }: ConsumeOptions, onDelivery: (delivery: Delivery) => void): Promise<Consumer> {
    this.#check();
    const parts = {
      link: this.#consuming,
      desk: this.#desk,
      topology: this.#topology,
      retries: this.#retries,
      clock: this.#clock,
      log: this.#log,
      closes: this.#closes,
    };
    const subscription = new Subscription(parts, { queue, prefetch, onDelivery });
    await subscription.start();
    this.#subscriptions.add(subscription);
    // Until then its channel must stay: what it holds is still to be acked.
    void subscription.finished.then(() => this.#subscriptions.delete(subscription));
    return { cancel: () => subscription.cancel() };
  }

  async queues(names?: readonly string[]): Promise<QueueInfo[]> {
    this.#check();
    return this.#looking.queues(names);
  }

  async *browse(queue: string): AsyncGenerator<StoredMessage> {
    this.#check();
    yield* this.#looking.browse(queue);
  }

  async take(queue: string, seqs: readonly string[], replacement: readonly Outgoing[] = []): Promise<void> {
    this.#check();
    await this.#looking.take(queue, seqs, replacement);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#over.abort();
    const inTime = new AbortController();
    const orderly = async (): Promise<void> => {
      // Copies first: with them go the acks of what they replace.
      await Promise.all([this.#publisher.close(), this.#retries.close().then(() => this.#copier.close())]);
      await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()));
    };
    await Promise.race([orderly(), this.#clock.sleep(CLOSE_MS, inTime.signal)]);
    inTime.abort();
    await Promise.all([this.#publishing.close(), this.#consuming.close()]);
    this.#state.set('closed');
  }

  #check(): void {
    if (this.#closing) throw closedBroker();
  }

  #story(firstAt: number): Story {
    return { attempts: 0, firstAt, seq: `${this.#mark}${this.#seq++}` };
  }

  async #publishUp(model: ChannelModel): Promise<void> {
    this.#blocked = false;
    this.#retries.forget();
    await Promise.all([this.#publisher.open(model), this.#copier.open(model)]);
  }

  #consumeUp(): void {
    for (const queue of this.#topology.all) void this.#restore(queue, this.#consuming.model);
    for (const subscription of this.#subscriptions) subscription.wake();
  }

  /** A broker may have lost its durable queues too. */
  async #restore(queue: QueueDeclaration, model: ChannelModel): Promise<void> {
    for (
      let waitMs = RESTORE_AGAIN_MS;
      !this.#closing && this.#consuming.isOn(model);
      waitMs = Math.min(2 * waitMs, RESTORE_AGAIN_MOST_MS)
    ) {
      try {
        await this.#topology.restore(queue);
        return;
      } catch (error) {
        if (this.#consuming.isOn(model))
          this.#log?.warn({ queue: queue.name, code: errorCode(error), err: error }, 'queue cannot be declared again, trying again');
      }
      await this.#clock.sleep(waitMs, this.#over.signal);
    }
  }

  #block(blocked: boolean): void {
    this.#blocked = blocked;
    this.#publisher.block(blocked);
    this.#copier.block(blocked);
    this.#show();
  }

  #show(): void {
    if (this.#closing) return;
    if (!this.#publishing.up || !this.#consuming.up) this.#state.set('disconnected');
    else this.#state.set(this.#blocked ? 'blocked' : 'connected');
  }
}

const inNeed = (): BlockhubError =>
  new BlockhubError('BROKER_UNAVAILABLE', 'the broker takes no messages: it is short of memory or disk', {
    fix: 'Give RabbitMQ memory or free its disk; `rabbitmqctl status` names the alarm. Let consumers work on, and purge no queue.',
  });
