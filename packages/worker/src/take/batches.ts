import type { BatchPolicy } from '../types.ts';
import { deliveriesOf, type Held } from './unsettled.ts';

const MINUTE = 60_000;
/** A batch waits so many times as long as the last one took: until they fill sooner, one is under way for half of the time. */
const RESTS = 2;
/** Longest wait in a batch; brokers take back what is held for 30 minutes, and handling comes after. */
const LONGEST_WAIT_MS = 10 * MINUTE;

interface Batch {
  readonly key: string;
  readonly held: Held[];
  readonly byId: Map<string, Held>;
  /** In ticks of the clock. */
  readonly openedAt: number;
  bytes: number;
}

/** Where batches go: to the handler, or back to the queue when they are too few. */
export interface BatchEnd {
  handle(held: Held[]): void;
  putBack(held: Held[]): void;
}

/**
 * Collects messages by the policy, and is nothing but the policy: it knows neither time nor broker.
 * Open batches lie in the order in which they were opened, so the first is always the oldest.
 */
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

  /** How long the last batch was at work, in ms. True where those that are open have to go sooner now. */
  took(ms: number): boolean {
    const { ttlMs, mostTtlMs = ttlMs } = this.#policy;
    const before = this.#waitMs;
    this.#waitMs = Math.min(Math.max(ttlMs, Math.min(RESTS * ms, mostTtlMs)), LONGEST_WAIT_MS);
    return this.#waitMs < before;
  }

  /** Deliveries that wait in open batches. */
  get waiting(): number {
    return this.#waiting;
  }

  /** When the oldest batch must go, in ticks. */
  get dueAt(): number | undefined {
    for (const batch of this.#open.values()) return batch.openedAt + this.#waitMs;
    return undefined;
  }

  /** Takes a message in; batches that it fills go. Throws what `key` throws, and then has not taken it. */
  add(held: Held, ticks: number): void {
    const { max, maxBytes = Number.POSITIVE_INFINITY } = this.#policy;
    const { message, delivery } = held;
    const key = this.#policy.key?.(message) ?? '';
    const size = message.body.length;
    let batch = this.#open.get(key);
    const twin = batch?.byId.get(message.id);
    if (twin) {
      if (twin.twins) twin.twins.push(delivery);
      else twin.twins = [delivery];
      this.#waiting++;
      return;
    }
    if (batch && batch.bytes + size > maxBytes) {
      this.#go(batch);
      batch = undefined;
    }
    if (!batch) {
      batch = { key, held: [], byId: new Map(), openedAt: ticks, bytes: 0 };
      this.#open.set(key, batch);
    }
    batch.held.push(held);
    batch.byId.set(message.id, held);
    batch.bytes += size;
    this.#waiting++;
    if (batch.held.length >= max || batch.bytes >= maxBytes) this.#go(batch);
  }

  /** Lets go what is due. Like all times here, `ticks` come from `Clock.ticks`. */
  expire(ticks: number): void {
    for (const batch of this.#open.values()) {
      if (batch.openedAt + this.#waitMs > ticks) return;
      this.#goOrBack(batch);
    }
  }

  /**
   * `heldAll` deliveries are held, waiting or not. Were all of a full prefetch waiting, nothing would ever come to complete a batch: the oldest go then,
   * enough of them to share one confirm.
   */
  relieve(heldAll: number): void {
    if (heldAll < this.#prefetch) return;
    const most = this.#prefetch - Math.max(1, this.#prefetch >> 3);
    for (const batch of this.#open.values()) {
      if (this.#waiting <= most) return;
      this.#go(batch);
    }
  }

  /** Lets everything go: taking has ended. */
  flush(): void {
    for (const batch of this.#open.values()) this.#goOrBack(batch);
  }

  #goOrBack(batch: Batch): void {
    if (batch.held.length >= (this.#policy.min ?? 1)) this.#go(batch);
    else this.#end.putBack(this.#remove(batch));
  }

  #go(batch: Batch): void {
    this.#end.handle(this.#remove(batch));
  }

  #remove(batch: Batch): Held[] {
    this.#open.delete(batch.key);
    for (const held of batch.held) this.#waiting -= deliveriesOf(held);
    return batch.held;
  }
}
