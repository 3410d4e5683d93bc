import type { BatchPolicy } from '../types.ts';
import { deliveriesOf, type Unsettled } from './unsettled.ts';

const MINUTE = 60_000;
/** A batch waits twice as long as the last one took to handle, so that batches do not pile up. */
const WAIT_PER_HANDLING = 2;
/** Brokers take back unsettled deliveries after 30 minutes, and handling comes after the wait. */
const LONGEST_WAIT_MS = 10 * MINUTE;

interface Batch {
  readonly key: string;
  readonly messages: Unsettled[];
  readonly byId: Map<string, Unsettled>;
  /** In ticks of the clock. */
  readonly openedAt: number;
  bytes: number;
}

/** Where batches go: to the handler, or back to the queue if they have too few messages. */
export interface BatchEnd {
  handle(messages: Unsettled[]): void;
  release(messages: Unsettled[]): void;
}

/** The caller passes the time and calls `expire` at `dueAt`. `#open` has the oldest batch first. */
export class Batches {
  readonly #policy: BatchPolicy;
  readonly #prefetch: number;
  readonly #end: BatchEnd;
  readonly #open = new Map<string, Batch>();
  #waitMs: number;
  #waiting = 0;

  constructor(policy: BatchPolicy, prefetch: number, end: BatchEnd) {
    this.#policy = policy;
    this.#prefetch = prefetch;
    this.#end = end;
    this.#waitMs = Math.min(policy.ttlMs, LONGEST_WAIT_MS);
  }

  /** Records how long the last batch took, in ms. True if open batches are due sooner now. */
  took(ms: number): boolean {
    const { ttlMs, mostTtlMs = ttlMs } = this.#policy;
    const before = this.#waitMs;
    this.#waitMs = Math.min(Math.max(ttlMs, Math.min(WAIT_PER_HANDLING * ms, mostTtlMs)), LONGEST_WAIT_MS);
    return this.#waitMs < before;
  }

  /** Deliveries in open batches. */
  get waiting(): number {
    return this.#waiting;
  }

  /** When the oldest batch must go, in ticks. */
  get dueAt(): number | undefined {
    for (const batch of this.#open.values()) return batch.openedAt + this.#waitMs;
    return undefined;
  }

  /** Adds a message, and sends off full batches. If `key` throws, the message was not added. */
  add(one: Unsettled, ticks: number): void {
    const { max, maxBytes = Number.POSITIVE_INFINITY } = this.#policy;
    const { message, delivery } = one;
    const key = this.#policy.key?.(message) ?? '';
    const size = message.body.length;
    let batch = this.#open.get(key);
    const first = batch?.byId.get(message.id);
    if (first) {
      if (first.duplicates) first.duplicates.push(delivery);
      else first.duplicates = [delivery];
      this.#waiting++;
      return;
    }
    if (batch && batch.bytes + size > maxBytes) {
      this.#handle(batch);
      batch = undefined;
    }
    if (!batch) {
      batch = { key, messages: [], byId: new Map(), openedAt: ticks, bytes: 0 };
      this.#open.set(key, batch);
    }
    batch.messages.push(one);
    batch.byId.set(message.id, one);
    batch.bytes += size;
    this.#waiting++;
    if (batch.messages.length >= max || batch.bytes >= maxBytes) this.#handle(batch);
  }

  /** Sends off the batches that are due. Like all times here, `ticks` come from `Clock.ticks`. */
  expire(ticks: number): void {
    for (const batch of this.#open.values()) {
      if (batch.openedAt + this.#waitMs > ticks) return;
      this.#handleOrRelease(batch);
    }
  }

  /**
   * If the prefetch is full, no message could complete a batch. So the oldest ones go, an eighth of
   * the prefetch at a time: several messages then share a confirm. `unsettled`: of the whole take.
   */
  relieve(unsettled: number): void {
    if (unsettled < this.#prefetch) return;
    const most = this.#prefetch - Math.max(1, this.#prefetch >> 3);
    for (const batch of this.#open.values()) {
      if (this.#waiting <= most) return;
      this.#handle(batch);
    }
  }

  flush(): void {
    for (const batch of this.#open.values()) this.#handleOrRelease(batch);
  }

  #handleOrRelease(batch: Batch): void {
    if (batch.messages.length >= (this.#policy.min ?? 1)) this.#handle(batch);
    else this.#end.release(this.#remove(batch));
  }

  #handle(batch: Batch): void {
    this.#end.handle(this.#remove(batch));
  }

  #remove(batch: Batch): Unsettled[] {
    this.#open.delete(batch.key);
    for (const one of batch.messages) this.#waiting -= deliveriesOf(one);
    return batch.messages;
  }
}
