import type { Cancel, Clock } from '@blockhub/clock';
import type { FaultPlan } from '@blockhub/faults';
import { Backlog, type QueueMessage, storedMessage } from '../../backlog.ts';
import { type Load, missingMessage, unreserve } from '../../checks.ts';
import { ConsumerList, HeldDelivery, type Settler, type Slot } from '../../consumers.ts';
import { deliver, type Settlement } from '../../held.ts';
import type { CountedQueue, Outgoing, QueueDeclaration, StoredMessage } from '../../types.ts';

/** How long a queue rests when a message came back: more than nothing, so that a consumer that releases what it gets cannot stop time. */
const REST_MS = 1;
const MAX_TWIN_MS = 2_000;
const MAX_TWO_ACTIVE_MS = 5_000;

interface Delayed {
  readonly message: QueueMessage;
  readonly cancel: Cancel;
}

/** A queue that lives in this process only. */
export class MemoryQueue implements Settler {
  declaration: QueueDeclaration;
  /** The connection that a private queue belongs to. */
  readonly owner: object | undefined;
  /** Every message that is not acked. */
  readonly load: Load = { messages: 0, bytes: 0 };
  readonly #clock: Clock;
  readonly #ready = new Backlog();
  readonly #unacked = new Set<HeldDelivery>();
  readonly #delayed = new Map<number, Delayed>();
  readonly #consumers = new ConsumerList();
  #seq = 0;
  #scheduled = false;
  #resting = false;
  #twoActiveUntil = 0;
  #closed = false;

  constructor(declaration: QueueDeclaration, clock: Clock, owner?: object) {
    this.declaration = declaration;
    this.owner = owner;
    this.#clock = clock;
  }

  /** Adds a message whose room is reserved. */
  add({ id, meta, body }: Outgoing, plan: FaultPlan): void {
    this.#push({ seq: ++this.#seq, id, meta, body, attempts: 0, firstAt: this.#clock.now() });
    if (plan.chance('reorder')) this.#ready.misplaceNewest(plan.random());
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

  /** The consumer is gone: what it holds goes back. */
  drop(slot: Slot): void {
    slot.gone = true;
    this.#consumers.remove(slot);
    for (const held of this.#unacked) {
      if (held.slot !== slot) continue;
      this.#unacked.delete(held);
      this.#giveBack(held.message);
    }
    this.#schedule();
  }

  settle(held: HeldDelivery, how: Settlement, afterMs: number): void {
    if (this.#closed || !this.#unacked.has(held)) return;
    this.#unacked.delete(held);
    held.slot.unacked--;
    if (how === 'ack') unreserve(this.load, held.message.body.length);
    else if (how === 'retry') this.#delay(held.message, afterMs);
    else this.#giveBack(held.message);
    this.#schedule();
  }

  /** Ends the queue with all that is in it. */
  close(): void {
    this.#closed = true;
    for (const { cancel } of this.#delayed.values()) cancel();
    for (const held of this.#unacked) held.slot.gone = true;
  }

  info(): CountedQueue {
    const { name, kind } = this.declaration;
    const counts = { ready: this.#ready.size, unacked: this.#unacked.size, delayed: this.#delayed.size };
    return { name, kind, ...counts, bytes: this.load.bytes, consumers: this.#consumers.size };
  }

  stored(): StoredMessage[] {
    const delayed = [...this.#delayed.values()].map((entry) => entry.message);
    return [...this.#ready, ...delayed].sort((a, b) => a.seq - b.seq).map(storedMessage);
  }

  /** BROKER_MESSAGE_MISSING unless all of them wait here. */
  checkWaiting(seqs: readonly string[]): void {
    const waiting = new Set(this.stored().map((message) => message.seq));
    for (const seq of seqs) if (!waiting.has(seq)) throw missingMessage(this.declaration.name, seq);
  }

  take(seqs: readonly string[]): void {
    const taken = new Set(seqs.map(Number));
    this.#ready.filter((message) => {
      if (!taken.has(message.seq)) return true;
      unreserve(this.load, message.body.length);
      return false;
    });
    for (const seq of taken) {
      const entry = this.#delayed.get(seq);
      if (!entry) continue;
      entry.cancel();
      this.#delayed.delete(seq);
      unreserve(this.load, entry.message.body.length);
    }
  }

  #push(message: QueueMessage): void {
    this.#ready.push(message);
    this.#schedule();
  }

  #delay(failed: QueueMessage, afterMs: number): void {
    const message = { ...failed, attempts: failed.attempts + 1 };
    const cancel = this.#clock.after(Math.max(REST_MS, afterMs), () => {
      this.#delayed.delete(message.seq);
      this.#ready.putBack(message);
      this.#schedule();
    });
    this.#delayed.set(message.seq, { message, cancel });
  }

  #giveBack(message: QueueMessage): void {
    this.#ready.putBack(message);
    if (this.#resting) return;
    this.#resting = true;
    this.#clock.after(REST_MS, () => {
      this.#resting = false;
      this.#schedule();
    });
  }

  /** Once per turn, so that nobody's call runs another one's callback. */
  #schedule(): void {
    if (this.#scheduled || this.#resting || this.#closed) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      if (!this.#closed) this.#dispatch();
    });
  }

  #dispatch(): void {
    while (this.#ready.size > 0 && !this.#resting) {
      const onlyOldest = this.declaration.singleActive === true && this.#clock.ticks() >= this.#twoActiveUntil;
      const slot = this.#consumers.next(onlyOldest);
      const message = slot && this.#ready.shift();
      if (!message) return;
      const held = new HeldDelivery(this.declaration.name, message, slot);
      this.#unacked.add(held);
      slot.unacked++;
      this.#disturb(message, slot.plan);
      deliver(slot.onDelivery, held);
    }
  }

  #disturb(message: QueueMessage, plan: FaultPlan): void {
    if (plan.chance('deliver-twice')) {
      this.#clock.after(plan.random() * MAX_TWIN_MS, () => {
        if (this.#closed) return;
        this.load.messages++;
        this.load.bytes += message.body.length;
        this.#push({ ...message, seq: ++this.#seq });
      });
    }
    const single = this.declaration.singleActive === true;
    if (single && plan.chance('two-active')) this.#twoActiveUntil = this.#clock.ticks() + plan.random() * MAX_TWO_ACTIVE_MS;
  }
}
