import type { Outgoing } from '@blockhub/broker';
import { Cache } from '@blockhub/cache';
import { type BackOff, backOff, type Clock } from '@blockhub/clock';
import { BlockhubError, errorCode, isTransient } from '@blockhub/errors';
import { deadLetter, type Message } from '@blockhub/message';
import { causeOf, clean } from '../error-text.ts';
import type { TakeMeters } from '../instance/meters.ts';
import { isList, type Outcome } from '../outcome.ts';
import type { Random } from '../random.ts';
import type { Delay } from './delayed-retries.ts';
import { ack, deliveriesOf, release, retryLater, type Unsettled } from './unsettled.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
/** For faults that end by themselves. */
const transientWait: BackOff = { firstMs: 100, mostMs: 30 * SECOND };
/** For faults that a person may have to repair: 20 attempts take about an hour. */
const unknownWait: BackOff = { firstMs: 250, mostMs: 5 * MINUTE };
const failedFix = 'See the log lines "handler failed, trying again". After its last attempt the message becomes a dead letter.';
const MAX_EXCUSED = 10_000;

export interface SettlementParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly draining: AbortSignal;
  readonly maxAttempts: number;
  readonly meters: TakeMeters;
  /** @param from the messages that these were made from */
  publish(messages: readonly Outgoing[], from: readonly Unsettled[]): Promise<void>;
  /** Broker, store or registry fail. Returns how long the take pauses, in ms. */
  pause(error: BlockhubError): number;
  /** So many deliveries are retried later. */
  delayed(delay: Delay, deliveries: number): void;
  /** Logs what an operator may have to know about this message. */
  warn(message: Message, facts: object, text: string): void;
}

/** Settles messages by the table in `outcome.ts`. */
export class Settlement {
  readonly #parts: SettlementParts;
  /** Attempts by message id that do not count. If the process ends, the limit is reached sooner. */
  readonly #excused = new Cache<string, number>(MAX_EXCUSED);

  constructor(parts: SettlementParts) {
    this.#parts = parts;
  }

  /** One outcome is for all, a list has one for each. If it throws, no message is settled. */
  async settle(unsettled: readonly Unsettled[], outcome: Outcome | readonly Outcome[]): Promise<void> {
    const each = isList(outcome);
    if (each && outcome.length !== unsettled.length) throw new Error(`expected ${unsettled.length} outcomes, got ${outcome.length}`);
    const messages = each ? this.#publishesOfEach(unsettled, outcome) : this.#publishesOfAll(unsettled, outcome);
    if (messages.length > 0) await this.#parts.publish(messages, unsettled);
    if (!each && outcome.kind === 'done') return this.#ackAll(unsettled);
    let acked = 0;
    for (const [at, one] of unsettled.entries()) {
      const own = each ? (outcome[at] as Outcome) : outcome;
      if (own.kind === 'retry') this.#retry(one, own);
      else this.#ack(one);
      if (own.kind === 'done') acked++;
      if (own.kind === 'reject') this.#parts.meters.rejected(own.code);
    }
    this.#parts.meters.done(acked);
  }

  /** Several messages come here only with a transient error; else the handler gets each alone. */
  async fail(unsettled: readonly Unsettled[], error: unknown): Promise<void> {
    if (isTransient(error)) return this.#failTransient(unsettled, error as BlockhubError);
    for (const one of unsettled) {
      const text = causeOf(error);
      if (error instanceof BlockhubError) {
        const { path } = error.details;
        await this.#reject(one, error.code, text, typeof path === 'string' ? { path } : {});
      } else await this.#failUnknown(one, errorCode(error), text);
    }
  }

  /** The way without a publish and a promise, which most messages of some workers go. */
  ackOne(one: Unsettled): void {
    this.#ack(one);
    this.#parts.meters.done(1);
  }

