import type { Outgoing } from '@blockhub/broker';
import { type BackOff, backOff, type Clock } from '@blockhub/clock';
import { BlockhubError, errorCode, isTransient } from '@blockhub/errors';
import { deadLetter, type Message } from '@blockhub/message';
import { causeOf, clean } from '../error-text.ts';
import type { TakeMeters } from '../instance/meters.ts';
import { isList, type Outcome } from '../outcome.ts';
import type { Random } from '../random.ts';
import type { Delay } from './delayed-retries.ts';
import { ack, deliveriesOf, type Held, release, retryLater } from './unsettled.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
/** For what others will repair soon. */
const transientWait: BackOff = { firstMs: 100, mostMs: 30 * SECOND };
/** For what somebody may have to repair: 20 tries take about an hour. */
const unknownWait: BackOff = { firstMs: 250, mostMs: 5 * MINUTE };
const failedFix = 'See the lines "handler failed, trying again" in the log; after its last try the message becomes a dead letter.';
const MAX_EXCUSED = 10_000;

export interface SettlerParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly draining: AbortSignal;
  readonly maxAttempts: number;
  readonly meters: TakeMeters;
  /** `run`: what they were made from. */
  publish(messages: readonly Outgoing[], run: readonly Held[]): Promise<void>;
  /** Transport fails; gives how long the take pauses. */
  pause(error: BlockhubError): number;
  /** A message comes again later. */
  putOff(delay: Delay, messages: number): void;
  /** Something failed with this message that an operator may want to know. */
  warn(message: Message, facts: object, text: string): void;
}

/** Makes outcomes true at the broker, by the table in `outcome.ts`. */
export class Settler {
  readonly #parts: SettlerParts;
  /** Attempts that were no failures of the message, by id: they do not count against it. Forgotten at the end of the process, which only makes it stricter. */
  readonly #excused = new Map<string, number>();

  constructor(parts: SettlerParts) {
    this.#parts = parts;
  }

  /** Nothing is settled when it throws. One outcome is for all; a list has one for each. */
  async settle(run: readonly Held[], outcome: Outcome | readonly Outcome[]): Promise<void> {
    const each = isList(outcome);
    if (each && outcome.length !== run.length) throw new Error(`${outcome.length} outcomes for ${run.length} messages`);
    const messages = each ? this.#publishesOfEach(run, outcome) : this.#publishesOfAll(run, outcome);
    if (messages.length > 0) await this.#parts.publish(messages, run);
    if (!each && outcome.kind === 'done') return this.#ackAll(run);
    let acked = 0;
    for (const [at, held] of run.entries()) {
      const own = each ? (outcome[at] as Outcome) : outcome;
      if (own.kind === 'retry') this.#retry(held, own);
      else this.#ack(held);
      if (own.kind === 'done') acked++;
      if (own.kind === 'reject') this.#parts.meters.rejected(own.code);
    }
    this.#parts.meters.done(acked);
  }

  /** What a handler threw, or publishing did. A run of several is only given with a transient error: else its handler is asked for each. */
  async fail(run: readonly Held[], error: unknown): Promise<void> {
    if (isTransient(error)) return this.#failTransient(run, error as BlockhubError);
    for (const held of run) {
      const text = causeOf(error);
      if (error instanceof BlockhubError) {
        const { path } = error.details;
        await this.#bury(held, error.code, text, typeof path === 'string' ? { path } : {});
      } else await this.#failUnknown(held, errorCode(error), text);
    }
  }

  /** The way without a publish, which most messages of some workers go. */
  ackOne(held: Held): void {
    this.#ack(held);
    this.#parts.meters.done(1);
  }

