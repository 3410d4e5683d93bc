import type { Clock } from './clock.ts';

/** Maximum number of kinds. A new kind replaces the oldest one. */
const MOST_KINDS = 1_000;

interface Passed {
  readonly at: number;
  since: number;
}

/** Lets one event of each kind pass in a period, such as log lines about a fault that lasts. */
export class Pace {
  readonly #clock: Pick<Clock, 'ticks'>;
  readonly #everyMs: number;
  readonly #kinds = new Map<string, Passed>();

  constructor(clock: Pick<Clock, 'ticks'>, everyMs: number) {
    this.#clock = clock;
    this.#everyMs = everyMs;
  }

  /** Kinds of which one event has passed. */
  get kinds(): readonly string[] {
    return [...this.#kinds.keys()];
  }

  /** 0 if this event must be left out; else its kind's events since the last one that passed. */
  pass(kind = ''): number {
    const now = this.#clock.ticks();
    const last = this.#kinds.get(kind);
    if (last && now - last.at < this.#everyMs) {
      last.since++;
      return 0;
    }
    this.#kinds.delete(kind);
    if (this.#kinds.size >= MOST_KINDS) this.#kinds.delete(this.#kinds.keys().next().value as string);
    this.#kinds.set(kind, { at: now, since: 0 });
    return (last?.since ?? 0) + 1;
  }

  /** Lets the next event of this kind pass. False if none has passed before. */
  forget(kind: string): boolean {
    return this.#kinds.delete(kind);
  }
}
