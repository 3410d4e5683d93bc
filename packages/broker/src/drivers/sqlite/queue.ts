import { type QueueMessage, storedMessage } from '../../backlog.ts';
import { type Load, missingMessage, unreserve } from '../../checks.ts';
import type { SettlementKind } from '../../delivery.ts';
import { Dispatcher, type LocalConsumer, type LocalDelivery } from '../../dispatcher.ts';
import type { QueueDeclaration, QueueInfo, StoredMessage } from '../../types.ts';
import { MEMORY_MESSAGES, ReadyMessages } from './ready-messages.ts';
import type { RetryTime } from './retry-time.ts';
import type { NewRow, QueueTable } from './table.ts';

/** Rows that `browse` reads at once. */
const PAGE_MESSAGES = 100;
const PAGE_BYTES = 4 * 1024 * 1024;

export interface WriteRequests {
  /** Write at the end of this turn of the event loop. */
  soon(queue: DurableQueue): void;
  /** Write within a few milliseconds, or with the next publish. */
  later(queue: DurableQueue): void;
  readFailed(error: unknown): void;
}

interface Retry {
  readonly seq: number;
  readonly attempts: number;
  due: number;
}

/**
 * A queue in a table. It collects new messages and settlements for the next transaction of the
 * writer: `write` inside of it, then `written` after the commit or `refused` after a rollback.
 */
export class DurableQueue {
  declaration: QueueDeclaration;
  /** True if this process declared it; false if it was only found in the file. */
  declared = false;
  /** All messages that are not acked, and those of publishes that are not committed. */
  readonly load: Load = { messages: 0, bytes: 0 };
  /** Rows for the next transaction. */
  incoming: NewRow[] = [];
  readonly #table: QueueTable;
  readonly #time: RetryTime;
  readonly #writes: WriteRequests;
  readonly #ready: ReadyMessages;
  readonly #dispatcher: Dispatcher;
  #acked: QueueMessage[] = [];
  #retried: Retry[] = [];
  #released: QueueMessage[] = [];
  #inserted = 0;
  #recounted: Load | undefined;

