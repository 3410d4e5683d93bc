import type { Clock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import { calm, type FaultPlan, type Outcome, type Random } from '@blockhub/faults';
import { closedBroker } from '../../checks.ts';
import type { SettlementKind } from '../../delivery.ts';
import { type LocalConsumer, type LocalDelivery, newConsumer } from '../../dispatcher.ts';
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
import type { MemoryQueues } from './queues.ts';

const MAX_RECONNECT_MS = 1_000;
const MAX_LOST_ACK_MS = 1_000;

export interface ConnectOptions {
  /**
   * Faults of this connection. Operations of `decide`: `publish`, `ack` (all three settlements),
   * `declare`, `consume`, `take`. Names of `chance`: `deliver-twice`, `reorder`, `lose-hint`,
   * `disconnect` (at a publish or a settlement), `two-active` (a single-active queue serves all its
   * consumers for a while), `part-publish` (a failed publish left some of its messages behind).
   */
  readonly plan?: FaultPlan;
  /** Called when the plan ends the process. The connection is dead by then. */
  readonly crash?: () => void;
  /** In error texts. */
  readonly name?: string;
}

interface Server {
  readonly queues: MemoryQueues;
  readonly clock: Clock;
  readonly random: Random;
}

interface Subscription {
  readonly queue: string;
  readonly prefetch: number;
  readonly onDelivery: (delivery: Delivery) => void;
  /** At the queue; another one after each reconnect. */
  consumer: LocalConsumer | undefined;
}

/** A request or an answer on its way. */
interface InFlight {
  /** The connection broke. The effect may happen or not; the caller gets an error. */
  lose(): void;
}

const never = <T>(): Promise<T> => new Promise<T>(() => {});

/** The connection of one process to a MemoryBroker, with the faults of its plan. */
export class MemoryConnection implements Broker {
  readonly #server: Server;
  readonly #plan: FaultPlan;
  readonly #crash: () => void;
  readonly #name: string;
  readonly #state = new StateHolder();
  readonly #unconfirmed = new Unconfirmed();
  readonly #subscriptions = new Set<Subscription>();
  readonly #privates = new Map<string, QueueDeclaration>();
  /** Their unsettled deliveries go back when the connection ends. */
  readonly #cancelled = new Set<{ readonly queue: string; readonly consumer: LocalConsumer }>();
  readonly #inFlight = new Set<InFlight>();
  #landed: (() => void) | undefined;
  #dead = false;
  #closing: Promise<void> | undefined;

  constructor(server: Server, { plan = calm, crash = () => {}, name = 'memory' }: ConnectOptions) {
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
      this.#server.queues.declare(queues, this);
      for (const queue of queues) if (queue.kind === 'private') this.#privates.set(queue.name, queue);
    });
  }

  publish(messages: readonly Outgoing[]): Promise<void> {
    const publish = (some: readonly Outgoing[]): void => this.#server.queues.publish(some, this.#plan);
    const part = (): void => {
      if (this.#plan.chance('part-publish')) publish(messages.slice(0, Math.floor(this.#plan.random() * messages.length)));
    };
    const answer = this.#perform('publish', () => publish(messages), part, true);
    if (!this.#dead && this.state === 'connected' && this.#plan.chance('disconnect')) this.disconnect();
    return this.#unconfirmed.during(messages, answer);
  }

  consume(queue: string, { prefetch }: ConsumeOptions, onDelivery: (delivery: Delivery) => void): Promise<Consumer> {
    const subscription: Subscription = { queue, prefetch, onDelivery, consumer: undefined };
    const start = (): Consumer => {
      this.#start(subscription);
      this.#subscriptions.add(subscription);
      return { cancel: () => this.#cancel(subscription) };
    };
    return this.#perform('consume', start).catch((error) => {
      // The caller repeats the call: a consumer that it has no handle of must not get messages.
      this.#stop(subscription);
      throw error;
    });
  }

  queues(names?: readonly string[]): Promise<CountedQueue[]> {
    return this.#read(() =>
      [...this.#server.queues]
        .filter(({ owner }) => owner === undefined || owner === this)
        .map((queue) => queue.info())
        .filter(({ name }) => !names || names.includes(name))
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    );
  }

  async *browse(queue: string): AsyncGenerator<StoredMessage> {
    yield* await this.#read(() => this.#server.queues.get(queue, this).stored());
  }

  take(queue: string, seqs: readonly string[], replacement: readonly Outgoing[] = []): Promise<void> {
    return this.#perform('take', () => {
      const from = this.#server.queues.get(queue, this);
      from.checkStored(seqs);
      this.#server.queues.publish(replacement, this.#plan);
      from.take(seqs);
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Ends the process: deliveries go back, private queues end, and no call settles any more. */
  kill(): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#leave();
  }

  /** Breaks the connection. It reconnects after at most a second. */
  disconnect(): void {
    if (this.#dead || this.state !== 'connected') return;
    this.#state.set('disconnected');
    this.#leave();
    this.#server.clock.after(1 + this.#server.random() * MAX_RECONNECT_MS, () => this.#reconnect());
  }

  /** If a settlement is lost, the message comes again. */
  #settle(delivery: LocalDelivery, how: SettlementKind, afterMs: number): void {
    if (this.#dead) return;
    const cut = this.#plan.chance('disconnect');
    const { outcome, delayMs } = this.#plan.decide('ack');
    if (cut) this.disconnect();
    else if (outcome === 'crash-before') this.#die();
    else this.#send(delivery, how, afterMs, outcome, delayMs);
  }

  #send(delivery: LocalDelivery, how: SettlementKind, afterMs: number, outcome: Outcome, delayMs: number): void {
    const lost = outcome === 'fail-before';
    this.#fly(lost ? delayMs + 1 + this.#plan.random() * MAX_LOST_ACK_MS : delayMs, () => {
      this.#server.queues.get(delivery.queue, this).settle(delivery, lost ? 'release' : how, afterMs);
      if (outcome === 'crash-after') this.#die();
    });
  }

  #start(subscription: Subscription): void {
    const settle: LocalConsumer['settle'] = (delivery, how, afterMs) => this.#settle(delivery, how, afterMs);
    subscription.consumer = newConsumer(subscription.prefetch, subscription.onDelivery, settle, this.#plan);
    this.#server.queues.get(subscription.queue, this).consume(subscription.consumer);
  }

  #stop(subscription: Subscription): void {
    this.#subscriptions.delete(subscription);
    const { queue, consumer } = subscription;
    if (consumer && !consumer.gone) this.#server.queues.get(queue, this).drop(consumer);
  }

  async #cancel(subscription: Subscription): Promise<void> {
    const { queue, consumer } = subscription;
    this.#subscriptions.delete(subscription);
    if (this.#dead || !consumer || consumer.gone) return;
    this.#server.queues.get(queue, this).cancel(consumer);
    for (const other of this.#cancelled) if (other.consumer.unacked === 0) this.#cancelled.delete(other);
    this.#cancelled.add({ queue, consumer });
  }

  /**
   * Runs an effect by the plan. `part` is the effect that a failed call can leave behind. If
   * `survives` is true, the effect can happen although the connection breaks first.
   */
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
          if (outcome === 'crash-after') return this.#die();
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

  /** Reads, without faults and delays. */
  #read<T>(answer: () => T): Promise<T> {
    if (this.#dead) return never();
    const refusal = this.#refusal();
    return refusal ? Promise.reject(refusal) : Promise.resolve().then(answer);
  }

  #refusal(): BlockhubError | undefined {
    if (this.#closing) return closedBroker();
    return this.state === 'connected' ? undefined : this.#unavailable('connect');
  }

  /** Calls `land` after `ms`, at once for 0, or `lose` if the connection breaks first. */
  #fly(ms: number, land: () => void, lose: () => void = () => {}): void {
    if (!(ms > 0)) {
      land();
      return;
    }
    const flight: InFlight = { lose };
    this.#inFlight.add(flight);
    this.#server.clock.after(ms, () => {
      if (!this.#inFlight.delete(flight)) return;
      land();
      if (this.#inFlight.size === 0) this.#landed?.();
    });
  }

  #die(): void {
    if (this.#dead) return;
    this.kill();
    this.#crash();
  }

  #leave(): void {
    const lost = [...this.#inFlight];
    this.#inFlight.clear();
    for (const flight of lost) flight.lose();
    this.#landed?.();
    for (const { queue, consumer } of [...this.#subscriptions, ...this.#cancelled])
      if (consumer && !consumer.gone) this.#server.queues.get(queue, this).drop(consumer);
    this.#cancelled.clear();
    this.#server.queues.removeOwned(this);
  }

  #reconnect(): void {
    if (this.#dead || this.state !== 'disconnected') return;
    this.#server.queues.declare([...this.#privates.values()], this);
    for (const subscription of this.#subscriptions) this.#start(subscription);
    this.#state.set('connected');
  }

  async #close(): Promise<void> {
    for (const { queue, consumer } of this.#subscriptions)
      if (consumer && !consumer.gone) this.#server.queues.get(queue, this).cancel(consumer);
    while (this.#inFlight.size > 0 && !this.#dead) await new Promise<void>((resolve) => (this.#landed = resolve));
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
