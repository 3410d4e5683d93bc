import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Clock } from '@blockhub/clock';
import { calm } from '@blockhub/faults';
import { checkAlike, checkDeclaration, missingQueue, reserveAll, unreserve } from '../../checks.ts';
import type { Outgoing, QueueDeclaration } from '../../types.ts';
import { MemoryQueue } from '../memory/queue.ts';
import { Catalogue, type QueueRow } from './catalogue.ts';
import { DurableQueue } from './queue.ts';
import { RetryTime } from './retry-time.ts';
import { QueueTable } from './table.ts';
import type { PrivatePart, Writer } from './writer.ts';

export type AnyQueue = DurableQueue | MemoryQueue;

const noPrivatePart: PrivatePart = { deliver: () => {}, cancel: () => {} };

/** The queues of an open file, and the private queues of this process. */
export class Queues {
  readonly #db: DatabaseSync;
  readonly #clock: Clock;
  readonly #time: RetryTime;
  readonly #writer: Writer;
  readonly #catalogue: Catalogue;
  readonly #all = new Map<string, AnyQueue>();
  readonly #dataVersion: StatementSync;
  #version: unknown;

  constructor(db: DatabaseSync, clock: Clock, writer: Writer) {
    this.#db = db;
    this.#clock = clock;
    this.#time = new RetryTime(db, clock);
    this.#writer = writer;
    this.#catalogue = new Catalogue(db);
    this.#dataVersion = db.prepare('PRAGMA data_version');
    this.#version = this.#dataVersion.get()?.data_version;
    for (const row of this.#catalogue.rows()) this.#adopt(row);
  }

  [Symbol.iterator](): Iterator<AnyQueue> {
    return this.#all.values();
  }

  /** BROKER_QUEUE_MISSING */
  get(name: string): AnyQueue {
    // Another process may have declared it.
    if (!this.#all.has(name)) this.refresh();
    const queue = this.#all.get(name);
    if (!queue) throw missingQueue(name);
    return queue;
  }

  declare(declarations: readonly QueueDeclaration[]): void {
    for (const declaration of declarations) {
      checkDeclaration(declaration);
      const queue = this.#all.get(declaration.name);
      if (!queue) continue;
      // A declaration that was only found in the file can be that of an older version.
      const free = queue instanceof DurableQueue && !queue.declared;
      checkAlike(queue.declaration, free ? { ...declaration, singleActive: queue.declaration.singleActive === true } : declaration);
    }
    const durable = declarations.filter(({ kind }) => kind === 'durable');
    if (durable.length > 0) {
      this.#writer.transaction(() => {
        for (const declaration of durable) this.#catalogue.put(declaration);
      });
    }
    for (const declaration of declarations) this.#declared(declaration);
  }

  /** All or none. Durable queues get them with the next transaction, private ones by `deliver`. */
  enqueue(messages: readonly Outgoing[]): PrivatePart {
    const metaTexts = messages.map(({ meta }) => JSON.stringify(meta));
    // Before room is reserved, because it sets the counts.
    if (messages.some(({ queue }) => !this.#all.has(queue))) this.refresh();
    const queues = reserveAll(messages, (name) => this.#all.get(name));
    const firstAt = this.#clock.now();
    let privates = 0;
    for (let at = 0; at < messages.length; at++) {
      const queue = queues[at];
      const { id, meta, body } = messages[at] as Outgoing;
      if (queue instanceof DurableQueue) {
        queue.incoming.push({ id, meta, metaText: metaTexts[at] as string, body, firstAt });
        this.#writer.touch(queue);
      } else if (queue) privates++;
    }
    if (privates === 0) return noPrivatePart;
    const each = (run: (queue: MemoryQueue, message: Outgoing) => void): void => {
      for (const [at, queue] of queues.entries()) if (queue instanceof MemoryQueue) run(queue, messages[at] as Outgoing);
    };
    return {
      deliver: () => each((queue, message) => queue.add(message, calm)),
      cancel: () => each(({ load }, { body }) => unreserve(load, body.length)),
    };
  }

  /** Reads what another process wrote, if one did. */
  refresh(): void {
    const version = this.#dataVersion.get()?.data_version;
    if (version === this.#version) return;
    this.#version = version;
    for (const row of this.#catalogue.rows()) {
      const queue = this.#all.get(row.declaration.name);
      if (queue instanceof DurableQueue) queue.refresh(row);
      else if (!queue) this.#adopt(row);
    }
  }

  #adopt(row: QueueRow): DurableQueue {
    const queue = new DurableQueue(row.declaration, new QueueTable(this.#db, row.number), this.#time, this.#writer);
    queue.load.messages = row.messages;
    queue.load.bytes = row.bytes;
    this.#all.set(row.declaration.name, queue);
    return queue;
  }

  #declared(declaration: QueueDeclaration): void {
    const { name, kind } = declaration;
    let queue = this.#all.get(name);
    if (!queue && kind === 'private') queue = new MemoryQueue(declaration, this.#clock);
    if (!queue) {
      const row = this.#catalogue.find(name);
      if (!row) throw missingQueue(name);
      queue = this.#adopt(row);
    }
    queue.declaration = declaration;
    if (queue instanceof DurableQueue) queue.declared = true;
    this.#all.set(name, queue);
  }
}
