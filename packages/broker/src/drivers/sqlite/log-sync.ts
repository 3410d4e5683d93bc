import { close, fdatasync, fstatSync, openSync } from 'node:fs';
import { promisify } from 'node:util';

const syncFile = promisify(fdatasync);
const closeFile = promisify(close);

/**
 * Syncs SQLite's log after commits without stopping the event loop. With `synchronous = NORMAL` a
 * commit only writes it; FULL would sync it inside the commit (https://sqlite.org/wal.html).
 */
export class LogSync {
  readonly #file: number;
  /** False on file systems that do not count links. */
  readonly #hadName: boolean;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  /** The log must exist, so the database must be open and written to before. */
  constructor(databasePath: string) {
    this.#file = openSync(`${databasePath}-wal`, 'r');
    this.#hadName = fstatSync(this.#file).nlink > 0;
  }

  get busy(): boolean {
    return this.#running !== undefined;
  }

  /** Syncs everything that was written before the call. Calls during a sync share the next one. */
  sync(): Promise<void> {
    if (!this.#running) return this.#start();
    this.#next ??= this.#running.then(
      () => this.#startNext(),
      () => this.#startNext(),
    );
    return this.#next;
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.#running, this.#next]);
    await closeFile(this.#file);
  }

  #startNext(): Promise<void> {
    this.#next = undefined;
    return this.#start();
  }

  #start(): Promise<void> {
    const running = this.#syncNow().finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }

  /** A removed file can still be written and synced, but it is gone with the process. */
  async #syncNow(): Promise<void> {
    await syncFile(this.#file);
    if (this.#hadName && fstatSync(this.#file).nlink === 0)
      throw new Error('its write-ahead log was removed; stop the process and start it again');
  }
}
