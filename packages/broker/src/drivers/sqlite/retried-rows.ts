import type { Cancel } from '@blockhub/clock';
import type { RetryTime } from './retry-time.ts';
import type { DuePosition, LoadedMessage, QueueTable } from './table.ts';

const READ_MESSAGES = 256;

/**
 * Reads the retried rows of a queue once they are due, in the order of their due times.
 *
 * | mode | meaning | changes to |
 * | --- | --- | --- |
 * | unread | rows may be due that were not read | waiting, when `read` has read all of them |
 * | waiting | every due row was read; a timer runs for the next one | unread, when it ends |
 * | closed | nothing is read any more | |
 */
export class RetriedRows {
  readonly #table: QueueTable;
  readonly #time: RetryTime;
  readonly #onDue: () => void;
  #mode: 'unread' | 'waiting' | 'closed' = 'unread';
  /** The last row that was read. Rows that are due before it are not read again. */
  #place: DuePosition = { due: -1, seq: 0 };
  #timer: { readonly at: number; readonly cancel: Cancel } | undefined;

  constructor(table: QueueTable, time: RetryTime, onDue: () => void) {
    this.#table = table;
    this.#time = time;
    this.#onDue = onDue;
  }

  get mayBeDue(): boolean {
    return this.#mode === 'unread';
  }

  /** The earliest time for a retry that is written now. At an earlier time `read` would miss it. */
  get earliest(): number {
    return this.#place.due + 1;
  }

  /** Gives each due row to `accept`, until it returns false: there is no room for that row. */
  read(accept: (message: LoadedMessage) => boolean): void {
    if (this.#mode === 'closed') return;
    this.#mode = 'unread';
    for (const message of this.#table.due(this.#place, this.#time.now(), READ_MESSAGES)) {
      if (!accept(message)) return;
      this.#place = { due: message.due ?? 0, seq: message.seq };
    }
    this.#mode = 'waiting';
    const next = this.#table.nextDue(this.#place);
    if (next !== undefined) this.wakeAt(next);
  }

  wakeAt(at: number): void {
    if (this.#mode === 'closed' || (this.#timer && this.#timer.at <= at)) return;
    this.#timer?.cancel();
    const wake = (): void => {
      this.#timer = undefined;
      this.#mode = 'unread';
      this.#onDue();
    };
    this.#timer = { at, cancel: this.#time.wakeAt(at, wake) };
  }

  close(): void {
    this.#mode = 'closed';
    this.#timer?.cancel();
  }
}
