import type { Cancel, Clock } from '@blockhub/clock';
import type { FaultPlan } from '@blockhub/faults';
import { Backlog, type QueueMessage, storedMessage } from '../../backlog.ts';
import { type Load, missingMessage, unreserve } from '../../checks.ts';
import type { SettlementKind } from '../../delivery.ts';
import { Dispatcher, type LocalConsumer, type LocalDelivery } from '../../dispatcher.ts';
import type { CountedQueue, Outgoing, QueueDeclaration, StoredMessage } from '../../types.ts';

/** Rest after a message went back. More than 0: else releases could stop a virtual clock. */
const REST_MS = 1;
const MAX_TWIN_MS = 2_000;
const MAX_TWO_ACTIVE_MS = 5_000;

interface Delayed {
  readonly message: QueueMessage;
  readonly cancel: Cancel;
}

export class MemoryQueue {
  declaration: QueueDeclaration;
  /** The connection that a private queue belongs to. */
  readonly owner: object | undefined;
  /** All messages that are not acked. */
  readonly load: Load = { messages: 0, bytes: 0 };
  readonly #clock: Clock;
  readonly #ready = new Backlog();
  readonly #delayed = new Map<number, Delayed>();
  readonly #dispatcher: Dispatcher;
  #seq = 0;
  #resting = false;
  #twoActiveUntil = 0;
  #closed = false;

  constructor(declaration: QueueDeclaration, clock: Clock, owner?: object) {
    this.declaration = declaration;
    this.owner = owner;
    this.#clock = clock;
    this.#dispatcher = new Dispatcher({
      name: declaration.name,
      onlyOldest: () => this.declaration.singleActive === true && clock.ticks() >= this.#twoActiveUntil,
      next: (consumer) => this.#next(consumer),
    });
  }

  /** Adds a message whose room is reserved. */
  add({ id, meta, body }: Outgoing, plan: FaultPlan): void {
    this.#push({ seq: ++this.#seq, id, meta, body, attempts: 0, firstAt: this.#clock.now() });
    if (plan.chance('reorder')) this.#ready.misplaceNewest(plan.random());
  }

  consume(consumer: LocalConsumer): void {
    this.#dispatcher.add(consumer);
  }

  cancel(consumer: LocalConsumer): void {
    this.#dispatcher.remove(consumer);
  }

  /** The consumer's connection is gone: its unsettled deliveries go back. */
  drop(consumer: LocalConsumer): void {
    for (const message of this.#dispatcher.drop(consumer)) this.#giveBack(message);
  }

  settle(delivery: LocalDelivery, how: SettlementKind, afterMs: number): void {
    if (!this.#dispatcher.settle(delivery)) return;
    if (how === 'ack') unreserve(this.load, delivery.body.length);
    else if (how === 'retry') this.#delay(delivery.message, afterMs);
    else this.#giveBack(delivery.message);
    this.#dispatcher.schedule();
  }

  close(): void {
    this.#closed = true;
    for (const { cancel } of this.#delayed.values()) cancel();
    this.#dispatcher.close();
  }

  info(): CountedQueue {
    const { name, kind } = this.declaration;
    const { unacked, consumers } = this.#dispatcher;
    return { name, kind, ready: this.#ready.size, unacked, delayed: this.#delayed.size, bytes: this.load.bytes, consumers };
  }

  stored(): StoredMessage[] {
    const delayed = [...this.#delayed.values()].map((entry) => entry.message);
    return [...this.#ready, ...delayed].sort((a, b) => a.seq - b.seq).map(storedMessage);
  }

  /** BROKER_MESSAGE_MISSING if one of them is neither ready nor delayed. */
  checkStored(seqs: readonly string[]): void {
    const stored = new Set(this.stored().map((message) => message.seq));
    for (const seq of seqs) if (!stored.has(seq)) throw missingMessage(this.declaration.name, seq);
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
    this.#dispatcher.schedule();
  }

  #next({ plan }: LocalConsumer): QueueMessage | undefined {
    const message = this.#resting ? undefined : this.#ready.shift();
    if (message) this.#disturb(message, plan);
    return message;
  }

  #delay(failed: QueueMessage, afterMs: number): void {
    const message = { ...failed, attempts: failed.attempts + 1 };
    const cancel = this.#clock.after(Math.max(REST_MS, afterMs), () => {
      this.#delayed.delete(message.seq);
      this.#ready.putBack(message);
      this.#dispatcher.schedule();
    });
    this.#delayed.set(message.seq, { message, cancel });
  }

  #giveBack(message: QueueMessage): void {
    this.#ready.putBack(message);
    if (this.#resting) return;
    this.#resting = true;
    this.#clock.after(REST_MS, () => {
      this.#resting = false;
      this.#dispatcher.schedule();
    });
  }

  /** Faults: it comes twice, or a single-active queue has two active consumers. */
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
