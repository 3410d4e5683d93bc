import type { StoredMessage } from './types.ts';

/** A message in a queue. `seq` grows with each publish and is never used again in this queue. */
export interface QueueMessage extends Omit<StoredMessage, 'seq'> {
  readonly seq: number;
}

export const storedMessage = (message: QueueMessage): StoredMessage => ({
  seq: String(message.seq),
  id: message.id,
  meta: message.meta,
  body: message.body,
  attempts: message.attempts,
  firstAt: message.firstAt,
});

/** Ready messages in memory, in the order of seq. */
export class Backlog {
  /** Released, or back from a delay. They are few, and sorted. */
  #returned: QueueMessage[] = [];
  #list: QueueMessage[] = [];
  #head = 0;
  /** Sum of the bodies. */
  bytes = 0;

  get size(): number {
    return this.#returned.length + this.#list.length - this.#head;
  }

  push(message: QueueMessage): void {
    this.#list.push(message);
    this.bytes += message.body.length;
  }

  /** Puts a message back at its place by seq. */
  putBack(message: QueueMessage): void {
    const list = this.#returned;
    let at = list.length;
    for (; at > 0 && (list[at - 1] as QueueMessage).seq > message.seq; at--);
    list.splice(at, 0, message);
    this.bytes += message.body.length;
  }

  shift(): QueueMessage | undefined {
    const returned = this.#returned[0];
    const next = this.#list[this.#head];
    const message = returned && (!next || returned.seq < next.seq) ? this.#returned.shift() : next;
    if (!message) return undefined;
    if (message === next) this.#forward();
    this.bytes -= message.body.length;
    return message;
  }

  /** Removes the newest message; undefined if all messages are returned ones. */
  popNewest(): QueueMessage | undefined {
    if (this.#head === this.#list.length) return undefined;
    const message = this.#list.pop();
    this.bytes -= message?.body.length ?? 0;
    return message;
  }

  /** Exchanges the newest message with another one; `where` is from 0 (oldest) to below 1. */
  misplaceNewest(where: number): void {
    const last = this.#list.length - 1;
    const at = this.#head + Math.floor(where * (last + 1 - this.#head));
    const other = this.#list[at];
    const newest = this.#list[last];
    if (!other || !newest) return;
    this.#list[at] = newest;
    this.#list[last] = other;
  }

  filter(keep: (message: QueueMessage) => boolean): void {
    this.#returned = this.#returned.filter(keep);
    this.#list = this.#list.slice(this.#head).filter(keep);
    this.#head = 0;
    this.bytes = 0;
    for (const message of this) this.bytes += message.body.length;
  }

  *[Symbol.iterator](): Generator<QueueMessage> {
    yield* this.#returned;
    for (let at = this.#head; at < this.#list.length; at++) yield this.#list[at] as QueueMessage;
  }

  /** A queue that is never empty must not keep old messages. */
  #forward(): void {
    this.#list[this.#head++] = undefined as unknown as QueueMessage;
    if (this.#head === this.#list.length || this.#head >= 4096) {
      this.#list = this.#list.slice(this.#head);
      this.#head = 0;
    }
  }
}
