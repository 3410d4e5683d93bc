/** Hints are collected for this time and written together. */
const DELAY_MS = 250;
/** If nothing can be written, memory must not grow. Further hints are dropped. */
const MOST = 10_000;

/** Hints not written yet. If a write fails, the next one has them, and no caller gets the error. */
export class PendingHints {
  readonly #write: (hints: ReadonlyMap<string, number>) => Promise<void>;
  #waiting = new Map<string, number>();
  #writing = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #flushing: Promise<void> | undefined;

  constructor(write: (hints: ReadonlyMap<string, number>) => Promise<void>) {
    this.#write = write;
  }

  put(chain: string, height: number): void {
    const known = this.#waiting.get(chain);
    if (known === undefined && this.#waiting.size + this.#writing.size >= MOST) return;
    if (known === undefined || known < height) this.#waiting.set(chain, height);
    this.#timer ??= setTimeout(() => void this.#flush(), DELAY_MS).unref();
  }

  /** The greater of the pending hint and the one that was found elsewhere. */
  greatest(chain: string, found: number | undefined): number | undefined {
    const known = [found, this.#waiting.get(chain), this.#writing.get(chain)].filter((height) => height !== undefined);
    return known.length === 0 ? undefined : Math.max(...known);
  }

  clear(): void {
    this.#waiting.clear();
    this.#writing.clear();
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#flushing;
    await this.#flush();
    clearTimeout(this.#timer);
  }

  #flush(): Promise<void> {
    this.#timer = undefined;
    this.#flushing ??= this.#writeAll().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  async #writeAll(): Promise<void> {
    if (this.#waiting.size === 0) return;
    this.#writing = this.#waiting;
    this.#waiting = new Map();
    try {
      await this.#write(this.#writing);
      this.#writing = new Map();
    } catch {
      const failed = this.#writing;
      this.#writing = new Map();
      for (const [chain, height] of failed) this.#waiting.set(chain, Math.max(height, this.#waiting.get(chain) ?? 0));
    }
  }
}