  #ackAll(run: readonly Held[]): void {
    for (const held of run) this.#ack(held);
    this.#parts.meters.done(run.length);
  }

  #ack(held: Held): void {
    ack(held);
    if (this.#excused.size > 0) this.#excused.delete(held.message.id);
  }

  #publishesOfAll(run: readonly Held[], outcome: Outcome): readonly Outgoing[] {
    if (outcome.kind === 'done') return outcome.messages;
    return outcome.kind === 'reject' ? run.map((held) => this.#letter(held.message, outcome)) : [];
  }

  #publishesOfEach(run: readonly Held[], outcomes: readonly Outcome[]): readonly Outgoing[] {
    const messages: Outgoing[] = [];
    outcomes.forEach((outcome, at) => {
      if (outcome.kind === 'done') messages.push(...outcome.messages);
      else if (outcome.kind === 'reject') messages.push(this.#letter((run[at] as Held).message, outcome));
    });
    return messages;
  }

  #letter(message: Message, { code, reason, path, cause }: Extract<Outcome, { kind: 'reject' }>): Outgoing {
    this.#parts.warn(message, { code, path, reason: clean(reason) }, 'message rejected');
    const where = { ...(path === undefined ? {} : { path }), ...(cause === undefined ? {} : { cause }) };
    return deadLetter(message, { code, message: clean(reason), now: this.#parts.clock.now(), ...where });
  }

  #retry(held: Held, { afterMs, reason, fix }: Extract<Outcome, { kind: 'retry' }>): void {
    // Whoever waited while the worker drained gives up and has not failed.
    if (afterMs <= 0 && this.#parts.draining.aborted) {
      release(held);
      return;
    }
    this.#excuse(held.message.id);
    this.#later(held, { afterMs, kind: 'asked', reason, fix });
    this.#parts.meters.retried(1);
  }

  #later(held: Held, delay: Delay): void {
    retryLater(held, delay.afterMs);
    this.#parts.putOff(delay, deliveriesOf(held));
  }

  #failTransient(run: readonly Held[], error: BlockhubError): void {
    if (this.#parts.draining.aborted) {
      run.forEach(release);
      return;
    }
    const { random, meters, pause } = this.#parts;
    const pauseMs = isTransport(error) ? pause(error) : 0;
    for (const held of run) {
      this.#excuse(held.message.id);
      const afterMs = Math.max(pauseMs, backOff(held.message.attempts + 1, transientWait, random));
      this.#later(held, { afterMs, kind: 'transient', reason: `${error.code}: ${error.message}`, fix: error.fix });
    }
    meters.retried(run.length);
  }

  #excuse(id: string): void {
    const count = (this.#excused.get(id) ?? 0) + 1;
    this.#excused.delete(id);
    this.#excused.set(id, count);
    if (this.#excused.size <= MAX_EXCUSED) return;
    for (const oldest of this.#excused.keys()) {
      this.#excused.delete(oldest);
      return;
    }
  }

  async #failUnknown(held: Held, code: string, text: string): Promise<void> {
    const { maxAttempts, random, meters, warn } = this.#parts;
    const { id, attempts } = held.message;
    const failures = attempts + 1 - (this.#excused.get(id) ?? 0);
    const cause = `${code}: ${text}`;
    if (failures >= maxAttempts) return this.#bury(held, 'ATTEMPTS_EXHAUSTED', cause, { cause: code });
    warn(held.message, { attempts: failures, cause }, 'handler failed, trying again');
    this.#later(held, { afterMs: backOff(Math.max(1, failures), unknownWait, random), kind: 'failed', reason: cause, fix: failedFix });
    meters.retried(1);
  }

  async #bury(held: Held, code: BlockhubError['code'], reason: string, more: { path?: string; cause?: string }): Promise<void> {
    try {
      await this.settle([held], { kind: 'reject', code, reason, ...more });
    } catch (error) {
      // Without its dead letter the message must stay, whatever is wrong with the dead letters.
      if (this.#parts.draining.aborted) return release(held);
      this.#parts.warn(held.message, { code: errorCode(error) }, 'dead letter cannot be published, trying again');
      this.#excuse(held.message.id);
      const afterMs = backOff(held.message.attempts + 1, unknownWait, this.#parts.random);
      this.#later(held, { afterMs, kind: 'failed', reason: `its dead letter cannot be published: ${causeOf(error)}`, fix: undefined });
      this.#parts.meters.retried(1);
    }
  }
}

const transportCodes: ReadonlySet<string> = new Set([
  'BROKER_UNAVAILABLE',
  'BROKER_CLOSED',
  'STORE_UNAVAILABLE',
  'STORE_DENIED',
  'STORE_FULL',
  'STORE_UNUSABLE',
  'REGISTRY_UNAVAILABLE',
  'REGISTRY_DENIED',
  'REGISTRY_FULL',
  'REGISTRY_READ_ONLY',
  'REGISTRY_UNUSABLE',
]);

/** The next message would fail alike, so it is better not to try. */
const isTransport = (error: BlockhubError): boolean => transportCodes.has(error.code);
