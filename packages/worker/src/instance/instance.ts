import { type BackOff, backOff, type Cancel } from '@blockhub/clock';
import { type BlockhubError, isTransient } from '@blockhub/errors';
import type { Message } from '@blockhub/message';
import type { SettingsShape } from '@blockhub/settings';
import type { Logger } from '@blockhub/telemetry';
import { unlessAborted, whenAborted } from '../abort.ts';
import { causeOf, clean, faultText } from '../error-text.ts';
import { eventIds } from '../random.ts';
import { Releases } from '../releases.ts';
import { PutOff } from '../take/delayed-retries.ts';
import { Taking } from '../take/queue-consumer.ts';
import type { Context, Need, Serving, Take, Worker } from '../types.ts';
import { contextsOf } from './message-log.ts';
import { MessageSpans } from './message-spans.ts';
import { Meters } from './meters.ts';
import { Publisher } from './publisher.ts';
import type { RunningWorker, StartOptions, StopOptions, WorkerState } from './start.ts';
import { topologyOf } from './topology.ts';

const SECOND = 1000;
const MAX_ATTEMPTS = 20;
/** A step that takes longer is told of: its server may be silent for ever. */
const SLOW_MS = 10 * SECOND;
/** Before the end of the grace: what has not ended can say so still. */
const LAST_WORD_MS = SECOND;
const startWait: BackOff = { firstMs: 100, mostMs: 10 * SECOND };

type Writable<T> = { -readonly [Name in keyof T]: T[Name] };

/** One worker at work: the steps of its start, its takes, its end. */
export class Running<Shape extends SettingsShape, State> implements RunningWorker {
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
  readonly #putOff: PutOff;
  readonly #spans: MessageSpans | undefined;
  readonly #context: Writable<Context<Shape, State>>;
  readonly #takes: readonly Take[];
  readonly #takings: Taking[] = [];
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
    this.#putOff = new PutOff({ clock, log, metrics, worker: worker.name });
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
      const lastWordMs = Math.min(LAST_WORD_MS, graceMs / 5);
      this.#graces.push(clock.after(graceMs - lastWordMs, () => this.#nearlyOver.abort()));
      this.#graces.push(clock.after(graceMs, () => this.#endGrace()));
    }
    this.#stopping ??= this.#end('stopped');
    return this.#stopping;
  }

  /** The checklist: each step is logged and seen in health, and tried again while what it needs is away. */
  async start(): Promise<void> {
    const { broker, store, storeIsSafe, health, settings, signal } = this.#options;
    const worker = this.#worker;
    this.#log.info({ state: this.#state }, 'state');
    for (const step of this.#steps()) health.set(this.#check(step), false, 'not yet');
    this.#watchBroker();
    try {
      // Servers may be silent for long; whoever stops the start leaves nothing behind in these two steps.
      await this.#step('queues', () => unlessAborted(signal, broker.declare(topologyOf(worker, settings, this.#instance))));
      if (store && worker.needs.includes('store'))
        await this.#step('store', async () => storeIsSafe || unlessAborted(signal, store.assertSafe()));
      if (worker.setup) this.#context.state = await this.#step('setup', async () => worker.setup?.(this.#context) as Promise<State>);
      this.#releases.add('stop', () => worker.stop?.(this.#context));
      await this.#step('takes', () => this.#startTakes());
      if (worker.serve) this.#serving = await this.#step('serve', async () => worker.serve?.(this.#context));
    } catch (error) {
      const aborted = this.#options.signal?.aborted === true;
      if (!aborted) this.#log.error({ err: error }, 'start failed');
      this.#endGrace();
      this.#stopping ??= this.#end(aborted ? 'stopped' : 'failed');
      await this.#stopping;
      throw error;
    }
    this.#set('running');
  }

  #steps(): string[] {
    const { needs, setup, serve } = this.#worker;
    return ['queues', ...(needs.includes('store') ? ['store'] : []), ...(setup ? ['setup'] : []), 'takes', ...(serve ? ['serve'] : [])];
  }

  async #step<T>(step: string, run: () => Promise<T>): Promise<T> {
    const { clock, random, health, signal } = this.#options;
    for (let failures = 1; ; failures++) {
      signal?.throwIfAborted();
      const answered = clock.after(SLOW_MS, () => this.#tellSlow(step));
      try {
        const value = await run();
        signal?.throwIfAborted();
        health.set(this.#check(step), true);
        this.#log.info({ step }, 'start-up step done');
        return value;
      } catch (error) {
        if (!isTransient(error)) throw error;
        const { code, fix } = error as BlockhubError;
        const reason = causeOf(error);
        health.set(this.#check(step), false, faultText(error));
        this.#log.warn({ step, code, reason, fix, failures }, 'start-up step waits');
      } finally {
        answered();
      }
      await clock.sleep(backOff(failures, startWait, random), signal);
    }
  }

  #tellSlow(step: string): void {
    const { store, health } = this.#options;
    const reason = `not done after ${SLOW_MS / SECOND} s`;
    health.set(this.#check(step), false, reason);
    this.#log.warn({ step, reason, ...(step === 'store' && store && { store: clean(store.url) }) }, 'start-up step waits');
  }

  /** Repeated after a transient failure, it goes on with those that did not start. */
  async #startTakes(): Promise<void> {
    for (const take of this.#takes.slice(this.#takings.length)) {
      const taking = this.#taking(take);
      await taking.start();
      this.#takings.push(taking);
    }
  }

  #taking(take: Take): Taking {
    const { broker, clock, random, health, maxAttempts = MAX_ATTEMPTS } = this.#options;
    const worker = this.#worker;
    const context = this.#context;
    const contextOf = contextsOf(context);
    return new Taking({
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
      putOff: this.#putOff,
      draining: this.#draining.signal,
      check: this.#check(`take ${take.queue}`),
    });
  }

  async #end(state: 'stopped' | 'failed'): Promise<void> {
    this.#set('draining');
    this.#options.health.set(this.#check('takes'), false, 'draining');
    // Takes close their doors before handlers hear of it, so that nothing comes in behind those that give up.
    const drained = [...this.#takings.map((taking) => taking.drain()), this.#closeServing()];
    this.#draining.abort();
    this.#putOff.end();
    await Promise.race([Promise.all(drained), whenAborted(this.#graceOver.signal)]);
    const left = this.#takings.reduce((sum, taking) => sum + taking.abandon(), 0);
    if (left > 0) this.#log.warn({ messages: left }, 'grace is over, messages put back');
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
    // Why it is not connected may change while it is not.
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
      // Nobody sees it before `setup` gave it, but `setup`, whose type hides it.
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
  if (!needs.includes(need) || part === undefined) throw new TypeError(`${name} does not say that it needs a ${need}`);
  return part;
}

/** Mistakes of whoever wrote the worker or put it together. */
function checkParts(worker: Worker, options: Pick<StartOptions, Need>, takes: readonly Take[]): void {
  for (const need of worker.needs) if (!options[need]) throw new TypeError(`${worker.name} needs a ${need}`);
  for (const { queue, batch } of takes) {
    const handler = batch ? 'handleBatch' : 'handle';
    if (!worker[handler]) throw new TypeError(`${worker.name} takes ${queue} and has no ${handler}`);
  }
}
