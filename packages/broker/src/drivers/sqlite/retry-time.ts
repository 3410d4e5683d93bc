import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Cancel, Clock } from '@blockhub/clock';

/**
 * The time by which retries are due. It outlives the process as the time of day does, but never goes back: in a process only ticks move it, and a
 * file begins where it was left if the clock of the machine says less. So no step of that clock makes a wait longer than it was asked for.
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

  /** Milliseconds, an integer; close to the time since 1970 where nobody sets the clock. */
  now(): number {
    return Math.floor(this.#ahead + this.#clock.ticks());
  }

  /** Calls `run` once when it is `ms`, and never at once. */
  wakeAt(ms: number, run: () => void): Cancel {
    return this.#clock.after(Math.max(1, ms - this.now()), run);
  }

  /** Inside a transaction that writes retries: they were asked for by now. */
  save(): void {
    this.#save.run(this.now());
  }
}
