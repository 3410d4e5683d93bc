import type { Cancel } from '@blockhub/clock';
import type { Message } from '@blockhub/message';
import type { SettingsShape } from '@blockhub/settings';
import type { Logger } from '@blockhub/telemetry';
import { unlessAborted, whenAborted } from '../abort.ts';
import { faultText } from '../error-text.ts';
import { eventIds } from '../random.ts';
import { Releases } from '../releases.ts';
import { DelayedRetries } from '../take/delayed-retries.ts';
import { QueueConsumer } from '../take/queue-consumer.ts';
import type { Context, Need, Serving, Take, Worker } from '../types.ts';
import { contextsOf } from './message-log.ts';
import { MessageSpans } from './message-spans.ts';
import { Meters } from './meters.ts';
import { Publisher } from './publisher.ts';
import type { RunningWorker, StartOptions, StopOptions, WorkerState } from './running-worker.ts';
import { StartSteps } from './start-steps.ts';
import { topologyOf } from './topology.ts';

const SECOND = 1000;
const MAX_ATTEMPTS = 20;
/** So long before the end of the grace a server still answers the requests that have not ended. */
const LAST_ANSWERS_MS = SECOND;

type Writable<T> = { -readonly [Name in keyof T]: T[Name] };

/**
 * Starts a worker on parts that the caller opened; resolves when it runs. On a VirtualClock and
 * seeded randomness it is a function of its seed. If broker or store are away, the start waits. All
 * other errors are thrown after everything was released: STORE_UNSAFE, the errors of `setup` and
 * `serve`, the reason of `signal`.
 */
export async function startWorker<Shape extends SettingsShape, State>(
  worker: Worker<Shape, State>,
  options: StartOptions<Shape>,
): Promise<RunningWorker> {
  const instance = new WorkerInstance(worker, options);
  await instance.start();
  return instance;
}

class WorkerInstance<Shape extends SettingsShape, State> implements RunningWorker {
  readonly stopped: Promise<void>;
  readonly #worker: Worker<Shape, State>;
  readonly #options: StartOptions<Shape>;
  readonly #log: Logger;
  readonly #instance: string;
  readonly #newEvent: () => string;
  readonly #draining = new AbortController();
  readonly #graceOver = new AbortController();
  readonly #nearlyOver = new AbortController();
  readonly #graces: Cancel[] = [];
  readonly #releases: Releases;
  readonly #publisher: Publisher;
  readonly #meters: Meters;
  readonly #delayedRetries: DelayedRetries;
  readonly #spans: MessageSpans | undefined;
  readonly #context: Writable<Context<Shape, State>>;
  readonly #takes: readonly Take[];
  readonly #consumers: QueueConsumer[] = [];
  readonly #ended: () => void;
  #serving: Serving | undefined;
  #state: WorkerState = 'starting';
  #stopping: Promise<void> | undefined;

