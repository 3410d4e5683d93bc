import type { Cancel, Clock } from '@blockhub/clock';

const FIRST_MS = 2_000;
const TERMINAL_MS = 250;
const LOG_MS = 5_000;
const COLUMNS = 80;

type Terminal = NodeJS.WritableStream & { isTTY?: boolean; columns?: number };

/** Shows progress on stderr after two seconds: on a terminal one line that changes, else many. */
export class Progress {
  readonly #stream: Terminal;
  readonly #clock: Clock;
  readonly #start: number;
  #next: number;
  #shown = false;

  constructor(stream: Terminal, clock: Clock) {
    this.#stream = stream;
    this.#clock = clock;
    this.#start = clock.ticks();
    this.#next = this.#start + FIRST_MS;
  }

  /** May be called often. `text` is called only if it is shown. */
  update(text: (seconds: number) => string): void {
    const now = this.#clock.ticks();
    if (now < this.#next) return;
    this.#next = now + (this.#stream.isTTY ? TERMINAL_MS : LOG_MS);
    const line = text((now - this.#start) / 1000);
    // A line that wraps could not be cleared.
    this.#stream.write(this.#stream.isTTY ? `\r\u001b[K${line.slice(0, (this.#stream.columns || COLUMNS) - 1)}` : `${line}\n`);
    this.#shown = true;
  }

  /** Updates until the work is done, so that a store that does not answer is noticed. */
  async during<T>(work: Promise<T>, text: (seconds: number) => string): Promise<T> {
    let cancel: Cancel = () => {};
    const tick = (): void => {
      this.update(text);
      cancel = this.#clock.after(TERMINAL_MS, tick);
    };
    tick();
    try {
      return await work;
    } finally {
      cancel();
      this.clear();
    }
  }

  /** Clears the line before something else is written. */
  clear(): void {
    if (this.#shown && this.#stream.isTTY) this.#stream.write('\r\u001b[K');
    this.#shown = false;
  }
}
