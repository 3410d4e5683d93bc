import type { DatabaseSync } from 'node:sqlite';
import type { Cancel, Clock } from '@blockhub/clock';
import type { BlockhubError } from '@blockhub/errors';
import type { LogSync } from './log-sync.ts';
import type { DurableQueue, WriteRequests } from './queue.ts';

/** How long settlements wait for a publish to share a commit. A crash before it repeats them. */
const SETTLE_MS = 10;
/** Pause between two tries while the file cannot be written. */
const RETRY_MS = 500;
const PROBE_BYTES = 16 * 1024;

type Log = Pick<LogSync, 'busy' | 'sync' | 'close'>;

/** The part of a publish that goes to private queues, which are in memory. */
export interface PrivatePart {
  /** The whole publish is durable. */
  deliver(): void;
  /** The publish failed: its room is given back. */
  cancel(): void;
}

export interface Pending {
  readonly privatePart: PrivatePart;
  readonly resolve: () => void;
  readonly reject: (error: BlockhubError) => void;
}

export interface WriterEvents {
  error(cause: unknown): BlockhubError;
  /** A write failed. Settlements are kept for the next one. */
  blocked(error: BlockhubError): void;
  written(): void;
  readFailed(error: unknown): void;
}

/**
 * One transaction writes all of one turn. The log is synced after the commit, without stopping the
 * event loop; then publishes are confirmed, and what came meanwhile shares the next transaction.
 * Consumers get messages right after the commit, and acks wait for no sync: if the power fails in
 * between, only unconfirmed publishes are lost, and acked messages come again.
 */
export class Writer implements WriteRequests {
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
  /** Something came during a sync. */
  #again = false;
  /** A sync failed, so the log may have a hole. */
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

  readFailed(error: unknown): void {
    this.#events.readFailed(error);
  }

  /** Runs `change` in a transaction of its own. If it throws, nothing was written. */
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

  /**
   * Writes all that is collected and `change` in one transaction, then calls `committed`, then lets
   * the queues deliver. If it throws, nothing was written and settlements stay collected.
   */
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

  /** Commits now. If that fails, the publishes are rejected and `blocked` is called. */
  flush(): void {
    if (this.#closed) return;
    this.#later?.();
    this.#later = undefined;
    for (const queue of this.#touched) queue.putBackReleased();
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

  /** Brings everything that is committed now to the disk. BROKER_UNAVAILABLE if that is unknown. */
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

  /** Writes what is left. If it cannot be written, its messages come again after the next start. */
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
      return this.#refuse(pending, this.#events.error(error));
    }
    this.#works();
    for (const { privatePart, resolve } of pending) {
      privatePart.deliver();
      resolve();
    }
  }

  /**
   * A failed sync can leave a hole that later syncs do not fill, although they succeed. Until the
   * log is copied to the database, which has its own sync, nothing is durable. BROKER_UNAVAILABLE.
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

  /** After a sync: writes what came during it. */
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
    // A sync may fail after `close`, and then nothing is left to write.
    if (!this.#closed) this.#blocked ??= this.#clock.after(RETRY_MS, () => this.#tryAgain());
    for (const { privatePart, reject } of pending) {
      privatePart.cancel();
      reject(error);
    }
  }

  #tryAgain(): void {
    this.#blocked = undefined;
    try {
      // SQLite does this after commits, and there are none now. Then the log has room again.
      this.#db.exec('PRAGMA wal_checkpoint(PASSIVE)');
      // Acks first: they need less room than a publish, and they free room.
      this.flush();
      this.transaction(() => {
        this.#db.prepare('INSERT OR REPLACE INTO broker_probe VALUES (1, zeroblob(?))').run(PROBE_BYTES);
      });
      this.transaction(() => this.#db.exec('DELETE FROM broker_probe'));
    } catch (error) {
      this.#refuse([], this.#events.error(error));
      return;
    }
    // The failure may have been a sync: only a sync that succeeds shows that the disk works again.
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
