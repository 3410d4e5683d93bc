import type { Broker, Consumer, Delivery, Outgoing } from '@blockhub/broker';
import { type Cancel, type Clock, Pace } from '@blockhub/clock';
import { errorCode, isTransient } from '@blockhub/errors';
import type { Message } from '@blockhub/message';
import type { Health, Logger } from '@blockhub/telemetry';
import { factsOf } from '../instance/message-log.ts';
import type { MessageSpans } from '../instance/message-spans.ts';
import type { TakeMeters } from '../instance/meters.ts';
import { done, isList, type Outcome } from '../outcome.ts';
import type { Random } from '../random.ts';
import type { BatchHandled, Handled, Take } from '../types.ts';
import { Batches } from './batches.ts';
import type { DelayedRetries } from './delayed-retries.ts';
import { type Invocation, Invocations } from './invocations.ts';
import { Pause } from './pause.ts';
import { Settlement } from './settlement.ts';
import { messagesOf, type Unsettled, unsettledOf } from './unsettled.ts';

const DEFAULT_PREFETCH = 100;
const WARN_EVERY_MS = 1000;

export interface QueueConsumerParts {
  readonly take: Take;
  /** The worker's handlers, bound to its context. */
  readonly handle: (message: Message) => Handled;
  readonly handleBatch: (messages: readonly Message[]) => BatchHandled;
  readonly publish: (messages: readonly Outgoing[], from: readonly Message[]) => Promise<void>;
  /** Undefined if no traces are recorded. */
  readonly spans: MessageSpans | undefined;
  readonly broker: Broker;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly health: Health;
  readonly meters: TakeMeters;
  /** Of all takes of the worker. */
  readonly delayedRetries: DelayedRetries;
  readonly draining: AbortSignal;
  readonly maxAttempts: number;
  /** Name of its health check. */
  readonly check: string;
}

/** Consumes the queue of a take: passes deliveries to the handlers and settles them. */
export class QueueConsumer {
  readonly #parts: QueueConsumerParts;
  readonly #prefetch: number;
  readonly #batches: Batches | undefined;
  readonly #invocations: Invocations;
  readonly #settlement: Settlement;
  readonly #pause: Pause;
  /** What `key` threw. Such a message is an invocation: draining waits for its dead letter. */
  readonly #keyErrors = new WeakMap<Unsettled, unknown>();
  #consumer: Consumer | undefined;
  #unsettled = 0;
  #stopped = false;
  #timer: Cancel | undefined;

