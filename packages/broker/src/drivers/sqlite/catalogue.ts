import type { DatabaseSync } from 'node:sqlite';
import type { Load } from '../../checks.ts';
import type { QueueDeclaration } from '../../types.ts';
import { QueueTable } from './table.ts';

export interface QueueRow extends Load {
  readonly number: number;
  readonly declaration: QueueDeclaration;
}

export class Catalogue {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  rows(): QueueRow[] {
    return this.#db.prepare('SELECT * FROM broker_queues ORDER BY name').all().map(toRow);
  }

  find(name: string): QueueRow | undefined {
    const row = this.#db.prepare('SELECT * FROM broker_queues WHERE name = ?').get(name);
    return row && toRow(row);
  }

  /** Inside a transaction: creates the queue, or changes its limits. */
  put({ name, singleActive, maxMessages, maxBytes }: QueueDeclaration): void {
    const known = this.find(name);
    const values = [singleActive ? 1 : 0, maxMessages ?? null, maxBytes ?? null];
    if (known) {
      this.#db
        .prepare('UPDATE broker_queues SET single_active = ?, max_messages = ?, max_bytes = ? WHERE number = ?')
        .run(...values, known.number);
      return;
    }
    const insert = 'INSERT INTO broker_queues (name, single_active, max_messages, max_bytes) VALUES (?, ?, ?, ?)';
    const { lastInsertRowid } = this.#db.prepare(insert).run(name, ...values);
    QueueTable.create(this.#db, Number(lastInsertRowid));
  }
}

function toRow(row: Record<string, unknown>): QueueRow {
  const limits = {
    ...(row.max_messages !== null && { maxMessages: Number(row.max_messages) }),
    ...(row.max_bytes !== null && { maxBytes: Number(row.max_bytes) }),
  };
  return {
    number: Number(row.number),
    declaration: { name: String(row.name), kind: 'durable', singleActive: row.single_active === 1, ...limits },
    messages: Number(row.messages),
    bytes: Number(row.bytes),
  };
}
