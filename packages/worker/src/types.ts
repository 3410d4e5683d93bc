/**
 * The words of this package:
 * - **worker**: the definition of one stage, a value made by `defineWorker`; **instance**: one that
 *   runs, see `startWorker`.
 * - **take**: a queue that a worker consumes from, and how; **give**: a queue that it publishes to.
 * - **delivery**: one message handed to a consumer; **settle**: ack, release or retry it. A take
 *   has at most `prefetch` unsettled deliveries.
 * - **batch**: messages that wait for each other; **invocation**: one call of a handler, until all
 *   of its messages are settled.
 * - **outcome**: how a message is settled, see `outcome.ts`.
 * - **draining**: no new delivery is taken; what is unsettled is finished or released.
 */
import type { Broker, Outgoing, QueueDeclaration } from '@blockhub/broker';
import type { Clock } from '@blockhub/clock';
import type { Message } from '@blockhub/message';
import type { Registry } from '@blockhub/registry';
import type { SettingsShape, Values } from '@blockhub/settings';
import type { Store } from '@blockhub/store';
import type { Health, Logger, Metrics, Tracing } from '@blockhub/telemetry';
import type { Outcome } from './outcome.ts';
import type { Random } from './random.ts';

/** When a batch goes to `handleBatch`. The first limit that is reached counts. */
export interface BatchPolicy {
  readonly max: number;
  /** Maximum bytes of bodies in a batch. A larger message goes alone. */
  readonly maxBytes?: number;
  /** Longest wait of a message, in ms. At most 10 min: brokers take back unsettled deliveries. */
  readonly ttlMs: number;
  /**
   * If handling takes long, a batch waits twice as long as the last one took, up to this. Under
   * load few large batches cost less than many small ones. `ttlMs` by default.
   */
  readonly mostTtlMs?: number;
  /**
   * A batch with fewer messages is released at the end of its wait, or when the worker stops. If
   * the prefetch is full, it is handled. 1 by default.
   */
  readonly min?: number;
  /** Different keys never share a batch. If it throws a BlockhubError, the message is rejected. */
  key?(message: Message): string;
}

export interface Take {
  readonly queue: string;
  /** Maximum number of unsettled deliveries. 100 by default; with batches, twice `max`. */
  readonly prefetch?: number;
  /** If it is set, messages go to `handleBatch` by this policy; else each goes to `handle`. */
  readonly batch?: BatchPolicy;
}

export type Need = 'store' | 'registry';

/** What the runtime gives to every function of a worker. */
export interface Context<Shape extends SettingsShape = SettingsShape, State = unknown> {
  readonly settings: Values<Shape>;
  /** What `setup` returned. */
  readonly state: State;
  /** In `handle`, each line carries the message's id, chain and trace id. */
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly health: Health;
  /** For workers that serve requests. Undefined if no spans are recorded. */
  readonly tracing: Tracing | undefined;
  readonly clock: Clock;
  /** In [0, 1); seeded in simulations, never for secrets. */
  readonly random: Random;
  /** Makes an event id (UUIDv7), greater than the one before if the clock is not set back. */
  newEvent(): string;
  /** Name of this instance; no two running instances share it. */
  readonly instance: string;
  /** Throws if `needs` does not have `store`. */
  readonly store: Store;
  /** Throws if `needs` does not have `registry`. */
  readonly registry: Registry;
  readonly broker: Broker;
  /**
   * Resolves when every message is confirmed. After a transient error the same messages are
   * published again until the worker drains. Then, and after any other error, it throws that error.
   * @param from the messages that these were made from, whose traces they continue
   */
  publish(messages: readonly Outgoing[], from?: readonly Message[]): Promise<void>;
  /** Aborted when the worker stops. A waiting handler must then return `retry(0, 'draining')`. */
  readonly draining: AbortSignal;
}

type MaybePromise<T> = T | Promise<T>;
/** A handler that returns nothing is done. */
// biome-ignore lint/suspicious/noConfusingVoidType: async functions may return nothing
export type Handled = MaybePromise<Outcome | undefined | void>;
/** One outcome for all messages of the batch, or a list with one for each, in order. */
// biome-ignore lint/suspicious/noConfusingVoidType: as above
export type BatchHandled = MaybePromise<Outcome | readonly Outcome[] | undefined | void>;

export interface Serving {
  /**
   * Finishes the requests that came in, then resolves. At `graceOver` it drops the rest, since an
   * open connection keeps the process alive. `nearlyOver` is earlier, to answer waiting senders.
   */
  close(graceOver: AbortSignal, nearlyOver: AbortSignal): Promise<void>;
}

/**
 * One stage of the mesh. Many handlers run at once, and a message may come again, so effects must
 * be idempotent. An outcome's messages are confirmed before the delivery is acked.
 */
export interface Worker<Shape extends SettingsShape = SettingsShape, State = unknown> {
  /** Folder, chart and command: lower case, digits and `-`. */
  readonly name: string;
  /** One sentence for `--help` and docs. */
  readonly summary: string;
  readonly settings: Shape;
  readonly needs: readonly Need[];
  takes?(settings: Values<Shape>, instance: string): readonly Take[];
  /** Queues to declare at the start, beside those of the catalogue in `takes` and `gives`. */
  declares?(settings: Values<Shape>, instance: string): readonly QueueDeclaration[];
  /** Queues that it publishes to; `{…}` stands for any text. Docs and metric labels use it. */
  gives?(settings: Values<Shape>): readonly string[];
  /** True if requests are refused while the registry is away; readiness then includes it. */
  reliesOnRegistry?(settings: Values<Shape>): boolean;
  /** Runs once, before anything is taken, and again after a transient error. */
  setup?(context: Omit<Context<Shape, undefined>, 'state'>): MaybePromise<State>;
  handle?(message: Message, context: Context<Shape, State>): Handled;
  /** After an error that is not transient it is called again with each half. */
  handleBatch?(messages: readonly Message[], context: Context<Shape, State>): BatchHandled;
  /** For workers that serve requests: starts the server. */
  serve?(context: Context<Shape, State>): Promise<Serving>;
  /** Runs once, after the last handler. */
  stop?(context: Context<Shape, State>): MaybePromise<void>;
}

const NAME = /^[a-z][a-z0-9-]*$/;

/** Checks a worker and returns it. `State` is inferred from `setup`. */
export function defineWorker<const Shape extends SettingsShape, State = undefined>(worker: Worker<Shape, State>): Worker<Shape, State> {
  if (!NAME.test(worker.name)) throw new TypeError(`a worker's name must match ${NAME}, got ${worker.name}`);
  if (worker.takes && !worker.handle && !worker.handleBatch)
    throw new TypeError(`${worker.name} takes messages, so it must have a handler`);
  return worker;
}
