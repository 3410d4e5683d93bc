import { BlockhubError } from '@blockhub/errors';
import { calm, type FaultPlan, type Outcome } from '@blockhub/faults';
import { closedBroker } from '../../checks.ts';
import { type HeldDelivery, newSlot, type Slot } from '../../consumers.ts';
import type { Settlement } from '../../held.ts';
import { StateHolder } from '../../state.ts';
import type {
  Broker,
  BrokerState,
  ConsumeOptions,
  Consumer,
  CountedQueue,
  Delivery,
  Outgoing,
  QueueDeclaration,
  StoredMessage,
} from '../../types.ts';
import { Unconfirmed } from '../../unconfirmed.ts';
import type { ConnectOptions, MemoryBroker } from './server.ts';

const MAX_RECONNECT_MS = 1_000;
const MAX_LOST_ACK_MS = 1_000;

interface Subscription {
  readonly queue: string;
  readonly prefetch: number;
  readonly onDelivery: (delivery: Delivery) => void;
  slot: Slot | undefined;
}

/** Something on its way to the broker. */
interface Flight {
  /** The connection breaks: whether the effect happens is decided here, the caller learns nothing but that. */
  lose(): void;
}

const never = <T>(): Promise<T> => new Promise<T>(() => {});

/** One process's connection to a MemoryBroker, with the faults of its plan. */
export class MemoryConnection implements Broker {
  readonly #server: MemoryBroker;
  readonly #plan: FaultPlan;
  readonly #crash: () => void;
  readonly #name: string;
  readonly #state = new StateHolder();
  readonly #unconfirmed = new Unconfirmed();
  readonly #subscriptions = new Set<Subscription>();
  readonly #privates = new Map<string, QueueDeclaration>();
  /** They may still hold deliveries, which go back with the connection. */
  readonly #cancelled = new Set<{ readonly queue: string; readonly slot: Slot }>();
  readonly #flights = new Set<Flight>();
  #landed: (() => void) | undefined;
  #dead = false;
  #closing: Promise<void> | undefined;

  constructor(server: MemoryBroker, { plan = calm, crash = () => {}, name = 'memory' }: ConnectOptions) {
    this.#server = server;
    this.#plan = plan;
    this.#crash = crash;
    this.#name = name;
  }

  get state(): BrokerState {
    return this.#state.now;
  }

  get unconfirmed(): number {
    return this.#unconfirmed.count;
  }

  onState(listener: (state: BrokerState) => void): () => void {
    return this.#state.onChange(listener);
  }