  constructor(declaration: QueueDeclaration, table: QueueTable, time: RetryTime, writes: WriteRequests) {
    this.declaration = declaration;
    this.#table = table;
    this.#time = time;
    this.#writes = writes;
    this.#ready = new ReadyMessages(table, time, () => this.#retriesDue());
    this.#dispatcher = new Dispatcher({
      name: declaration.name,
      onlyOldest: () => this.declaration.singleActive === true,
      next: () => this.#readSafely(() => this.#ready.shift()),
    });
  }

  consume(consumer: LocalConsumer): void {
    this.#dispatcher.add(consumer);
  }

  cancel(consumer: LocalConsumer): void {
    this.#dispatcher.remove(consumer);
  }

  settle(delivery: LocalDelivery, how: SettlementKind, afterMs: number): void {
    if (!this.#dispatcher.settle(delivery)) return;
    const { message } = delivery;
    if (how === 'ack') {
      this.#acked.push(message);
      unreserve(this.load, message.body.length);
    } else if (how === 'retry') {
      this.#retried.push({ seq: message.seq, attempts: message.attempts + 1, due: this.#time.now() + Math.ceil(afterMs) });
    } else {
      this.#released.push(message);
      this.#writes.soon(this);
      return;
    }
    if (this.#acked.length >= MEMORY_MESSAGES) this.#writes.soon(this);
    else this.#writes.later(this);
    if (this.#ready.mayHaveMore) this.#dispatcher.schedule();
  }

  /** Inside the transaction of the writer. */
  write(): void {
    const messages = this.incoming.length - this.#acked.length;
    const bytes = bytesOf(this.incoming) - bytesOf(this.#acked);
    if (this.incoming.length > 0) this.#inserted = this.#table.insert(this.incoming);
    const removed = this.#table.remove(this.#acked.map((message) => message.seq));
    if (this.#retried.length > 0) this.#time.save();
    for (const retry of this.#retried) {
      retry.due = Math.max(retry.due, this.#ready.earliestRetry);
      this.#table.delay(retry.seq, retry.attempts, retry.due);
    }
    // Another process took some of the acked messages, and counted them.
    if (removed !== this.#acked.length) this.#recounted = this.#table.recount();
    else if (messages !== 0 || bytes !== 0) this.#table.count(messages, bytes);
  }

  /** After the commit: published messages go on to consumers. */
  written(): void {
    if (this.incoming.length > 0) {
      this.#ready.add(this.incoming, this.#inserted, this.#dispatcher.consumers > 0);
      this.#dispatcher.schedule();
    }
    this.incoming = [];
    this.#acked = [];
    if (this.#recounted) Object.assign(this.load, this.#recounted);
    this.#recounted = undefined;
    for (const { due } of this.#retried) this.#ready.wakeAt(due);
    this.#retried = [];
  }

  /** After a rollback: publishes fail. True if settlements stay for the next transaction. */
  refused(): boolean {
    this.#recounted = undefined;
    for (const row of this.incoming) unreserve(this.load, row.body.length);
    this.incoming = [];
    return this.#acked.length + this.#retried.length > 0;
  }

  putBackReleased(): void {
    if (this.#released.length === 0) return;
    this.#ready.putBack(this.#released);
    this.#released = [];
    this.#dispatcher.schedule();
  }

  /** Another process wrote to the file. */
  refresh(stored: Load): void {
    this.putBackReleased();
    this.load.messages = stored.messages - this.#acked.length + this.incoming.length;
    this.load.bytes = stored.bytes - bytesOf(this.#acked) + bytesOf(this.incoming);
    this.#ready.refresh();
    this.#dispatcher.schedule();
  }

  info(): QueueInfo {
    const { name, kind } = this.declaration;
    const { unacked, consumers } = this.#dispatcher;
    const delayed = this.#table.delayed(this.#time.now());
    // Another process may have taken a message that a consumer holds.
    const ready = Math.max(0, this.load.messages - unacked - delayed);
    return { name, kind, ready, unacked, delayed, bytes: this.load.bytes, consumers };
  }

  lastSeq(): number {
    return this.#table.lastSeq();
  }

  /** Ready and delayed messages behind `seq` up to `last`, and the seq before the next page. */
  page(seq: number, last: number): { readonly messages: StoredMessage[]; readonly seq: number } {
    const messages: StoredMessage[] = [];
    let bytes = 0;
    for (const message of this.#table.scan(seq, last)) {
      if (this.#dispatcher.isUnacked(message.seq)) continue;
      messages.push(storedMessage(message));
      bytes += message.body.length;
      if (messages.length >= PAGE_MESSAGES || bytes > PAGE_BYTES) return { messages, seq: message.seq };
    }
    return { messages, seq: last };
  }

  /** Delivers again after a failed read. */
  resume(): void {
    this.#dispatcher.schedule();
  }

  /** Inside a transaction. BROKER_MESSAGE_MISSING if one of them is neither ready nor delayed. */
  take(seqs: readonly string[]): Load {
    const taken: Load = { messages: 0, bytes: 0 };
    const numbers = [...new Set(seqs)].map(Number);
    for (const seq of numbers) {
      const bytes = Number.isSafeInteger(seq) && !this.#dispatcher.isUnacked(seq) ? this.#table.find(seq) : undefined;
      if (bytes === undefined) throw missingMessage(this.declaration.name, String(seq));
      taken.messages++;
      taken.bytes += bytes;
    }
    this.#table.remove(numbers);
    this.#table.count(-taken.messages, -taken.bytes);
    return taken;
  }

  /** After the commit of `take`. */
  taken(seqs: readonly string[], { messages, bytes }: Load): void {
    this.#ready.remove(new Set(seqs.map(Number)));
    this.load.messages -= messages;
    this.load.bytes -= bytes;
  }

  close(): void {
    this.#dispatcher.close();
    this.#ready.close();
  }

  #retriesDue(): void {
    // Without a consumer or room they are read later, when memory is empty.
    if (this.#dispatcher.consumers > 0 && !this.#ready.isFull) this.#readSafely(() => this.#ready.readRetried());
    this.#dispatcher.schedule();
  }

  #readSafely<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      this.#writes.readFailed(error);
      return undefined;
    }
  }
}

const bytesOf = (list: readonly { readonly body: Buffer }[]): number => list.reduce((sum, { body }) => sum + body.length, 0);
