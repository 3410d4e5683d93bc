import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import type { QueueMessage } from '../../backlog.ts';
import type { Load } from '../../checks.ts';
import type { Meta } from '../../types.ts';

/** Rows per insert statement. More than this makes it no faster. */
const BULK = 16;

export interface NewRow extends Pick<QueueMessage, 'id' | 'meta' | 'body' | 'firstAt'> {
  readonly metaText: string;
}

/** A place in the order of retries. */
export interface DuePosition {
  readonly due: number;
  readonly seq: number;
}

interface Row {
  seq: number;
  id: string;
  meta: string;
  body: Uint8Array;
  due: number | null;
  attempts: number;
  first_at: number;
}

export interface LoadedMessage extends QueueMessage {
  /** When its retry is due; null if it was never retried. */
  readonly due: number | null;
}

const toMessage = (row: Row): LoadedMessage => ({
  seq: row.seq,
  id: row.id,
  meta: JSON.parse(row.meta) as Meta,
  body: Buffer.from(row.body.buffer, row.body.byteOffset, row.body.byteLength),
  due: row.due,
  attempts: row.attempts,
  firstAt: row.first_at,
});

/**
 * AUTOINCREMENT, because a seq must never name another message (`take`), even if the table was
 * empty in between. `due` is null for messages never retried, so that the index costs them nothing.
 */
export class QueueTable {
  readonly #number: number;
  readonly #db: DatabaseSync;
  readonly #name: string;
  readonly #one: StatementSync;
  readonly #bulk: StatementSync;
  readonly #removeRange: StatementSync;
  readonly #delay: StatementSync;
  readonly #count: StatementSync;
  readonly #scan: StatementSync;
  readonly #fresh: StatementSync;
  readonly #due: StatementSync;
  readonly #nextDue: StatementSync;
  readonly #find: StatementSync;

  constructor(db: DatabaseSync, number: number) {
    const name = `broker_q${number}`;
    this.#number = number;
    this.#db = db;
    this.#name = name;
    const insert = (rows: number): StatementSync =>
      db.prepare(`INSERT INTO ${name} (id, meta, body, first_at) VALUES ${Array(rows).fill('(?,?,?,?)').join(',')}`);
    this.#one = insert(1);
    this.#bulk = insert(BULK);
    this.#removeRange = db.prepare(`DELETE FROM ${name} WHERE seq BETWEEN ? AND ?`);
    this.#delay = db.prepare(`UPDATE ${name} SET attempts = ?, due = ? WHERE seq = ?`);
    this.#count = db.prepare('UPDATE broker_queues SET messages = messages + ?, bytes = bytes + ? WHERE number = ?');
    const all = `SELECT seq, id, meta, body, due, attempts, first_at FROM ${name}`;
    this.#scan = db.prepare(`${all} WHERE seq > ? AND seq <= ? ORDER BY seq`);
    this.#fresh = db.prepare(`${all} WHERE seq > ? AND due IS NULL ORDER BY seq LIMIT ?`);
    this.#due = db.prepare(`${all} WHERE due IS NOT NULL AND (due, seq) > (?, ?) AND due <= ? ORDER BY due, seq LIMIT ?`);
    this.#nextDue = db.prepare(`SELECT due FROM ${name} WHERE due IS NOT NULL AND (due, seq) > (?, ?) ORDER BY due, seq LIMIT 1`);
    this.#find = db.prepare(`SELECT length(body) AS bytes FROM ${name} WHERE seq = ?`);
  }

  static create(db: DatabaseSync, number: number): void {
    const name = `broker_q${number}`;
    db.exec(`
      CREATE TABLE ${name} (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, meta TEXT NOT NULL, body BLOB NOT NULL,
        due INTEGER, attempts INTEGER NOT NULL DEFAULT 0, first_at INTEGER NOT NULL
      );
      CREATE INDEX ${name}_due ON ${name} (due) WHERE due IS NOT NULL;
    `);
  }

  /** Returns the seq of the last row. Inside a transaction the seqs are consecutive. */
  insert(rows: readonly NewRow[]): number {
    let last = 0;
    let at = 0;
    for (; at + BULK <= rows.length; at += BULK) {
      const values: SQLInputValue[] = [];
      for (let row = at; row < at + BULK; row++) {
        const { id, metaText, body, firstAt } = rows[row] as NewRow;
        values.push(id, metaText, body, firstAt);
      }
      last = Number(this.#bulk.run(...values).lastInsertRowid);
    }
    for (; at < rows.length; at++) {
      const { id, metaText, body, firstAt } = rows[at] as NewRow;
      last = Number(this.#one.run(id, metaText, body, firstAt).lastInsertRowid);
    }
    return last;
  }

  /** Removes rows, neighbours with one statement, and returns how many were still there. */
  remove(seqs: readonly number[]): number {
    const sorted = Float64Array.from(seqs).sort();
    let removed = 0;
    for (let from = 0, to = 0; from < sorted.length; from = to) {
      for (to = from + 1; to < sorted.length && sorted[to] === (sorted[to - 1] as number) + 1; to++);
      removed += Number(this.#removeRange.run(sorted[from] as number, sorted[to - 1] as number).changes);
    }
    return removed;
  }

  delay(seq: number, attempts: number, due: number): void {
    this.#delay.run(attempts, due, seq);
  }

  /** Changes the stored counters of the queue. */
  count(messages: number, bytes: number): void {
    this.#count.run(messages, bytes, this.#number);
  }

  /** Counts every row, stores the counters and returns them. */
  recount(): Load {
    const found = this.#db.prepare(`SELECT count(*) AS messages, coalesce(sum(length(body)), 0) AS bytes FROM ${this.#name}`).get();
    const load = { messages: Number(found?.messages), bytes: Number(found?.bytes) };
    this.#db.prepare('UPDATE broker_queues SET messages = ?, bytes = ? WHERE number = ?').run(load.messages, load.bytes, this.#number);
    return load;
  }

  /** Every row behind `seq` up to `last`, in order. */
  *scan(seq: number, last: number): Generator<LoadedMessage> {
    for (const row of this.#scan.iterate(seq, last)) yield toMessage(row as unknown as Row);
  }

  /** Rows behind `seq` that were never retried, in order. */
  *fresh(seq: number, limit: number): Generator<LoadedMessage> {
    for (const row of this.#fresh.iterate(seq, limit)) yield toMessage(row as unknown as Row);
  }

  /** Retried rows behind `after` that are due by `now`. */
  *due(after: DuePosition, now: number, limit: number): Generator<LoadedMessage> {
    for (const row of this.#due.iterate(after.due, after.seq, now, limit)) yield toMessage(row as unknown as Row);
  }

  nextDue(after: DuePosition): number | undefined {
    return this.#nextDue.get(after.due, after.seq)?.due as number | undefined;
  }

  delayed(now: number): number {
    return Number(this.#db.prepare(`SELECT count(*) AS n FROM ${this.#name} WHERE due > ?`).get(now)?.n);
  }

  /** Bytes of the body; undefined if the row is gone. */
  find(seq: number): number | undefined {
    return this.#find.get(seq)?.bytes as number | undefined;
  }

  /** The highest seq ever given. */
  lastSeq(): number {
    return Number(this.#db.prepare('SELECT seq FROM sqlite_sequence WHERE name = ?').get(this.#name)?.seq ?? 0);
  }
}
