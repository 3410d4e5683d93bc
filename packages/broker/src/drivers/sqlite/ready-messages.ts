import { Backlog, type QueueMessage } from '../../backlog.ts';
import { RetriedRows } from './retried-rows.ts';
import type { RetryTime } from './retry-time.ts';
import type { NewRow, QueueTable } from './table.ts';

/** Limits of the messages in memory. One message that is larger always fits. */
export const MEMORY_MESSAGES = 2_000;
const MEMORY_BYTES = 8 * 1024 * 1024;
/** Rows that are read at once: few, so that they are gone before V8 moves them to its old space. */
const READ_MESSAGES = 256;

/**
 * The ready messages of a queue that are in memory. A *fresh* row was never retried.
 *
 * | mode | meaning | changes to |
 * | --- | --- | --- |
 * | direct | memory has every fresh row behind `#cursor` | reading, see `add` and `refresh` |
 * | reading | fresh rows are read when memory is empty | direct, after the last one |
 */
export class ReadyMessages {
  readonly #table: QueueTable;
  readonly #retried: RetriedRows;
  readonly #memory = new Backlog();
  #mode: 'direct' | 'reading' = 'reading';
  /** The last fresh row that was put into memory. */
  #cursor = 0;
  /** The highest seq at the last write or refresh. Higher ones can come from another process. */
  #lastSeq: number;

  /** `onDue` is called when a retried row is due. */
  constructor(table: QueueTable, time: RetryTime, onDue: () => void) {
    this.#table = table;
    this.#retried = new RetriedRows(table, time, onDue);
    this.#lastSeq = table.lastSeq();
  }

  /** If false, `shift` returns nothing before the next publish, retry or release. */
  get mayHaveMore(): boolean {
    return this.#memory.size > 0 || this.#mode === 'reading' || this.#retried.mayBeDue;
  }

  get isFull(): boolean {
    return !this.#hasRoom(0);
  }

  get earliestRetry(): number {
    return this.#retried.earliest;
  }

  /** The next message in order. If memory is empty, rows are read first. */
  shift(): QueueMessage | undefined {
    if (this.#memory.size === 0) {
      if (this.#retried.mayBeDue) this.readRetried();
      if (this.#mode === 'reading') this.#readFresh();
    }
    return this.#memory.shift();
  }

  /**
   * After a commit of these rows; `last` is the seq of the last one. If there is no room or no
   * consumer, or if another process wrote, they are read from the table later.
   */
  add(rows: readonly NewRow[], last: number, hasConsumers: boolean): void {
    const first = last - rows.length + 1;
    if (!hasConsumers || first !== this.#lastSeq + 1) this.#mode = 'reading';
    this.#lastSeq = last;
    for (let at = 0; at < rows.length && this.#mode === 'direct'; at++) {
      const { id, meta, body, firstAt } = rows[at] as NewRow;
      if (!this.#hasRoom(body.length)) {
        this.#mode = 'reading';
        break;
      }
      this.#cursor = first + at;
      this.#memory.push({ seq: first + at, id, meta, body, attempts: 0, firstAt });
    }
  }

  /** For released messages. If memory then has far too many, the newest are read again later. */
  putBack(messages: readonly QueueMessage[]): void {
    for (const message of messages) this.#memory.putBack(message);
    while (this.#memory.size > 2 * MEMORY_MESSAGES) {
      const newest = this.#memory.popNewest();
      if (!newest) break;
      this.#mode = 'reading';
      this.#cursor = newest.seq - 1;
    }
  }

  wakeAt(due: number): void {
    this.#retried.wakeAt(due);
  }

  readRetried(): void {
    this.#retried.read((message) => {
      if (!this.#hasRoom(message.body.length)) return false;
      this.#memory.putBack(message);
      return true;
    });
  }

  /** Another process wrote: what it took is removed, and what it published will be read. */
  refresh(): void {
    this.#memory.filter((message) => this.#table.find(message.seq) !== undefined);
    const last = this.#table.lastSeq();
    if (last === this.#lastSeq) return;
    this.#lastSeq = last;
    this.#mode = 'reading';
  }

  remove(seqs: ReadonlySet<number>): void {
    this.#memory.filter((message) => !seqs.has(message.seq));
  }

  close(): void {
    this.#retried.close();
  }

  #hasRoom(bytes: number): boolean {
    const { size } = this.#memory;
    return size < MEMORY_MESSAGES && (size === 0 || this.#memory.bytes + bytes <= MEMORY_BYTES);
  }

  #readFresh(): void {
    let count = 0;
    for (const message of this.#table.fresh(this.#cursor, READ_MESSAGES)) {
      if (!this.#hasRoom(message.body.length)) return;
      this.#memory.push(message);
      this.#cursor = message.seq;
      count++;
    }
    if (count < READ_MESSAGES) this.#mode = 'direct';
  }
}
