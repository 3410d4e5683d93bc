import type { Cancel, Clock } from '@blockhub/clock';
import { deliveriesOf, type Held, release } from './unsettled.ts';

const MINUTE = 60_000;
/** Brokers take back after 30 minutes what is not acked, some with the whole connection; ten minutes may have gone in a batch. */
const LONGEST_RUN_MS = 15 * MINUTE;

/** One call of a handler, and of its halves, until all is settled. */
export interface Run {
  readonly held: readonly Held[];
  /** In ticks of the clock. */
  readonly startedAt: number;
  /** What it held was put back: whatever it still gives is dropped. */
  readonly over: boolean;
}

interface OpenRun extends Run {
  over: boolean;
}

export interface RunsParts {
  readonly clock: Clock;
  /** Most messages in handlers at a time. */
  readonly most: number;
  /** True while nothing may start. */
  paused(): boolean;
  /** Handles and settles. Gives a promise only where it has to wait; never throws or rejects. */
  work(run: Run): Promise<void> | undefined;
  /** So many deliveries are not held any more. */
  freed(deliveries: number): void;
  /** A run took too long and was put back. */
  tooLong(run: Run): void;
}

/** What is in handlers now, and what waits for a place there. */
export class Runs {
  readonly #parts: RunsParts;
  /** In the order of their start. */
  readonly #open = new Set<OpenRun>();
  #parked: (readonly Held[])[] = [];
  #running = 0;
  #ended = false;
  #timer: Cancel | undefined;
  #idle: (() => void) | undefined;

  constructor(parts: RunsParts) {
    this.#parts = parts;
  }

  /** Runs it now or when there is a place. */
  start(held: readonly Held[]): void {
    if (this.#ended) this.putBack(held);
    else if (this.#parts.paused() || this.#running >= this.#parts.most) this.#parked.push(held);
    else this.#run(held);
  }

  /** Starts what waits, as far as there are places. */
  resume(): void {
    while (!this.#parts.paused() && this.#running < this.#parts.most) {
      const held = this.#parked.shift();
      if (!held) return;
      this.#run(held);
    }
  }

  putBack(held: readonly Held[]): void {
    held.forEach(release);
    this.#parts.freed(count(held));
  }

  /** Puts back what has not started. */
  unpark(): void {
    for (const held of this.#parked.splice(0)) this.putBack(held);
  }

  /** Resolves when nothing runs or waits. */
  async idle(): Promise<void> {
    if (this.#open.size > 0 || this.#parked.length > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  /** Puts everything back; nothing starts any more. */
  abandon(): void {
    this.#ended = true;
    this.unpark();
    for (const run of this.#open) this.#putBackRun(run);
  }

  #run(held: readonly Held[]): void {
    const run: OpenRun = { held, startedAt: this.#parts.clock.ticks(), over: false };
    this.#open.add(run);
    this.#running += held.length;
    const result = this.#parts.work(run);
    if (result) {
      this.#watch();
      void result.then(() => this.#finish(run));
    } else this.#finish(run);
  }

  #finish(run: OpenRun): void {
    if (run.over) return;
    this.#close(run);
    this.resume();
  }

  #putBackRun(run: OpenRun): void {
    run.held.forEach(release);
    this.#close(run);
  }

  #close(run: OpenRun): void {
    run.over = true;
    this.#open.delete(run);
    this.#running -= run.held.length;
    this.#parts.freed(count(run.held));
    if (this.#open.size > 0) return;
    this.#timer?.();
    this.#timer = undefined;
    if (this.#parked.length === 0) this.#idle?.();
  }

  /** One timer for the oldest run; it only looks, so it need not follow every run that ends. */
  #watch(): void {
    const { clock, tooLong } = this.#parts;
    const [oldest] = this.#open;
    if (this.#timer || !oldest) return;
    this.#timer = clock.after(oldest.startedAt + LONGEST_RUN_MS - clock.ticks(), () => {
      this.#timer = undefined;
      for (const run of this.#open) {
        if (run.startedAt + LONGEST_RUN_MS > clock.ticks()) break;
        tooLong(run);
        this.#putBackRun(run);
      }
      this.resume();
      this.#watch();
    });
  }
}

const count = (held: readonly Held[]): number => held.reduce((sum, one) => sum + deliveriesOf(one), 0);
