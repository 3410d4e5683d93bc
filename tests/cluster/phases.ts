import type { Tried } from './senders.ts';

/** A part of the run, in milliseconds since 1970. */
interface Phase {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** What happened when. */
export class Phases {
  readonly #all: Phase[] = [];
  readonly #say: (text: string) => void;

  constructor(say: (text: string) => void) {
    this.#say = say;
  }

  async run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const from = Date.now();
    try {
      return await work();
    } finally {
      const to = Date.now();
      this.#all.push({ name, from, to });
      this.#say(`${name}: ${((to - from) / 1000).toFixed(1)} s`);
    }
  }

  at(time: number): string {
    return this.#all.find(({ from, to }) => from <= time && time <= to)?.name ?? 'between';
  }

  /** By name how long each took, and what senders saw of it. */
  figures(tried: readonly Pick<Tried, 'at' | 'answer'>[]): Record<string, object> {
    return Object.fromEntries(this.#all.map((phase) => [phase.name, seenIn(phase, tried)]));
  }
}

function seenIn({ from, to }: Phase, tried: readonly Pick<Tried, 'at' | 'answer'>[]): object {
  const tries = tried.filter(({ at }) => from <= at && at <= to);
  const taken = tries.filter(({ answer }) => answer.receipt);
  const times = [from, ...taken.map(({ at }) => at).sort((a, b) => a - b), to];
  const gap = Math.max(...times.slice(1).map((time, n) => time - (times[n] ?? time)));
  return {
    seconds: Math.round((to - from) / 100) / 10,
    ...(tries.length > 0 && {
      taken: taken.length,
      spooled: taken.filter(({ answer }) => answer.status === 202).length,
      retried: tries.filter(({ answer }) => answer.code === 'reset').length,
      longestGapSeconds: Math.round(gap / 100) / 10,
    }),
  };
}