  declare(queues: readonly QueueDeclaration[]): Promise<void> {
    return this.#perform('declare', () => {
      this.#server.declare(queues, this);
      for (const queue of queues) if (queue.kind === 'private') this.#privates.set(queue.name, queue);
    });
  }

  publish(messages: readonly Outgoing[]): Promise<void> {
    const publish = (some: readonly Outgoing[]): void => this.#server.publish(some, this.#plan);
    const part = (): void => {
      if (this.#plan.chance('part-publish')) publish(messages.slice(0, Math.floor(this.#plan.random() * messages.length)));
    };
    const answer = this.#perform('publish', () => publish(messages), part, true);
    if (!this.#dead && this.state === 'connected' && this.#plan.chance('disconnect')) this.disconnect();
    return this.#unconfirmed.during(messages, answer);
  }

  consume(queue: string, { prefetch }: ConsumeOptions, onDelivery: (delivery: Delivery) => void): Promise<Consumer> {
    const subscription: Subscription = { queue, prefetch, onDelivery, slot: undefined };
    const start = (): Consumer => {
      this.#start(subscription);
      this.#subscriptions.add(subscription);
      return { cancel: () => this.#cancel(subscription) };
    };
    return this.#perform('consume', start).catch((error) => {
      // The caller will ask again: what it does not know of must not take messages.
      this.#stop(subscription);
      throw error;
    });
  }

  queues(names?: readonly string[]): Promise<CountedQueue[]> {
    return this.#ask(() =>
      this.#server
        .queuesOf(this)
        .map((queue) => queue.info())
        .filter(({ name }) => !names || names.includes(name))
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    );
  }

  async *browse(queue: string): AsyncGenerator<StoredMessage> {
    yield* await this.#ask(() => this.#server.queue(queue, this).stored());
  }

  take(queue: string, seqs: readonly string[], replacement: readonly Outgoing[] = []): Promise<void> {
    return this.#perform('take', () => {
      const from = this.#server.queue(queue, this);
      from.checkWaiting(seqs);
      this.#server.publish(replacement, this.#plan);
      from.take(seqs);
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** The process dies: what it holds goes back, its private queues vanish, nothing answers any more. */
  kill(): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#leave();
  }

  /** The connection breaks and comes back after a moment. */
  disconnect(): void {
    if (this.#dead || this.state !== 'connected') return;
    this.#state.set('disconnected');
    this.#leave();
    this.#server.clock.after(1 + this.#server.random() * MAX_RECONNECT_MS, () => this.#reconnect());
  }

  /** From a delivery. A settlement that is lost lets the message come again. */
  settle(held: HeldDelivery, how: Settlement, afterMs: number): void {
    if (this.#dead) return;
    const cut = this.#plan.chance('disconnect');
    const { outcome, delayMs } = this.#plan.decide('ack');
    if (cut) this.disconnect();
    else if (outcome === 'crash-before') this.#die();
    else this.#send(held, how, afterMs, outcome, delayMs);
  }

  #send(held: HeldDelivery, how: Settlement, afterMs: number, outcome: Outcome, delayMs: number): void {
    const lost = outcome === 'fail-before';
    this.#fly(lost ? delayMs + 1 + this.#plan.random() * MAX_LOST_ACK_MS : delayMs, () => {
      this.#server.queue(held.queue, this).settle(held, lost ? 'release' : how, afterMs);
      if (outcome === 'crash-after') this.#die();
    });
  }

  #start(subscription: Subscription): void {
    subscription.slot = newSlot(subscription.prefetch, subscription.onDelivery, this, this.#plan);
    this.#server.queue(subscription.queue, this).consume(subscription.slot);
  }

  #stop(subscription: Subscription): void {
    this.#subscriptions.delete(subscription);
    if (subscription.slot && !subscription.slot.gone) this.#server.queue(subscription.queue, this).drop(subscription.slot);
  }

  async #cancel(subscription: Subscription): Promise<void> {
    const { queue, slot } = subscription;
    this.#subscriptions.delete(subscription);
    if (this.#dead || !slot || slot.gone) return;
    this.#server.queue(queue, this).cancel(slot);
    for (const other of this.#cancelled) if (other.slot.unacked === 0) this.#cancelled.delete(other);
    this.#cancelled.add({ queue, slot });
  }

  /** Runs an effect as the plan wants it. `part` is what a failure before the effect may leave; `survives`: a lost connection may have carried it over. */
  #perform<T>(name: string, effect: () => T, part?: () => void, survives = false): Promise<T> {
    if (this.#dead) return never();
    const refusal = this.#refusal();
    if (refusal) return Promise.reject(refusal);
    const { outcome, delayMs, answerMs } = this.#plan.decide(name);
    if (outcome === 'crash-before') {
      this.#die();
      return never();
    }
    return new Promise<T>((resolve, reject) => {
      const lost = (): void => {
        if (survives && this.#plan.random() < 0.5) attempt(effect);
        if (!this.#dead) reject(this.#unavailable(name));
      };
      this.#fly(
        delayMs,
        () => {
          const result = outcome === 'fail-before' ? attempt(() => part?.()) : attempt(effect);
          if (outcome === 'crash-after') {
            this.#die();
            return;
          }
          const failed = outcome !== 'ok';
          const answer = (): void => {
            if (failed) reject(this.#unavailable(name));
            else if ('error' in result) reject(result.error);
            else resolve(result.value as T);
          };
          this.#fly(answerMs, answer, () => !this.#dead && reject(this.#unavailable(name)));
        },
        lost,
      );
    });
  }

  /** Without faults and delays, for looking. */
  #ask<T>(answer: () => T): Promise<T> {
    if (this.#dead) return never();
    const refusal = this.#refusal();
    return refusal ? Promise.reject(refusal) : Promise.resolve().then(answer);
  }

  #refusal(): BlockhubError | undefined {
    if (this.#closing) return closedBroker();
    return this.state === 'connected' ? undefined : this.#unavailable('connect');
  }

  /** Lets `land` run after `ms`, at once for 0, unless the connection breaks before. */
  #fly(ms: number, land: () => void, lose: () => void = () => {}): void {
    if (!(ms > 0)) {
      land();
      return;
    }
    const flight: Flight = { lose };
    this.#flights.add(flight);
    this.#server.clock.after(ms, () => {
      if (!this.#flights.delete(flight)) return;
      land();
      if (this.#flights.size === 0) this.#landed?.();
    });
  }

  #die(): void {
    if (this.#dead) return;
    this.kill();
    this.#crash();
  }

  #leave(): void {
    const flights = [...this.#flights];
    this.#flights.clear();
    for (const flight of flights) flight.lose();
    this.#landed?.();
    for (const { queue, slot } of [...this.#subscriptions, ...this.#cancelled])
      if (slot && !slot.gone) this.#server.queue(queue, this).drop(slot);
    this.#cancelled.clear();
    this.#server.forget(this);
  }

  #reconnect(): void {
    if (this.#dead || this.state !== 'disconnected') return;
    this.#server.declare([...this.#privates.values()], this);
    for (const subscription of this.#subscriptions) this.#start(subscription);
    this.#state.set('connected');
  }

  async #close(): Promise<void> {
    for (const { queue, slot } of this.#subscriptions) if (slot && !slot.gone) this.#server.queue(queue, this).cancel(slot);
    while (this.#flights.size > 0 && !this.#dead) await new Promise<void>((resolve) => (this.#landed = resolve));
    if (this.#dead) return never();
    this.#leave();
    this.#state.set('closed');
  }

  #unavailable(what: string): BlockhubError {
    return new BlockhubError('BROKER_UNAVAILABLE', `${this.#name}: no answer from the broker (${what})`);
  }
}

function attempt<T>(effect: () => T): { readonly value: T } | { readonly error: unknown } {
  try {
    return { value: effect() };
  } catch (error) {
    return { error };
  }
}
