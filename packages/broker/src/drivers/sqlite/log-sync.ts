import { close, fdatasync, fstatSync, openSync } from 'node:fs';
import { promisify } from 'node:util';

const syncFile = promisify(fdatasync);
const closeFile = promisify(close);

/**
 * Brings SQLite's write-ahead log to the disk without stopping the event loop: with `synchronous = NORMAL` a commit only writes it, and
 * syncing the log after a commit is what `synchronous = FULL` would have done within it (https://sqlite.org/wal.html).
 */
export class LogSync {
  readonly #file: number;
  /** Some file systems count no names. */
  readonly #hadName: boolean;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  /** The log must exist: open the database and write to it first. */
  constructor(databasePath: string) {
    this.#file = openSync(`${databasePath}-wal`, 'r');
    this.#hadName = fstatSync(this.#file).nlink > 0;
  }

  get busy(): boolean {
    return this.#running !== undefined;
  }

  /** Resolves when all that was written before the call is on the disk, in a file that still has a name. Calls while a sync runs share the one after it. */
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

  /** A removed file takes writes and syncs as any other, and is gone with the process. */
  async #syncNow(): Promise<void> {
    await syncFile(this.#file);
    if (this.#hadName && fstatSync(this.#file).nlink === 0) throw new Error('its write-ahead log was removed; stop, and start again');
  }
}
