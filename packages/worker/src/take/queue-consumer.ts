import type { Broker, Consumer, Delivery, Outgoing } from '@blockhub/broker';
import type { Cancel, Clock } from '@blockhub/clock';
import { errorCode, isTransient } from '@blockhub/errors';
import type { Message } from '@blockhub/message';
import type { Health, Logger } from '@blockhub/telemetry';
import { factsOf } from '../instance/message-log.ts';
import type { MessageSpans } from '../instance/message-spans.ts';
import type { TakeMeters } from '../instance/meters.ts';
import { Limiter } from '../limiter.ts';
import { done, isList, type Outcome } from '../outcome.ts';
import type { Random } from '../random.ts';
import type { BatchHandled, Handled, Take } from '../types.ts';
import { Batches } from './batches.ts';
import type { PutOff } from './delayed-retries.ts';
import { type Run, Runs } from './invocations.ts';
import { Pause } from './pause.ts';
import { Settler } from './settlement.ts';
import { type Held, hold } from './unsettled.ts';

const DEFAULT_PREFETCH = 100;
const WARN_EVERY_MS = 1000;

export interface TakingParts {
  readonly take: Take;
  /** The worker's handlers, bound to its context. */
  readonly handle: (message: Message) => Handled;
  readonly handleBatch: (messages: readonly Message[]) => BatchHandled;
  readonly publish: (messages: readonly Outgoing[], from: readonly Message[]) => Promise<void>;
  /** Where traces are recorded. */
  readonly spans: MessageSpans | undefined;
  readonly broker: Broker;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly health: Health;
  readonly meters: TakeMeters;
  /** Of all takes of the worker. */
  readonly putOff: PutOff;
  readonly draining: AbortSignal;
  readonly maxAttempts: number;
  /** Name of its health check. */
  readonly check: string;
}

/** A take at work: deliveries go one by one or by the batch policy to the handlers, and what these give is made true. */
export class Taking {
  readonly #parts: TakingParts;
  readonly #prefetch: number;
  readonly #batches: Batches | undefined;
  readonly #runs: Runs;
  readonly #settler: Settler;
  readonly #pause: Pause;
  /** What the key of a batch threw, for a message that is a run of its own then: who drains waits for its dead letter too. */
  readonly #keyless = new WeakMap<Held, unknown>();
  #consumer: Consumer | undefined;
  #held = 0;
  #stopped = false;
  #timer: Cancel | undefined;

