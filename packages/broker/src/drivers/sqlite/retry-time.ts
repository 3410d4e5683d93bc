import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Cancel, Clock } from '@blockhub/clock';

/**
 * The time by which retries are due. It never goes back: only ticks move it, and a restart goes on
 * from the saved time if that is ahead. So setting the clock of the machine makes no wait longer.
 */
export class RetryTime {
  readonly #clock: Clock;
  readonly #save: StatementSync;
  readonly #ahead: number;

  constructor(db: DatabaseSync, clock: Clock) {
    const saved = Number(db.prepare('SELECT ms FROM broker_time').get()?.ms ?? 0);
    this.#clock = clock;
    this.#save = db.prepare('INSERT INTO broker_time VALUES (1, ?) ON CONFLICT DO UPDATE SET ms = max(ms, excluded.ms)');
    this.#ahead = Math.max(clock.now(), saved) - clock.ticks();
  }

  /** Whole milliseconds. If the machine's clock is never set, they are the time since 1970. */
  now(): number {
    return Math.floor(this.#ahead + this.#clock.ticks());
  }

  /** Calls `run` once at the time `ms`, but never before the next millisecond. */
  wakeAt(ms: number, run: () => void): Cancel {
    return this.#clock.after(Math.max(1, ms - this.now()), run);
  }

  /** Inside a transaction that writes retries, so that a restart does not begin before them. */
  save(): void {
    this.#save.run(this.now());
  }
}