  #ackAll(unsettled: readonly Unsettled[]): void {
    for (const one of unsettled) this.#ack(one);
    this.#parts.meters.done(unsettled.length);
  }

  #ack(one: Unsettled): void {
    ack(one);
    if (this.#excused.size > 0) this.#excused.delete(one.message.id);
  }

  #publishesOfAll(unsettled: readonly Unsettled[], outcome: Outcome): readonly Outgoing[] {
    if (outcome.kind === 'done') return outcome.messages;
    return outcome.kind === 'reject' ? unsettled.map((one) => this.#letter(one.message, outcome)) : [];
  }

  #publishesOfEach(unsettled: readonly Unsettled[], outcomes: readonly Outcome[]): readonly Outgoing[] {
    const messages: Outgoing[] = [];
    outcomes.forEach((outcome, at) => {
      if (outcome.kind === 'done') messages.push(...outcome.messages);
      else if (outcome.kind === 'reject') messages.push(this.#letter((unsettled[at] as Unsettled).message, outcome));
    });
    return messages;
  }

  #letter(message: Message, { code, reason, path, cause }: Extract<Outcome, { kind: 'reject' }>): Outgoing {
    this.#parts.warn(message, { code, path, reason: clean(reason) }, 'message rejected');
    const where = { ...(path === undefined ? {} : { path }), ...(cause === undefined ? {} : { cause }) };
    return deadLetter(message, { code, message: clean(reason), now: this.#parts.clock.now(), ...where });
  }

  #retry(one: Unsettled, { afterMs, reason, fix }: Extract<Outcome, { kind: 'retry' }>): void {
    // A handler that gives up because the worker drains has not failed.
    if (afterMs <= 0 && this.#parts.draining.aborted) {
      release(one);
      return;
    }
    this.#excuse(one.message.id);
    this.#retryLater(one, { afterMs, kind: 'asked', reason, fix });
  }

  #retryLater(one: Unsettled, delay: Delay): void {
    retryLater(one, delay.afterMs);
    this.#parts.delayed(delay, deliveriesOf(one));
    this.#parts.meters.retried(1);
  }

  #failTransient(unsettled: readonly Unsettled[], error: BlockhubError): void {
    const { random, pause, draining } = this.#parts;
    if (draining.aborted) {
      unsettled.forEach(release);
      return;
    }
    const pauseMs = pausingCodes.has(error.code) ? pause(error) : 0;
    for (const one of unsettled) {
      this.#excuse(one.message.id);
      const afterMs = Math.max(pauseMs, backOff(one.message.attempts + 1, transientWait, random));
      this.#retryLater(one, { afterMs, kind: 'transient', reason: `${error.code}: ${error.message}`, fix: error.fix });
    }
  }

  #excuse(id: string): void {
    this.#excused.set(id, (this.#excused.get(id) ?? 0) + 1);
  }

  async #failUnknown(one: Unsettled, code: string, text: string): Promise<void> {
    const { maxAttempts, random, warn } = this.#parts;
    const { id, attempts } = one.message;
    const failures = attempts + 1 - (this.#excused.get(id) ?? 0);
    const cause = `${code}: ${text}`;
    if (failures >= maxAttempts) return this.#reject(one, 'ATTEMPTS_EXHAUSTED', cause, { cause: code });
    warn(one.message, { attempts: failures, cause }, 'handler failed, trying again');
    this.#retryLater(one, { afterMs: backOff(Math.max(1, failures), unknownWait, random), kind: 'failed', reason: cause, fix: failedFix });
  }

  async #reject(one: Unsettled, code: BlockhubError['code'], reason: string, more: { path?: string; cause?: string }): Promise<void> {
    try {
      await this.settle([one], { kind: 'reject', code, reason, ...more });
    } catch (error) {
      // The message must stay until its dead letter is confirmed.
      if (this.#parts.draining.aborted) return release(one);
      this.#parts.warn(one.message, { code: errorCode(error) }, 'dead letter cannot be published, trying again');
      this.#excuse(one.message.id);
      const afterMs = backOff(one.message.attempts + 1, unknownWait, this.#parts.random);
      this.#retryLater(one, { afterMs, kind: 'failed', reason: `its dead letter cannot be published: ${causeOf(error)}`, fix: undefined });
    }
  }
}

/** After these errors the take pauses, since the next message would fail with the same one. */
const pausingCodes: ReadonlySet<string> = new Set([
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