  constructor(parts: TakingParts) {
    const { take, clock, random, log, health, check, publish, spans, draining, maxAttempts, meters, putOff } = parts;
    const limiter = new Limiter(clock, WARN_EVERY_MS);
    this.#parts = parts;
    this.#prefetch = prefetchOf(take);
    this.#pause = new Pause({ clock, random, log, health, check, resume: () => this.#runs.resume() });
    this.#settler = new Settler({
      clock,
      random,
      draining,
      maxAttempts,
      meters,
      // Where nobody records spans, only the trace of one message alone goes on.
      publish: (messages, run) => publish(messages, spans || run.length === 1 ? messagesOf(run) : []),
      pause: (error) => this.#pause.begin(error),
      putOff: (delay, messages) => putOff.add(delay, messages),
      warn: (message, facts, text) => limiter.run((suppressed) => log.warn({ ...factsOf(message), ...facts, suppressed }, text)),
    });
    this.#runs = new Runs({
      clock,
      most: this.#prefetch,
      paused: () => this.#pause.on,
      work: spans ? this.#inSpans(spans) : (run) => this.#work(run),
      freed: (deliveries) => this.#free(deliveries),
      tooLong: ({ held: [first] }) => log.error(first ? factsOf(first.message) : {}, 'handler took too long, message put back'),
    });
    if (take.batch) {
      const handle = (held: Held[]): void => this.#runs.start(held);
      this.#batches = new Batches(take.batch, this.#prefetch, { handle, putBack: (held) => this.#runs.putBack(held) });
    }
  }

  async start(): Promise<void> {
    const { broker, take } = this.#parts;
    this.#consumer = await broker.consume(take.queue, { prefetch: this.#prefetch }, (delivery) => this.#take(delivery));
  }

  /** Takes nothing more, lets batches go, puts back what has not started; resolves when nothing is held. Never rejects. */
  async drain(): Promise<void> {
    this.#stopped = true;
    const { log } = this.#parts;
    const cancelled = this.#consumer?.cancel().catch((error: unknown) => {
      log.warn({ code: errorCode(error) }, 'consumer cannot be cancelled');
    });
    this.#timer?.();
    this.#pause.end();
    this.#runs.unpark();
    this.#batches?.flush();
    await this.#runs.idle();
    await cancelled;
  }

  /** Puts back all that is still held; gives how many deliveries that were. */
  abandon(): number {
    const left = this.#held;
    this.#pause.end();
    this.#runs.abandon();
    return left;
  }

  #take(delivery: Delivery): void {
    if (this.#stopped) {
      delivery.release();
      return;
    }
    this.#held++;
    this.#parts.meters.taken();
    this.#parts.meters.held(1);
    const held = hold(delivery);
    if (this.#batches) this.#addToBatch(this.#batches, held);
    else this.#runs.start([held]);
  }

  #addToBatch(batches: Batches, held: Held): void {
    try {
      batches.add(held, this.#parts.clock.ticks());
    } catch (error) {
      this.#keyless.set(held, error);
      this.#runs.start([held]);
      return;
    }
    batches.relieve(this.#held);
    if (!this.#timer) this.#setTimer();
  }

  #free(deliveries: number): void {
    this.#held -= deliveries;
    this.#parts.meters.held(-deliveries);
  }

  /** One timer for the oldest batch; it only looks, so it need not follow every batch that goes. */
  #setTimer(): void {
    const { clock } = this.#parts;
    const at = this.#batches?.dueAt;
    this.#timer?.();
    this.#timer = undefined;
    if (at === undefined) return;
    this.#timer = clock.after(Math.max(0, at - clock.ticks()), () => {
      this.#timer = undefined;
      this.#batches?.expire(clock.ticks());
      this.#setTimer();
    });
  }

  #work(run: Run): Promise<void> | undefined {
    if (!this.#batches) return this.#workOne(run);
    const [first] = run.held;
    if (first && this.#keyless.has(first)) return this.#fail(run, run.held, this.#keyless.get(first));
    return this.#workBatch(run, run.held);
  }

  #inSpans(spans: MessageSpans): (run: Run) => Promise<void> | undefined {
    return (run) => {
      const end = spans.begin(messagesOf(run.held));
      const work = this.#work(run);
      if (!end || work) return end ? work?.finally(end) : work;
      end();
      return undefined;
    };
  }

  /** Without a promise where the handler needs none. */
  #workOne(run: Run): Promise<void> | undefined {
    const [held] = run.held as [Held];
    const failed = (error: unknown): Promise<void> => this.#fail(run, run.held, error);
    try {
      const given = this.#parts.handle(held.message);
      if (isPromise(given)) return given.then((outcome) => this.#settleOne(run, held, outcome ?? done())).catch(failed);
      return this.#settleOne(run, held, given ?? done())?.catch(failed);
    } catch (error) {
      return failed(error);
    }
  }

  #settleOne(run: Run, held: Held, outcome: Outcome): Promise<void> | undefined {
    if (run.over) return;
    if (outcome.kind !== 'done' || outcome.messages.length > 0) {
      return this.#settle(run.held, outcome).then(() => this.#succeeded(run));
    }
    this.#settler.ackOne(held);
    this.#succeeded(run);
    return;
  }

  async #workBatch(run: Run, part: readonly Held[]): Promise<void> {
    try {
      const outcome = await this.#parts.handleBatch(part.map((held) => held.message));
      if (run.over) return;
      await this.#settle(part, outcome ?? done());
      if (part === run.held) this.#succeeded(run);
    } catch (error) {
      if (part.length === 1 || isTransient(error)) return this.#fail(run, part, error);
      // Which message is to blame? Its neighbours must not share its dead letter.
      await this.#workBatch(run, part.slice(0, part.length >> 1));
      await this.#workBatch(run, part.slice(part.length >> 1));
    }
  }

  /** Spans of what is rejected went wrong. */
  #settle(part: readonly Held[], outcome: Outcome | readonly Outcome[]): Promise<void> {
    const { spans } = this.#parts;
    if (spans)
      for (const [at, { message }] of part.entries()) {
        const own = isList(outcome) ? outcome[at] : outcome;
        if (own?.kind === 'reject') spans.fail([message], own.code);
      }
    return this.#settler.settle(part, outcome);
  }

  async #fail(run: Run, part: readonly Held[], error: unknown): Promise<void> {
    this.#parts.spans?.fail(messagesOf(part), errorCode(error));
    if (!run.over) await this.#settler.fail(part, error);
  }

  #succeeded(run: Run): void {
    this.#pause.succeeded();
    const ms = this.#parts.clock.ticks() - run.startedAt;
    // The wait may have become shorter than the one that the timer knows.
    if (this.#batches?.took(ms)) this.#setTimer();
    this.#parts.meters.handled(ms);
  }
}

const isPromise = (given: Handled): given is Extract<Handled, Promise<unknown>> =>
  typeof (given as { then?: unknown } | undefined)?.then === 'function';

function prefetchOf({ queue, prefetch, batch }: Take): number {
  const most = prefetch ?? (batch ? 2 * batch.max : DEFAULT_PREFETCH);
  if (!(Number.isInteger(most) && most > 0)) throw new RangeError(`prefetch of ${queue} must be an integer from 1`);
  if (batch && !(batch.max > 0 && batch.ttlMs >= 0 && (batch.mostTtlMs ?? 0) >= 0 && (batch.min ?? 1) <= batch.max))
    throw new RangeError(`batch policy of ${queue} must have 1 ≤ min ≤ max, and ttlMs and mostTtlMs ≥ 0`);
  return most;
}

const messagesOf = (held: readonly Held[]): Message[] => held.map(({ message }) => message);
