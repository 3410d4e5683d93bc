import type { Clock } from '@blockhub/clock';
import type { BrokerLog } from '../../types.ts';
import { type Desk, isRefusal } from './desk.ts';

/** Behind the time of the last retry; doubled after each look that found some. */
const LOOK_AFTER_MS = 5_000;
const MOST_PAUSE_MS = 5 * 60_000;

export interface DelayWatchParts {
  readonly desk: Pick<Desk, 'ask'>;
  readonly clock: Clock;
  readonly log: BrokerLog | undefined;
}

/**
 * RabbitMQ ends the wait of what lies in a quorum queue by one timer, or with the next command that the queue gets. Where that timer was lost, as
 * once behind a broker that was killed, all that waits there stands still until somebody uses the queue. So each one is looked at when its last
 * retry should be over. Where nothing moves it gets a command that changes nothing: its first message is taken and put back.
 */
export class DelayWatch {
  readonly #parts: DelayWatchParts;
  /** When to look at a queue, by the ticks of the clock. */
  readonly #lookAt = new Map<string, number>();
  readonly #over = new AbortController();

  constructor(parts: DelayWatchParts) {
    this.#parts = parts;
  }

  /** A retry waits in the queue now. */
  used(queue: string, delayMs: number): void {
    const isWatched = this.#lookAt.has(queue);
    this.#lookAt.set(queue, this.#parts.clock.ticks() + delayMs + LOOK_AFTER_MS);
    if (!isWatched) void this.#watch(queue);
  }

  close(): void {
    this.#over.abort();
  }

  async #watch(queue: string): Promise<void> {
    const { clock } = this.#parts;
    const { signal } = this.#over;
    let ready: number | undefined;
    for (let pauseMs = LOOK_AFTER_MS; ready !== 0; pauseMs = Math.min(2 * pauseMs, MOST_PAUSE_MS)) {
      for (let ms = this.#restOf(queue); ms > 0 && !signal.aborted; ms = this.#restOf(queue)) await clock.sleep(ms, signal);
      if (signal.aborted) return;
      this.#lookAt.set(queue, clock.ticks() + pauseMs);
      ready = await this.#look(queue, ready);
    }
    this.#lookAt.delete(queue);
  }

  #restOf(queue: string): number {
    return (this.#lookAt.get(queue) ?? 0) - this.#parts.clock.ticks();
  }

  /** How many are ready there, `before` at the look before this one; undefined where the broker is away. */
  async #look(queue: string, before: number | undefined): Promise<number | undefined> {
    try {
      return await this.#parts.desk.ask(async (channel) => {
        const { messageCount: ready } = await channel.checkQueue(queue);
        // Others may use it, and whoever does so moves it.
        if (ready === 0 || ready !== before) return ready;
        const first = await channel.get(queue);
        if (first) channel.nack(first, false, true);
        const left = first ? first.fields.messageCount + 1 : 0;
        if (left < ready) this.#parts.log?.warn({ queue, messages: ready - left }, 'retries stood still in the broker, and go on');
        return left;
      });
    } catch (error) {
      // It is gone, or this user may not look: nothing to be done from here.
      return isRefusal(error, 'MISSING') || isRefusal(error, 'DENIED') ? 0 : undefined;
    }
  }
}
