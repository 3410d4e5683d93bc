import type { Broker, Outgoing } from '@blockhub/broker';
import { type BackOff, backOff, type Clock } from '@blockhub/clock';
import { errorCode, isTransient } from '@blockhub/errors';
import type { Message } from '@blockhub/message';
import type { Health, Logger } from '@blockhub/telemetry';
import type { Random } from '../random.ts';
import { type MessageSpans, withTraceOf } from './message-spans.ts';
import type { Meters } from './meters.ts';

const betweenAttempts: BackOff = { firstMs: 100, mostMs: 30_000 };

export interface PublisherParts {
  readonly broker: Broker;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly health: Health;
  readonly meters: Meters;
  readonly spans: MessageSpans | undefined;
  readonly draining: AbortSignal;
  /** Name of its health check. */
  readonly check: string;
}

/** Publishes until it is confirmed. After a lost confirm the same messages are published again. */
export class Publisher {
  readonly #parts: PublisherParts;
  #failing = 0;

  constructor(parts: PublisherParts) {
    this.#parts = parts;
  }

  /** See `Context.publish`. */
  async publish(messages: readonly Outgoing[], from: readonly Message[] = []): Promise<void> {
    if (messages.length === 0) return;
    const { spans } = this.#parts;
    if (spans) await spans.publish(messages, from, (all) => this.#publishConfirmed(all));
    else await this.#publishConfirmed(withTraceOf(from, messages));
  }

  async #publishConfirmed(messages: readonly Outgoing[]): Promise<void> {
    const { broker, meters } = this.#parts;
    try {
      await broker.publish(messages);
    } catch (error) {
      await this.#retry(messages, error);
    }
    meters.published(messages);
  }

  async #retry(messages: readonly Outgoing[], first: unknown): Promise<void> {
    const { broker, clock, random, draining } = this.#parts;
    let error = first;
    this.#failed(error);
    try {
      for (let failures = 1; ; failures++) {
        if (!isTransient(error) || draining.aborted) throw error;
        await clock.sleep(backOff(failures, betweenAttempts, random), draining);
        try {
          return await broker.publish(messages);
        } catch (next) {
          error = next;
        }
      }
    } finally {
      this.#ended();
    }
  }

  #failed(error: unknown): void {
    if (this.#failing++ > 0 || !isTransient(error)) return;
    const { health, log, check } = this.#parts;
    health.set(check, false, errorCode(error));
    log.warn({ code: errorCode(error) }, 'publishing fails, trying again');
  }

  #ended(): void {
    if (--this.#failing === 0) this.#parts.health.set(this.#parts.check, true);
  }
}
