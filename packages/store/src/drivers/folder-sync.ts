import { open } from 'node:fs/promises';

/**
 * Makes the names in folders durable. Callers that wait at the same time share one sync, which
 * starts after all of them called.
 */
export class FolderSync {
  readonly #running = new Map<string, Promise<void>>();
  readonly #queued = new Map<string, Promise<void>>();

  readonly #syncFolder: (folder: string) => Promise<void>;

  constructor(sync = syncFolder) {
    this.#syncFolder = sync;
  }

  sync(folder: string): Promise<void> {
    const queued = this.#queued.get(folder);
    if (queued) return queued;
    const free = this.#running.get(folder)?.catch(() => undefined) ?? Promise.resolve();
    const next = free.then(() => this.#start(folder));
    this.#queued.set(folder, next);
    return next;
  }

  async #start(folder: string): Promise<void> {
    this.#queued.delete(folder);
    const run = this.#syncFolder(folder);
    this.#running.set(folder, run);
    try {
      await run;
    } finally {
      if (this.#running.get(folder) === run) this.#running.delete(folder);
    }
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some network file systems sync no folders. There it is all that can be done.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EINVAL' && code !== 'ENOTSUP') throw error;
  } finally {
    await handle.close();
  }
}
