import type { Clock } from '@blockhub/clock';

/** Lets one call through per interval, so that a failing worker cannot fill the disk with the same line. */
export class Limiter {
  readonly #clock: Clock;
  readonly #everyMs: number;
  #next = 0;
  #suppressed = 0;

  constructor(clock: Clock, everyMs: number) {
    this.#clock = clock;
    this.#everyMs = everyMs;
  }

  /** Calls `run` with the number of calls left out since the last one, or leaves this one out too. */
  run(run: (suppressed: number) => void): void {
    const now = this.#clock.ticks();
    if (now < this.#next) {
      this.#suppressed++;
      return;
    }
    this.#next = now + this.#everyMs;
    run(this.#suppressed);
    this.#suppressed = 0;
  }
}
