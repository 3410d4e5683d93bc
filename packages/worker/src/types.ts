/**
 * The words of this package:
 * - **worker**: a value made by `defineWorker`; it says what one stage does, and holds nothing.
 * - **running worker**: a worker at work in this process, see `startWorker`.
 * - **take**: a queue that a worker consumes from, and how; **give**: a queue that it publishes to.
 * - **held**: taken and not yet acked, retried or released; never more than the prefetch of its take.
 * - **batch**: held messages that wait for each other; **run**: one call of a handler, until its messages are settled.
 * - **outcome**: what becomes of a message, see `outcome.ts`; **settle**: make an outcome true at the broker.
 * - **draining**: nothing more is taken, what is held is finished or put back.
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

/** When messages that wait for each other go to `handleBatch`. The first limit that is reached counts. */
export interface BatchPolicy {
  /** Most messages of a batch. */
  readonly max: number;
  /** Most bytes of bodies of a batch. A message that is larger than this goes alone. */
  readonly maxBytes?: number;
  /** How long the oldest message of a batch waits, but for `mostTtlMs`. Ten minutes at most, whatever is set: brokers take back what is held for long. */
  readonly ttlMs: number;
  /**
   * Where handling takes long, a batch waits longer, so that more share it: twice as long as the last one took, at most so long. Slow is
   * what is overloaded, and there few large batches cost less than many small ones. `ttlMs` by default.
   */
  readonly mostTtlMs?: number;
  /** With fewer than this at the end of its wait or at stop, the messages are put back instead. A full prefetch overrules it. 1 by default. */
  readonly min?: number;
  /** Messages of different keys never share a batch. Throwing a BlockhubError rejects the message. One key for all by default. */
  key?(message: Message): string;
}

/** A queue to consume from. */
export interface Take {
  readonly queue: string;
  /** Most messages held at a time, and so the most that are handled at a time. 100 by default, twice `max` with batches. */
  readonly prefetch?: number;
  /** Given: messages go to `handleBatch` by this policy. Absent: each goes to `handle`. */
  readonly batch?: BatchPolicy;
}

export type Need = 'store' | 'registry';

/** What the runtime gives to every function of a worker. */
export interface Context<Shape extends SettingsShape = SettingsShape, State = unknown> {
  readonly settings: Values<Shape>;
  /** What `setup` gave. */
  readonly state: State;
  /** In `handle`, each line carries the message's id, chain and trace id. */
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly health: Health;
  /** For workers that listen; what comes in as a message is seen to by the runtime. Undefined where nothing is recorded. */
  readonly tracing: Tracing | undefined;
  readonly clock: Clock;
  /** In [0, 1); seeded in simulations, never for secrets. */
  readonly random: Random;
  /** A new event id (UUIDv7). Those of this instance grow, unless its clock was set back by more than a few seconds. */
  newEvent(): string;
  /** Names this instance of the worker; unique among those that run. */
  readonly instance: string;
  /** Throws unless the worker says that it needs a store. */
  readonly store: Store;
  /** Throws unless the worker says that it needs a registry. */
  readonly registry: Registry;
  readonly broker: Broker;
  /**
   * Resolves when every message is durable. Transient errors are retried with the same ids until the worker drains; then, and for
   * all other errors, it throws what the broker threw.
   * @param from the messages that these were made from: these belong to their traces
   */
  publish(messages: readonly Outgoing[], from?: readonly Message[]): Promise<void>;
  /** Aborted when the worker stops taking. Whoever waits for something then gives up: `retry(0, 'draining')` puts a message back at once. */
  readonly draining: AbortSignal;
}

type MaybePromise<T> = T | Promise<T>;
/** A handler that gives nothing is done. */
// biome-ignore lint/suspicious/noConfusingVoidType: an async function without return gives Promise<void>
export type Handled = MaybePromise<Outcome | undefined | void>;
/** One outcome for all messages of the batch, or a list with one for each, in order. */
// biome-ignore lint/suspicious/noConfusingVoidType: as above
export type BatchHandled = MaybePromise<Outcome | readonly Outcome[] | undefined | void>;

/** What a worker that listens has open. */
export interface Serving {
  /**
   * Finishes what came in, and resolves after that. With `graceOver` it drops what has not ended: an open connection would keep the process.
   * `nearlyOver` comes shortly before, so that waiting senders can still be answered.
   */
  close(graceOver: AbortSignal, nearlyOver: AbortSignal): Promise<void>;
}

/**
 * One stage of the mesh. Handlers run many at a time and see every message at least once, so their effects must bear repetition.
 * Of what a handler gives, messages are published and confirmed before what was taken is acked.
 */
export interface Worker<Shape extends SettingsShape = SettingsShape, State = unknown> {
  /** Folder, chart and command: lower case, digits and `-`. */
  readonly name: string;
  /** One sentence for `--help` and docs. */
  readonly summary: string;
  readonly settings: Shape;
  readonly needs: readonly Need[];
  takes?(settings: Values<Shape>, instance: string): readonly Take[];
  /**
   * Queues of its own, created at the start where they are missing. Those of the pipeline need no words here: the runtime declares the ones that
   * the worker takes from and gives to, as the catalogue of `@blockhub/message` says.
   */
  declares?(settings: Values<Shape>, instance: string): readonly QueueDeclaration[];
  /** Queues that it gives to; `{…}` stands for any text, as in `blobs.deployed.{p}`. Docs and metric labels come from it. */
  gives?(settings: Values<Shape>): readonly string[];
  /** With these settings, requests that it serves are refused while the registry is away: readiness asks for it then. */
  reliesOnRegistry?(settings: Values<Shape>): boolean;
  /** Runs once, before anything is taken. Transient errors are tried again, all others end the start. */
  setup?(context: Omit<Context<Shape, undefined>, 'state'>): MaybePromise<State>;
  handle?(message: Message, context: Context<Shape, State>): Handled;
  /** An error that is not transient makes the runtime call it again with each half, so that one message cannot spoil the others. */
  handleBatch?(messages: readonly Message[], context: Context<Shape, State>): BatchHandled;
  /** For workers that listen: starts, and gives what ends it. */
  serve?(context: Context<Shape, State>): Promise<Serving>;
  /** Runs once, after the last handler. */
  stop?(context: Context<Shape, State>): MaybePromise<void>;
}

const NAME = /^[a-z][a-z0-9-]*$/;

/** Checks a worker and gives it back; it is here for the types: `State` follows from `setup`, settings from `settings`. */
export function defineWorker<const Shape extends SettingsShape, State = undefined>(worker: Worker<Shape, State>): Worker<Shape, State> {
  if (!NAME.test(worker.name)) throw new TypeError(`a worker's name is lower case, digits and "-": ${worker.name}`);
  if (worker.takes && !worker.handle && !worker.handleBatch) throw new TypeError(`${worker.name} takes messages and has no handler`);
  return worker;
}
