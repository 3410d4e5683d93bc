import { type Cancel, type Clock, sleepOn } from './clock.ts';

interface Timer {
  /** In ticks. */
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

const before = (a: Timer, b: Timer): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

/**
 * A clock that moves only by `run` and `advance`. Timers run in order of time, then of creation.
 * Between two timers all promises that can continue do so, so a run depends only on its seed.
 */
export class VirtualClock implements Clock {
  #ticks = 0;
  /** How far the time of day is ahead of the ticks. */
  #ahead: number;
  #order = 0;
  /** A binary heap with the next timer first. Cancelled timers stay until their time. */
  readonly #timers: Timer[] = [];

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#ahead = startMs;
  }

  now(): number {
    return this.#ticks + this.#ahead;
  }

  ticks(): number {
    return this.#ticks;
  }

  /** Sets the time of day forward, or back if `ms` is negative. Ticks and timers stay. */
  step(ms: number): void {
    this.#ahead += Math.round(ms);
  }

  after(ms: number, run: () => void): Cancel {
    const timer: Timer = { at: this.#ticks + Math.max(0, Math.ceil(ms)), order: this.#order++, run, cancelled: false };
    this.#push(timer);
    return () => {
      timer.cancelled = true;
    };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }

  /** Moves to the next timer and runs it. False if there is none. */
  runNext(): boolean {
    for (let timer = this.#pop(); timer; timer = this.#pop()) {
      if (timer.cancelled) continue;
      this.#ticks = timer.at;
      timer.run();
      return true;
    }
    return false;
  }

  /** Lets all promises that can continue do so. Nothing on virtual time may wait for real I/O. */
  static settle(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  /** Runs timers until `done()` is true or `untilMs` of virtual time passed. Gives `done()`. */
  async run(done: () => boolean, untilMs: number): Promise<boolean> {
    const end = this.#ticks + Math.ceil(untilMs);
    for (await VirtualClock.settle(); !done(); await VirtualClock.settle()) {
      const next = this.#peek();
      if (!next || next.at > end) {
        this.#ticks = Math.max(this.#ticks, end);
        return false;
      }
      this.runNext();
    }
    return true;
  }

  async advance(ms: number): Promise<void> {
    await this.run(() => false, ms);
  }

  #peek(): Timer | undefined {
    for (let timer = this.#timers[0]; timer?.cancelled; timer = this.#timers[0]) this.#pop();
    return this.#timers[0];
  }

  #push(timer: Timer): void {
    const heap = this.#timers;
    let at = heap.push(timer) - 1;
    for (; at > 0; ) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Timer;
      if (!before(timer, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = timer;
  }

  #pop(): Timer | undefined {
    const heap = this.#timers;
    const top = heap[0];
    const last = heap.pop();
    if (!top || !last || heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Timer, heap[child] as Timer)) child++;
      const below = heap[child] as Timer;
      if (!before(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
    return top;
  }
}
