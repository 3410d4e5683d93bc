import type { Cancel } from '@blockhub/clock';
import { Backlog, type QueueMessage, storedMessage } from '../../backlog.ts';
import { type Load, missingMessage, unreserve } from '../../checks.ts';
import { ConsumerList, HeldDelivery, type Settler, type Slot } from '../../consumers.ts';
import { deliver, type Settlement } from '../../held.ts';
import type { QueueDeclaration, QueueInfo, StoredMessage } from '../../types.ts';
import type { RetryTime } from './retry-time.ts';
import type { DuePlace, NewRow, QueueTable } from './table.ts';

/** Bounds of what a queue keeps in memory beside what consumers hold. One bigger message always fits. */
const WINDOW_MESSAGES = 2_000;
const WINDOW_BYTES = 8 * 1024 * 1024;
/** Rows read at once: few enough that they are gone before they count as old objects. */
const FILL_MESSAGES = 256;
/** Rows that `browse` reads at once. */
const PAGE_MESSAGES = 100;
const PAGE_BYTES = 4 * 1024 * 1024;

/** How a queue asks for its file to be written. */
export interface Writes {
  /** At the end of this turn of the event loop. */
  soon(queue: DurableQueue): void;
  /** Within a few milliseconds, or with the next publish. */
  later(queue: DurableQueue): void;
  /** Reading the file failed. */
  failed(error: unknown): void;
}

interface Retry {
  readonly seq: number;
  readonly attempts: number;
  due: number;
}

/**
 * A queue in a table. Messages go from the publisher straight to consumers while the window is *in step*: it holds every fresh message
 * behind `#cursor`. When it overflows it falls out of step and is filled again from the table once it is empty.
 * What a consumer settled is collected here and written with the next transaction of the broker.
 */
export class DurableQueue implements Settler {
  declaration: QueueDeclaration;
  /** Declared by this process, not only found in the file. */
  declared = false;
  /** Every message that is not acked, and those of publishes in flight. */
  readonly load: Load = { messages: 0, bytes: 0 };
  /** Rows for the next transaction. */
  incoming: NewRow[] = [];
  readonly #table: QueueTable;
  readonly #time: RetryTime;
  readonly #writes: Writes;
  readonly #window = new Backlog();
  readonly #consumers = new ConsumerList();
  readonly #unacked = new Map<number, HeldDelivery>();
  #acked: QueueMessage[] = [];
  #retried: Retry[] = [];
  #returned: QueueMessage[] = [];
  #inStep = false;
  #cursor = 0;
  #lastSeq: number;
  #written = 0;
  #recounted: Load | undefined;
  /** Retried rows up to here have been loaded. */
  #duePlace: DuePlace = { due: -1, seq: 0 };
  /** More retried rows may be due than were loaded. */
  #dueOpen = true;
  #dueTimer: { readonly at: number; readonly cancel: Cancel } | undefined;
  #scheduled = false;
  #closed = false;

  constructor(declaration: QueueDeclaration, table: QueueTable, time: RetryTime, writes: Writes) {
    this.declaration = declaration;
    this.#table = table;
    this.#time = time;
    this.#writes = writes;
    this.#lastSeq = table.lastSeq();
  }

  consume(slot: Slot): void {
    this.#consumers.add(slot);
    this.#schedule();
  }

  /** No more deliveries; what the consumer holds stays with it. */
  cancel(slot: Slot): void {
    this.#consumers.remove(slot);
    this.#schedule();
  }

