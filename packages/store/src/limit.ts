/** At most `width` runs at a time; the others wait in order. */
export class Limit {
  #free: number;
  readonly #waiting: (() => void)[] = [];
  #next = 0;

  constructor(width: number) {
    this.#free = width;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      this.#release();
    }
  }

  /** A free place goes straight to the one that waits longest, so that nobody overtakes it. */
  #release(): void {
    const next = this.#waiting[this.#next++];
    if (next) {
      next();
      return;
    }
    this.#free++;
    this.#waiting.length = 0;
    this.#next = 0;
  }
}