  constructor(worker: Worker<Shape, State>, options: StartOptions<Shape>) {
    const { settings, broker, clock, random, health, metrics, tracing } = options;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.stopped = promise;
    this.#ended = resolve;
    this.#worker = worker;
    this.#options = options;
    this.#newEvent = eventIds(clock, random);
    this.#instance = options.instance ?? `${worker.name}-${this.#newEvent().slice(-12)}`;
    const log = options.log.child({ worker: worker.name, instance: this.#instance });
    this.#log = log;
    this.#takes = worker.takes?.(settings, this.#instance) ?? [];
    checkParts(worker, options, this.#takes);
    this.#spans = tracing && new MessageSpans(tracing, worker.name);
    this.#meters = new Meters(metrics, worker.name, worker.gives?.(settings) ?? []);
    this.#delayedRetries = new DelayedRetries({ clock, log, metrics, worker: worker.name });
    this.#releases = new Releases((name, error) => log.error({ part: name, err: error }, 'could not be released'));
    const draining = this.#draining.signal;
    const check = this.#check('publishing');
    this.#publisher = new Publisher({ broker, clock, random, log, health, meters: this.#meters, spans: this.#spans, draining, check });
    this.#context = this.#makeContext();
  }

  get state(): WorkerState {
    return this.#state;
  }

  stop({ graceMs }: StopOptions): Promise<void> {
    if (this.#state === 'stopped' || this.#state === 'failed') return this.stopped;
    const { clock } = this.#options;
    if (graceMs <= 0) this.#endGrace();
    else {
      const lastMs = Math.min(LAST_ANSWERS_MS, graceMs / 5);
      this.#graces.push(clock.after(graceMs - lastMs, () => this.#nearlyOver.abort()));
      this.#graces.push(clock.after(graceMs, () => this.#endGrace()));
    }
    this.#stopping ??= this.#end('stopped');
    return this.#stopping;
  }

  async start(): Promise<void> {
    const { broker, store, storeIsSafe, settings, signal } = this.#options;
    const worker = this.#worker;
    this.#log.info({ state: this.#state }, 'state');
    const steps = this.#steps();
    this.#watchBroker();
    try {
      // A server may never answer. An aborted start need not wait for it in these two steps.
      await steps.run('queues', () => unlessAborted(signal, broker.declare(topologyOf(worker, settings, this.#instance))));
      if (store && worker.needs.includes('store'))
        await steps.run('store', async () => storeIsSafe || unlessAborted(signal, store.assertSafe()));
      if (worker.setup) this.#context.state = await steps.run('setup', async () => worker.setup?.(this.#context) as Promise<State>);
      this.#releases.add('stop', () => worker.stop?.(this.#context));
      await steps.run('takes', () => this.#startTakes());
      if (worker.serve) this.#serving = await steps.run('serve', async () => worker.serve?.(this.#context));
    } catch (error) {
      const aborted = signal?.aborted === true;
      if (!aborted) this.#log.error({ err: error }, 'start failed');
      this.#endGrace();
      this.#stopping ??= this.#end(aborted ? 'stopped' : 'failed');
      await this.#stopping;
      throw error;
    }
    this.#set('running');
  }

  #steps(): StartSteps {
    const { needs, setup, serve } = this.#worker;
    const names = [
      'queues',
      ...(needs.includes('store') ? ['store'] : []),
      ...(setup ? ['setup'] : []),
      'takes',
      ...(serve ? ['serve'] : []),
    ];
    return new StartSteps({ ...this.#options, log: this.#log, check: (step) => this.#check(step) }, names);
  }

  /** After a transient error it is called again, for the takes that have not started. */
  async #startTakes(): Promise<void> {
    for (const take of this.#takes.slice(this.#consumers.length)) {
      const consumer = this.#makeConsumer(take);
      await consumer.start();
      this.#consumers.push(consumer);
    }
  }

  #makeConsumer(take: Take): QueueConsumer {
    const { broker, clock, random, health, maxAttempts = MAX_ATTEMPTS } = this.#options;
    const worker = this.#worker;
    const context = this.#context;
    const contextOf = contextsOf(context);
    return new QueueConsumer({
      take,
      broker,
      clock,
      random,
      health,
      maxAttempts,
      log: this.#log.child({ queue: take.queue }),
      handle: (message: Message) => worker.handle?.(message, contextOf(message)),
      handleBatch: (messages: readonly Message[]) => worker.handleBatch?.(messages, context),
      publish: (messages, from) => this.#publisher.publish(messages, from),
      spans: this.#spans,
      meters: this.#meters.take(take.queue),
      delayedRetries: this.#delayedRetries,
      draining: this.#draining.signal,
      check: this.#check(`take ${take.queue}`),
    });
  }

  async #end(state: 'stopped' | 'failed'): Promise<void> {
    this.#set('draining');
    this.#options.health.set(this.#check('takes'), false, 'draining');
    // Consumers are cancelled first, so that no message comes in that a draining handler gives up.
    const drained = [...this.#consumers.map((consumer) => consumer.drain()), this.#closeServing()];
    this.#draining.abort();
    this.#delayedRetries.end();
    await Promise.race([Promise.all(drained), whenAborted(this.#graceOver.signal)]);
    const left = this.#consumers.reduce((sum, consumer) => sum + consumer.abandon(), 0);
    if (left > 0) this.#log.warn({ messages: left }, 'grace is over, messages released');
    await this.#releases.run();
    for (const cancel of this.#graces) cancel();
    this.#set(state);
    this.#ended();
  }

  #endGrace(): void {
    this.#nearlyOver.abort();
    this.#graceOver.abort();
  }

  async #closeServing(): Promise<void> {
    try {
      await this.#serving?.close(this.#graceOver.signal, this.#nearlyOver.signal);
    } catch (error) {
      this.#log.error({ part: 'serve', err: error }, 'could not be released');
    }
  }

  #watchBroker(): void {
    const { broker, health } = this.#options;
    // A function, since the reason may change while the broker is disconnected.
    const detail = (): string =>
      broker.state === 'connected' || !broker.trouble ? broker.state : `${broker.state}: ${faultText(broker.trouble)}`;
    const show = (): void => health.set('broker', broker.state === 'connected', detail);
    show();
    this.#releases.add('broker watch', broker.onState(show));
  }

  #set(state: WorkerState): void {
    this.#log.info({ from: this.#state, state }, 'state');
    this.#state = state;
  }

  #check(part: string): string {
    return `${this.#worker.name}: ${part}`;
  }

  #makeContext(): Context<Shape, State> {
    const { settings, broker, clock, random, health, metrics, tracing, store, registry } = this.#options;
    const worker = this.#worker;
    return {
      settings,
      // Set after `setup`, whose type of the context has no state.
      state: undefined as State,
      log: this.#log,
      metrics,
      health,
      tracing,
      clock,
      random,
      newEvent: this.#newEvent,
      instance: this.#instance,
      get store() {
        return needed(worker, 'store', store);
      },
      get registry() {
        return needed(worker, 'registry', registry);
      },
      broker,
      publish: (messages, from) => this.#publisher.publish(messages, from),
      draining: this.#draining.signal,
    };
  }
}

function needed<T>({ name, needs }: { readonly name: string; readonly needs: readonly Need[] }, need: Need, part: T | undefined): T {
  if (!needs.includes(need) || part === undefined) throw new TypeError(`${name} does not have '${need}' in its needs`);
  return part;
}

/** Finds mistakes in the definition of the worker, or in what it was started with. */
function checkParts(worker: Worker, options: Pick<StartOptions, Need>, takes: readonly Take[]): void {
  for (const need of worker.needs) if (!options[need]) throw new TypeError(`${worker.name} needs a ${need}, which was not given`);
  for (const { queue, batch } of takes) {
    const handler = batch ? 'handleBatch' : 'handle';
    if (!worker[handler]) throw new TypeError(`${worker.name} takes ${queue}, so it must have ${handler}`);
  }
}
