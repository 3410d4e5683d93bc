import type { Meta, StoredMessage } from './types.ts';

/** A message inside a queue. `seq` grows with publishing; nobody else in the queue ever has the same. */
export interface QueueMessage {
  readonly seq: number;
  readonly id: string;
  readonly meta: Meta;
  readonly body: Buffer;
  readonly attempts: number;
  readonly firstAt: number;
}

export const storedMessage = (message: QueueMessage): StoredMessage => ({
  seq: String(message.seq),
  id: message.id,
  meta: message.meta,
  body: message.body,
  attempts: message.attempts,
  firstAt: message.firstAt,
});

/** Ready messages in memory, by seq: those that came back, and behind them a list that only grows at its end. */
export class Backlog {
  /** Came back out of a consumer's hands or a delay; few, sorted. */
  #returned: QueueMessage[] = [];
  #line: QueueMessage[] = [];
  #head = 0;
  /** Sum of the bodies. */
  bytes = 0;

  get size(): number {
    return this.#returned.length + this.#line.length - this.#head;
  }

  push(message: QueueMessage): void {
    this.#line.push(message);
    this.bytes += message.body.length;
  }

  /** Puts a message to its place by seq. */
  putBack(message: QueueMessage): void {
    const list = this.#returned;
    let at = list.length;
    for (; at > 0 && (list[at - 1] as QueueMessage).seq > message.seq; at--);
    list.splice(at, 0, message);
    this.bytes += message.body.length;
  }

  shift(): QueueMessage | undefined {
    const returned = this.#returned[0];
    const next = this.#line[this.#head];
    const message = returned && (!next || returned.seq < next.seq) ? this.#returned.shift() : next;
    if (!message) return undefined;
    if (message === next) this.#forward();
    this.bytes -= message.body.length;
    return message;
  }

  /** Takes the newest of the line away; undefined when only returned messages are left. */
  popNewest(): QueueMessage | undefined {
    if (this.#head === this.#line.length) return undefined;
    const message = this.#line.pop();
    this.bytes -= message?.body.length ?? 0;
    return message;
  }

  /** Lets the newest change places with another one; `where` in [0, 1) from the oldest to the newest. */
  misplaceNewest(where: number): void {
    const last = this.#line.length - 1;
    const at = this.#head + Math.floor(where * (last + 1 - this.#head));
    const other = this.#line[at];
    const newest = this.#line[last];
    if (!other || !newest) return;
    this.#line[at] = newest;
    this.#line[last] = other;
  }

  /** Removes what `keep` does not want. */
  filter(keep: (message: QueueMessage) => boolean): void {
    this.#returned = this.#returned.filter(keep);
    this.#line = this.#line.slice(this.#head).filter(keep);
    this.#head = 0;
    this.bytes = 0;
    for (const message of this) this.bytes += message.body.length;
  }

  *[Symbol.iterator](): Generator<QueueMessage> {
    yield* this.#returned;
    for (let at = this.#head; at < this.#line.length; at++) yield this.#line[at] as QueueMessage;
  }

  /** The slot left behind is cleared at once, the list now and then: a queue that never empties must not keep what has gone. */
  #forward(): void {
    this.#line[this.#head++] = undefined as unknown as QueueMessage;
    if (this.#head === this.#line.length || this.#head >= 4096) {
      this.#line = this.#line.slice(this.#head);
      this.#head = 0;
    }
  }
}