  constructor(parts: QueueConsumerParts) {
    const { take, clock, random, log, health, check, publish, spans, draining, maxAttempts, meters, delayedRetries } = parts;
    const pace = new Pace(clock, WARN_EVERY_MS);
    this.#parts = parts;
    this.#prefetch = prefetchOf(take);
    this.#pause = new Pause({ clock, random, log, health, check, resume: () => this.#invocations.resume() });
    this.#settlement = new Settlement({
      clock,
      random,
      draining,
      maxAttempts,
      meters,
      // If no spans are recorded, only the trace of a single message goes on.
      publish: (messages, from) => publish(messages, spans || from.length === 1 ? messagesOf(from) : []),
      pause: (error) => this.#pause.begin(error),
      delayed: (delay, deliveries) => delayedRetries.add(delay, deliveries),
      warn(message, facts, text) {
        const passed = pace.pass();
        if (passed > 0) log.warn({ ...factsOf(message), ...facts, suppressed: passed - 1 }, text);
      },
    });
    this.#invocations = new Invocations({
      clock,
      most: this.#prefetch,
      paused: () => this.#pause.on,
      work: spans ? this.#inSpans(spans) : (invocation) => this.#work(invocation),
      freed: (deliveries) => this.#free(deliveries),
      tooLong: ({ messages: [first] }) => log.error(first ? factsOf(first.message) : {}, 'handler took too long, message released'),
    });
    if (take.batch) {
      const handle = (messages: Unsettled[]): void => this.#invocations.start(messages);
      this.#batches = new Batches(take.batch, this.#prefetch, { handle, release: (messages) => this.#invocations.release(messages) });
    }
  }

  async start(): Promise<void> {
    const { broker, take } = this.#parts;
    this.#consumer = await broker.consume(take.queue, { prefetch: this.#prefetch }, (delivery) => this.#take(delivery));
  }

  /** Cancels the consumer. Resolves when every delivery is settled or released; never rejects. */
  async drain(): Promise<void> {
    this.#stopped = true;
    const { log } = this.#parts;
    const cancelled = this.#consumer?.cancel().catch((error: unknown) => {
      log.warn({ code: errorCode(error) }, 'consumer cannot be cancelled');
    });
    this.#timer?.();
    this.#pause.end();
    this.#invocations.releaseWaiting();
    this.#batches?.flush();
    await this.#invocations.idle();
    await cancelled;
  }

  /** Releases every delivery that is not settled, and returns how many there were. */
  abandon(): number {
    const left = this.#unsettled;
    this.#pause.end();
    this.#invocations.abandon();
    return left;
  }

  #take(delivery: Delivery): void {
    if (this.#stopped) {
      delivery.release();
      return;
    }
    this.#unsettled++;
    this.#parts.meters.taken();
    this.#parts.meters.held(1);
    const one = unsettledOf(delivery);
    if (this.#batches) this.#addToBatch(this.#batches, one);
    else this.#invocations.start([one]);
  }

  #addToBatch(batches: Batches, one: Unsettled): void {
    try {
      batches.add(one, this.#parts.clock.ticks());
    } catch (error) {
      this.#keyErrors.set(one, error);
      this.#invocations.start([one]);
      return;
    }
    batches.relieve(this.#unsettled);
    if (!this.#timer) this.#setTimer();
  }

  #free(deliveries: number): void {
    this.#unsettled -= deliveries;
    this.#parts.meters.held(-deliveries);
  }

  /** One timer for the oldest batch. It is not moved when a batch goes: it then finds nothing. */
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

  #work(invocation: Invocation): Promise<void> | undefined {
    if (!this.#batches) return this.#handleOne(invocation);
    const [first] = invocation.messages;
    if (first && this.#keyErrors.has(first)) return this.#fail(invocation, invocation.messages, this.#keyErrors.get(first));
    return this.#handleBatch(invocation, invocation.messages);
  }

  #inSpans(spans: MessageSpans): (invocation: Invocation) => Promise<void> | undefined {
    return (invocation) => {
      const end = spans.begin(messagesOf(invocation.messages));
      const work = this.#work(invocation);
      if (!end || work) return end ? work?.finally(end) : work;
      end();
      return undefined;
    };
  }

  /** Creates no promise if the handler returns none. */
  #handleOne(invocation: Invocation): Promise<void> | undefined {
    const [one] = invocation.messages as [Unsettled];
    const failed = (error: unknown): Promise<void> => this.#fail(invocation, invocation.messages, error);
    try {
      const given = this.#parts.handle(one.message);
      if (isPromise(given)) return given.then((outcome) => this.#settleOne(invocation, one, outcome ?? done())).catch(failed);
      return this.#settleOne(invocation, one, given ?? done())?.catch(failed);
    } catch (error) {
      return failed(error);
    }
  }

  #settleOne(invocation: Invocation, one: Unsettled, outcome: Outcome): Promise<void> | undefined {
    if (invocation.over) return;
    if (outcome.kind !== 'done' || outcome.messages.length > 0) {
      return this.#settle(invocation.messages, outcome).then(() => this.#succeeded(invocation));
    }
    this.#settlement.ackOne(one);
    this.#succeeded(invocation);
    return;
  }

  async #handleBatch(invocation: Invocation, part: readonly Unsettled[]): Promise<void> {
    try {
      const outcome = await this.#parts.handleBatch(messagesOf(part));
      if (invocation.over) return;
      await this.#settle(part, outcome ?? done());
      if (part === invocation.messages) this.#succeeded(invocation);
    } catch (error) {
      if (part.length === 1 || isTransient(error)) return this.#fail(invocation, part, error);
      // Halved until the failing message is alone: the others must not become dead letters too.
      await this.#handleBatch(invocation, part.slice(0, part.length >> 1));
      await this.#handleBatch(invocation, part.slice(part.length >> 1));
    }
  }

  /** The spans of rejected messages are marked as failed. */
  #settle(part: readonly Unsettled[], outcome: Outcome | readonly Outcome[]): Promise<void> {
    const { spans } = this.#parts;
    if (spans)
      for (const [at, { message }] of part.entries()) {
        const own = isList(outcome) ? outcome[at] : outcome;
        if (own?.kind === 'reject') spans.fail([message], own.code);
      }
    return this.#settlement.settle(part, outcome);
  }

  async #fail(invocation: Invocation, part: readonly Unsettled[], error: unknown): Promise<void> {
    this.#parts.spans?.fail(messagesOf(part), errorCode(error));
    if (!invocation.over) await this.#settlement.fail(part, error);
  }

  #succeeded(invocation: Invocation): void {
    this.#pause.succeeded();
    const ms = this.#parts.clock.ticks() - invocation.startedAt;
    if (this.#batches?.took(ms)) this.#setTimer();
    this.#parts.meters.handled(ms);
  }
}

const isPromise = (given: Handled): given is Extract<Handled, Promise<unknown>> =>
  typeof (given as { then?: unknown } | undefined)?.then === 'function';

function prefetchOf({ queue, prefetch, batch }: Take): number {
  const most = prefetch ?? (batch ? 2 * batch.max : DEFAULT_PREFETCH);
  if (!(Number.isInteger(most) && most > 0)) throw new RangeError(`the prefetch of ${queue} must be an integer from 1`);
  if (batch && !(batch.max > 0 && batch.ttlMs >= 0 && (batch.mostTtlMs ?? 0) >= 0 && (batch.min ?? 1) <= batch.max))
    throw new RangeError(`the batch policy of ${queue} must have 1 ≤ min ≤ max, and ttlMs and mostTtlMs ≥ 0`);
  return most;
}