  settle(held: HeldDelivery, how: Settlement, afterMs: number): void {
    const { message, slot } = held;
    if (this.#closed || !this.#unacked.delete(message.seq)) return;
    slot.unacked--;
    if (how === 'ack') {
      this.#acked.push(message);
      unreserve(this.load, message.body.length);
    } else if (how === 'retry') {
      this.#retried.push({ seq: message.seq, attempts: message.attempts + 1, due: this.#time.now() + Math.ceil(afterMs) });
    } else {
      this.#returned.push(message);
      this.#writes.soon(this);
      return;
    }
    if (this.#acked.length >= WINDOW_MESSAGES) this.#writes.soon(this);
    else this.#writes.later(this);
    if (this.#window.size > 0 || !this.#inStep || this.#dueOpen) this.#schedule();
  }

  /** Inside the broker's transaction: all that is to be written. */
  write(): void {
    let { messages, bytes } = { messages: 0, bytes: 0 };
    if (this.incoming.length > 0) this.#written = this.#table.insert(this.incoming);
    for (const row of this.incoming) bytes += row.body.length;
    messages += this.incoming.length;
    let foreign = false;
    if (this.#acked.length > 0) {
      foreign = this.#table.remove(this.#acked.map((message) => message.seq)) !== this.#acked.length;
      for (const message of this.#acked) bytes -= message.body.length;
      messages -= this.#acked.length;
    }
    if (this.#retried.length > 0) this.#time.save();
    // Other retries may have been loaded since it was settled: behind their place nobody would look for it.
    for (const one of this.#retried) {
      one.due = Math.max(one.due, this.#duePlace.due + 1);
      this.#table.delay(one.seq, one.attempts, one.due);
    }
    if (foreign) this.#recounted = this.#table.recount();
    else if (messages !== 0 || bytes !== 0) this.#table.count(messages, bytes);
  }

  /** After the commit: what was published goes on to consumers. */
  written(): void {
    if (this.incoming.length > 0) this.#accept(this.incoming);
    this.incoming = [];
    this.#acked = [];
    if (this.#recounted) Object.assign(this.load, this.#recounted);
    this.#recounted = undefined;
    for (const { due } of this.#retried) this.#wakeAt(due);
    this.#retried = [];
  }

  /** After a rollback: settlements wait for the next transaction, publishes are the caller's again. Tells whether anything waits. */
  refused(): boolean {
    this.#recounted = undefined;
    for (const row of this.incoming) unreserve(this.load, row.body.length);
    this.incoming = [];
    return this.#acked.length + this.#retried.length > 0;
  }

  /** Released messages get their place again. */
  comeBack(): void {
    if (this.#returned.length === 0) return;
    for (const message of this.#returned) this.#window.putBack(message);
    this.#returned = [];
    while (this.#window.size > 2 * WINDOW_MESSAGES) {
      const newest = this.#window.popNewest();
      if (!newest) break;
      this.#inStep = false;
      this.#cursor = newest.seq - 1;
    }
    this.#schedule();
  }

  /** Another process wrote: what it took must not be delivered, what it published must. */
  refresh(stored: Load): void {
    this.comeBack();
    this.load.messages = stored.messages - this.#acked.length + this.incoming.length;
    this.load.bytes = stored.bytes - bytesOf(this.#acked) + bytesOf(this.incoming);
    this.#window.filter((message) => this.#table.find(message.seq) !== undefined);
    if (this.#table.lastSeq() !== this.#lastSeq) {
      this.#lastSeq = this.#table.lastSeq();
      this.#inStep = false;
    }
    this.#schedule();
  }

  info(): QueueInfo {
    const { name, kind } = this.declaration;
    const delayed = this.#table.delayed(this.#time.now());
    const unacked = this.#unacked.size;
    // Another process may have taken what a consumer holds.
    const ready = Math.max(0, this.load.messages - unacked - delayed);
    return { name, kind, ready, unacked, delayed, bytes: this.load.bytes, consumers: this.#consumers.size };
  }

  /** The highest seq ever given. */
  lastSeq(): number {
    return this.#table.lastSeq();
  }

  /** Waiting messages behind `seq`, up to `last`, and behind which the next page begins; `last` at the end. */
  page(seq: number, last: number): { readonly messages: StoredMessage[]; readonly seq: number } {
    const messages: StoredMessage[] = [];
    let bytes = 0;
    for (const message of this.#table.scan(seq, last)) {
      if (this.#unacked.has(message.seq)) continue;
      messages.push(storedMessage(message));
      bytes += message.body.length;
      if (messages.length >= PAGE_MESSAGES || bytes > PAGE_BYTES) return { messages, seq: message.seq };
    }
    return { messages, seq: last };
  }

  /** Looks again whether something can be delivered. */
  poke(): void {
    this.#schedule();
  }

  /** Inside a transaction. BROKER_MESSAGE_MISSING unless all of them wait here. */
  take(seqs: readonly string[]): Load {
    const taken: Load = { messages: 0, bytes: 0 };
    const numbers = [...new Set(seqs)].map(Number);
    for (const seq of numbers) {
      const bytes = Number.isSafeInteger(seq) && !this.#unacked.has(seq) ? this.#table.find(seq) : undefined;
      if (bytes === undefined) throw missingMessage(this.declaration.name, String(seq));
      taken.messages++;
      taken.bytes += bytes;
    }
    this.#table.remove(numbers);
    this.#table.count(-taken.messages, -taken.bytes);
    return taken;
  }

  /** After its commit. */
  taken(seqs: readonly string[], { messages, bytes }: Load): void {
    const gone = new Set(seqs.map(Number));
    this.#window.filter((message) => !gone.has(message.seq));
    this.load.messages -= messages;
    this.load.bytes -= bytes;
  }

  close(): void {
    this.#closed = true;
    this.#dueTimer?.cancel();
  }

  #accept(rows: readonly NewRow[]): void {
    const first = this.#written - rows.length + 1;
    // Without consumers nothing is kept; and something that lies between came from another process.
    if (this.#consumers.size === 0 || first !== this.#lastSeq + 1) this.#inStep = false;
    this.#lastSeq = this.#written;
    for (let at = 0; at < rows.length && this.#inStep; at++) {
      const { id, meta, body, firstAt } = rows[at] as NewRow;
      if (this.#full(body.length)) {
        this.#inStep = false;
        break;
      }
      this.#cursor = first + at;
      this.#window.push({ seq: first + at, id, meta, body, attempts: 0, firstAt });
    }
    this.#schedule();
  }

  #full(more: number): boolean {
    return this.#window.size >= WINDOW_MESSAGES || (this.#window.size > 0 && this.#window.bytes + more > WINDOW_BYTES);
  }

  #schedule(): void {
    if (this.#scheduled || this.#closed || this.#consumers.size === 0) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#guard(() => this.#dispatch());
    });
  }

  #dispatch(): void {
    const onlyOldest = this.declaration.singleActive === true;
    while (!this.#closed) {
      const slot = this.#consumers.next(onlyOldest);
      if (!slot) return;
      if (this.#window.size === 0) this.#fill();
      const message = this.#window.shift();
      if (!message) return;
      const held = new HeldDelivery(this.declaration.name, message, slot);
      this.#unacked.set(message.seq, held);
      slot.unacked++;
      deliver(slot.onDelivery, held);
    }
  }

  #fill(): void {
    if (this.#dueOpen) this.#loadDue();
    if (this.#inStep) return;
    let loaded = 0;
    for (const message of this.#table.fresh(this.#cursor, FILL_MESSAGES)) {
      if (this.#full(message.body.length)) return;
      this.#window.push(message);
      this.#cursor = message.seq;
      loaded++;
    }
    this.#inStep = loaded < FILL_MESSAGES;
  }

  #loadDue(): void {
    this.#dueOpen = true;
    for (const message of this.#table.due(this.#duePlace, this.#time.now(), FILL_MESSAGES)) {
      if (this.#full(message.body.length)) return;
      this.#duePlace = { due: message.due ?? 0, seq: message.seq };
      this.#window.putBack(message);
    }
    this.#dueOpen = false;
    const next = this.#table.nextDue(this.#duePlace);
    if (next !== undefined) this.#wakeAt(next);
  }

  #wakeAt(at: number): void {
    if (this.#closed || (this.#dueTimer && this.#dueTimer.at <= at)) return;
    this.#dueTimer?.cancel();
    const wake = (): void => {
      this.#dueTimer = undefined;
      this.#wake();
    };
    this.#dueTimer = { at, cancel: this.#time.wakeAt(at, wake) };
  }

  #wake(): void {
    if (this.#closed) return;
    // Loaded once the window is empty, or a consumer is there.
    if (this.#consumers.size === 0 || this.#full(0)) this.#dueOpen = true;
    else this.#guard(() => this.#loadDue());
    this.#schedule();
  }

  #guard(read: () => void): void {
    try {
      read();
    } catch (error) {
      this.#writes.failed(error);
    }
  }
}

const bytesOf = (list: readonly { readonly body: Buffer }[]): number => list.reduce((sum, { body }) => sum + body.length, 0);
