import type { Clock } from '@blockhub/clock';

/** Bounds the memory. If it is full, unknown senders are refused until another one is forgotten. */
const MAX_SENDERS = 65_536;

const LIMIT = /^([1-9][0-9]{0,8})\/([smh])$/;
const periods: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 };

/** A number of requests in each period. */
export interface Limit {
  readonly count: number;
  readonly periodMs: number;
}

/** Reads a limit such as `100/s`; undefined for any other text. */
export function parseLimit(text: string): Limit | undefined {
  const [, count, unit = ''] = LIMIT.exec(text) ?? [];
  return count === undefined ? undefined : { count: Number(count), periodMs: periods[unit] ?? 0 };
}

/**
 * `count` requests of a sender at once, and as many in each period (generic cell rate algorithm).
 * For each sender it keeps one number: the time when it may use its whole limit again.
 */
export class Throttle {
  readonly #clock: Clock;
  readonly #periodMs: number;
  readonly #costMs: number;
  /** The sender whose last request is the oldest comes first. */
  readonly #freeAt = new Map<string, number>();

  constructor(clock: Clock, { count, periodMs }: Limit) {
    this.#clock = clock;
    this.#periodMs = periodMs;
    this.#costMs = periodMs / count;
  }

  /** Takes one request. Returns 0, or how many ms to wait. A refused request costs nothing. */
  take(sender: string): number {
    const now = this.#clock.ticks();
    const known = this.#freeAt.get(sender);
    if (known === undefined && !this.#hasRoom(now)) return this.#periodMs;
    const freeAt = Math.max(known ?? now, now) + this.#costMs;
    // The tolerance keeps rounding errors from refusing the last request of a burst.
    const waitMs = freeAt - now - this.#periodMs;
    if (waitMs > 1e-6) return waitMs;
    this.#freeAt.delete(sender);
    this.#freeAt.set(sender, freeAt);
    return 0;
  }

  #hasRoom(now: number): boolean {
    for (const [sender, freeAt] of this.#freeAt) {
      if (freeAt > now) break;
      this.#freeAt.delete(sender);
    }
    return this.#freeAt.size < MAX_SENDERS;
  }
}
