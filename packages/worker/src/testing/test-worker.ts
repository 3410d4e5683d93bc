import { type Broker, MemoryBroker, type MemoryConnection, type Meta, type QueueDeclaration, type StoredMessage } from '@blockhub/broker';
import { VirtualClock } from '@blockhub/clock';
import { MemoryRegistry, type Registry } from '@blockhub/registry';
import { defaults, type SettingsShape, type Values } from '@blockhub/settings';
import { MemoryStore, Store } from '@blockhub/store';
import { createHealth, createMetrics, type Health, type Logger, type Metrics, silentLogger } from '@blockhub/telemetry';
import { startWorker } from '../instance/instance.ts';
import type { RunningWorker, StartOptions } from '../instance/running-worker.ts';
import { topologyOf } from '../instance/topology.ts';
import { eventIds, type Random } from '../random.ts';
import type { Worker } from '../types.ts';

type ConnectOptions = NonNullable<Parameters<MemoryBroker['connect']>[0]>;

export interface TestOptions<Shape extends SettingsShape> extends Pick<StartOptions<Shape>, 'instance' | 'maxAttempts' | 'tracing'> {
  /** They replace the defaults of the worker's settings. */
  readonly settings?: Partial<Values<Shape>>;
  /** Further queues to declare, beside those in `takes` and `gives`. */
  readonly queues?: readonly (string | QueueDeclaration)[];
  /** Faults of the worker's connection to the broker. */
  readonly plan?: NonNullable<ConnectOptions['plan']>;
  readonly log?: Logger;
  readonly random?: Random;
  readonly store?: Store;
  readonly registry?: Registry;
  readonly clock?: VirtualClock;
}

/** What a test puts into a queue. If it has no id, one is made. */
export interface TestMessage {
  readonly id?: string;
  readonly meta?: Meta;
  /** Text and bytes are used as they are, anything else as JSON. */
  readonly body?: unknown;
}

/** A worker on memory drivers and a clock that only the test moves. `await using` stops it. */
export interface TestWorker extends AsyncDisposable {
  readonly clock: VirtualClock;
  /** The test's own connection, without faults. */
  readonly broker: Broker;
  /** The worker's connection. */
  readonly connection: MemoryConnection;
  readonly store: Store;
  readonly registry: Registry;
  readonly metrics: Metrics;
  readonly health: Health;
  readonly worker: RunningWorker;
  /** Puts messages into a queue, through a connection without faults. */
  publish(queue: string, ...messages: TestMessage[]): Promise<void>;
  /** Moves the clock. */
  run(ms: number): Promise<void>;
  /** The ready and delayed messages of a queue. */
  queue(name: string): Promise<StoredMessage[]>;
  /** Stops the worker. Throws if deliveries are unsettled after that. */
  stop(graceMs?: number): Promise<void>;
}

const SECOND = 1000;

/** Starts a worker as `startWorker` does, on memory drivers. The store is not probed. */
export async function testWorker<Shape extends SettingsShape, State>(
  worker: Worker<Shape, State>,
  options: TestOptions<Shape> = {},
): Promise<TestWorker> {
  const clock = options.clock ?? new VirtualClock();
  const random = options.random ?? (() => 0.5);
  const server = new MemoryBroker({ clock });
  const broker = server.connect();
  const connection = server.connect({ ...(options.plan && { plan: options.plan }), name: worker.name });
  const store = options.store ?? new Store(new MemoryStore({ clock }).driver(), { clock });
  const registry = options.registry ?? new MemoryRegistry();
  const metrics = createMetrics();
  const health = createHealth();
  const settings = defaults(worker.settings, options.settings);
  const instance = options.instance ?? `${worker.name}-1`;
  await broker.declare(declarationsOf(worker, settings, instance, options.queues ?? []));
  const starting = startWorker(worker, {
    ...(options.maxAttempts !== undefined && { maxAttempts: options.maxAttempts }),
    ...(options.tracing && { tracing: options.tracing }),
    settings,
    broker: connection,
    store,
    registry,
    clock,
    random,
    log: options.log ?? silentLogger,
    metrics,
    health,
    instance,
    storeIsSafe: true,
  });
  const running = await withClock(clock, starting);
  const stop = async (graceMs = SECOND): Promise<void> => {
    await withClock(clock, running.stop({ graceMs }));
    await clock.advance(SECOND);
    const held = (await broker.queues()).filter((queue) => queue.unacked > 0);
    if (held.length > 0) throw new Error(`${worker.name} still has unsettled messages of ${held.map(({ name }) => name).join(', ')}`);
  };
  const newId = eventIds(clock, () => 0.25);
  return {
    clock,
    broker,
    connection,
    store,
    registry,
    metrics,
    health,
    worker: running,
    publish: (queue, ...messages) =>
      broker.publish(messages.map(({ id = newId(), meta = {}, body }) => ({ queue, id, meta, body: bytesOf(body) }))),
    run: (ms) => clock.advance(ms),
    queue: (name) => listOf(broker.browse(name)),
    stop,
    [Symbol.asyncDispose]: () => stop(),
  };
}

async function listOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

function declarationsOf<Shape extends SettingsShape, State>(
  worker: Worker<Shape, State>,
  settings: Values<Shape>,
  instance: string,
  more: readonly (string | QueueDeclaration)[],
): QueueDeclaration[] {
  const own = new Set(topologyOf(worker, settings, instance).map(({ name }) => name));
  const named = [...(worker.takes?.(settings, instance).map(({ queue }) => queue) ?? []), ...(worker.gives?.(settings) ?? [])];
  const missing = [...named, ...more].filter((queue) => typeof queue !== 'string' || !(own.has(queue) || queue.includes('{')));
  return missing.map((queue) => (typeof queue === 'string' ? { name: queue, kind: 'durable' } : queue));
}

/** Moves the clock until the promise is settled. */
async function withClock<T>(clock: VirtualClock, promise: Promise<T>): Promise<T> {
  let settled = false;
  const end = (): void => {
    settled = true;
  };
  promise.then(end, end);
  await clock.run(() => settled, Number.MAX_SAFE_INTEGER);
  return promise;
}

function bytesOf(body: unknown): Buffer {
  if (Buffer.isBuffer(body)) return body;
  if (body instanceof Uint8Array) return Buffer.from(body);
  if (typeof body === 'string') return Buffer.from(body);
  return Buffer.from(body === undefined ? '' : JSON.stringify(body));
}
