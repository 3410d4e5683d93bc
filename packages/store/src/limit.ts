interface QueuedRun {
  readonly start: () => void;
  next: QueuedRun | undefined;
}

/** At most `width` runs at a time; the others wait in order. */
export class Limit {
  #free: number;
  /** A linked list, because the front of an array is freed only when nothing waits. */
  #first: QueuedRun | undefined;
  #last: QueuedRun | undefined;

  constructor(width: number) {
    this.#free = width;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#wait(resolve));
    try {
      return await work();
    } finally {
      this.#release();
    }
  }

  #wait(start: () => void): void {
    const queued: QueuedRun = { start, next: undefined };
    if (this.#last) this.#last.next = queued;
    else this.#first = queued;
    this.#last = queued;
  }

  /** A free slot goes straight to the run that waits longest, so that no later run takes it. */
  #release(): void {
    const first = this.#first;
    if (!first) {
      this.#free++;
      return;
    }
    this.#first = first.next;
    if (!this.#first) this.#last = undefined;
    first.start();
  }
}
