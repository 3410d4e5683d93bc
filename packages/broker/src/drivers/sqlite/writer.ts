import type { DatabaseSync } from 'node:sqlite';
import type { Cancel, Clock } from '@blockhub/clock';
import type { BlockhubError } from '@blockhub/errors';
import type { LogSync } from './log-sync.ts';
import type { DurableQueue, Writes } from './queue.ts';
import type { Enqueued } from './queues.ts';

/** Longest wait of settlements for a publish to share a commit with. A crash in between only brings the messages again. */
const SETTLE_MS = 10;
/** Between two tries while nothing can be written. */
const RETRY_MS = 500;
const PROBE_BYTES = 16 * 1024;

/** What brings commits to the disk. */
type Log = Pick<LogSync, 'busy' | 'sync' | 'close'>;

/** One publish call. */
export interface Pending {
  readonly enqueued: Enqueued;
  readonly resolve: () => void;
  readonly reject: (error: BlockhubError) => void;
}

export interface WriterEvents {
  error(cause: unknown): BlockhubError;
  /** Nothing could be written; what was settled is kept. */
  blocked(error: BlockhubError): void;
  written(): void;
  /** Reading failed. */
  failed(error: unknown): void;
}

/**
 * Writes what came together in one transaction. Commits do not wait for the disk: the log is synced behind them without stopping the event
 * loop, and publishers are told after that. Consumers get messages at once, and acks need no sync: whoever loses power in between sees
 * them again, and no publisher was told of what is gone. What comes while the disk works shares the next transaction.
 */
export class Writer implements Writes {
  readonly #db: DatabaseSync;
  readonly #clock: Clock;
  readonly #events: WriterEvents;
  #pending: Pending[] = [];
  readonly #touched = new Set<DurableQueue>();
  #soon = false;
  #later: Cancel | undefined;
  #blocked: Cancel | undefined;
  #closed = false;
  readonly #log: Log;
  /** Something came while the disk worked. */
  #again = false;
  /** A sync failed. */
  #holed = false;

  constructor(db: DatabaseSync, log: Log, clock: Clock, events: WriterEvents) {
    this.#db = db;
    this.#log = log;
    this.#clock = clock;
    this.#events = events;
  }

  add(pending: Pending): void {
    this.#pending.push(pending);
    this.#schedule();
  }

  touch(queue: DurableQueue): void {
    this.#touched.add(queue);
  }

  soon(queue: DurableQueue): void {
    this.#touched.add(queue);
    this.#schedule();
  }

  later(queue: DurableQueue): void {
    this.#touched.add(queue);
    if (this.#soon || this.#later) return;
    this.#later = this.#clock.after(SETTLE_MS, () => {
      this.#later = undefined;
      this.flush();
    });
  }

  failed(error: unknown): void {
    this.#events.failed(error);
  }

  /** Runs `change` in a transaction of its own; throws what it throws, then nothing was written. */
  transaction<T>(change: () => T): T {
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      const result = change();
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      this.#rollback();
      throw this.#events.error(error);
    }
  }

  /** One transaction of all that is collected and of `change`; then `committed`, then the queues go on. Throws as `transaction`, then it stays collected. */
  commit<T>(change: () => T, committed: (result: T) => void = () => {}): void {
    let result: T;
    try {
      result = this.transaction(() => {
        const changed = change();
        for (const queue of this.#touched) queue.write();
        return changed;
      });
    } catch (error) {
      for (const queue of this.#touched) if (!queue.refused()) this.#touched.delete(queue);
      throw error;
    }
    const touched = [...this.#touched];
    this.#touched.clear();
    committed(result);
    for (const queue of touched) queue.written();
  }

  /** Commits now. Failing is told to the publishers and by `blocked`. */
  flush(): void {
    if (this.#closed) return;
    this.#later?.();
    this.#later = undefined;
    for (const queue of this.#touched) queue.comeBack();
    const pending = this.#pending;
    this.#pending = [];
    if (this.#touched.size > 0) {
      try {
        this.commit(() => {});
      } catch (error) {
        this.#refuse(pending, this.#events.error(error));
        return;
      }
      if (pending.length === 0) this.#works();
    }
    if (pending.length > 0) void this.#confirm(pending);
  }

  /** Resolves when everything that is committed now is on the disk. BROKER_UNAVAILABLE when that is not known. */
  async durable(): Promise<void> {
    try {
      if (this.#holed) this.#mendLog();
      await this.#log.sync();
    } catch (error) {
      this.#holed = true;
      throw this.#events.error(error);
    } finally {
      this.#goOn();
    }
  }

  /** Writes what is left; what then cannot be written comes again after the next start. */
  async close(): Promise<void> {
    this.flush();
    this.#closed = true;
    this.#blocked?.();
    await this.#log.close();
  }

  async #confirm(pending: readonly Pending[]): Promise<void> {
    try {
      await this.durable();
    } catch (error) {
      this.#refuse(pending, this.#events.error(error));
      return;
    }
    this.#works();
    for (const { enqueued, resolve } of pending) {
      enqueued.deliver();
      resolve();
    }
  }

  /**
   * A sync that failed may have left a hole in the log for good, and the next one would succeed all the same: nothing behind it counts
   * as durable before the log has been copied to the database, which syncs by itself, and begun anew. BROKER_UNAVAILABLE.
   */
  #mendLog(): void {
    try {
      const done = this.#db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()?.busy === 0;
      if (!done) throw new Error('another process reads the file');
    } catch (error) {
      throw this.#events.error(error);
    }
    this.#holed = false;
  }

  /** After a sync: what came meanwhile. */
  #goOn(): void {
    if (!this.#again || this.#log.busy) return;
    this.#again = false;
    this.flush();
  }

  #schedule(): void {
    if (this.#soon) return;
    this.#soon = true;
    setImmediate(() => {
      this.#soon = false;
      if (this.#log.busy) this.#again = true;
      else this.flush();
    });
  }

  #refuse(pending: readonly Pending[], error: BlockhubError): void {
    this.#events.blocked(error);
    // A sync may fail after `close`: then nobody is left to try for.
    if (!this.#closed) this.#blocked ??= this.#clock.after(RETRY_MS, () => this.#tryAgain());
    for (const { enqueued, reject } of pending) {
      enqueued.cancel();
      reject(error);
    }
  }

  #tryAgain(): void {
    this.#blocked = undefined;
    try {
      // SQLite does it after commits, and there are none now; the log then starts again in the room that it has.
      this.#db.exec('PRAGMA wal_checkpoint(PASSIVE)');
      // Acks first: they need less room than a publish, and they make room.
      this.flush();
      this.transaction(() => {
        this.#db.prepare('INSERT OR REPLACE INTO broker_probe VALUES (1, zeroblob(?))').run(PROBE_BYTES);
      });
      this.transaction(() => this.#db.exec('DELETE FROM broker_probe'));
    } catch (error) {
      this.#refuse([], this.#events.error(error));
      return;
    }
    // What failed may have been the sync: only one that succeeds shows that it works again.
    void this.#confirm([]);
  }

  #works(): void {
    this.#blocked?.();
    this.#blocked = undefined;
    this.#events.written();
  }

  #rollback(): void {
    if (this.#db.isOpen && this.#db.isTransaction) this.#db.exec('ROLLBACK');
  }
}
