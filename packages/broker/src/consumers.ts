import { calm, type FaultPlan } from '@blockhub/faults';
import type { QueueMessage } from './backlog.ts';
import type { Delivery, Meta } from './types.ts';

export type Settlement = 'ack' | 'retry' | 'release';

/** Where a settled delivery is told: the queue itself, or a connection in front of it. */
export interface Settler {
  settle(held: HeldDelivery, how: Settlement, afterMs: number): void;
}

/** One consumer as its queue sees it. */
export interface Slot {
  readonly prefetch: number;
  readonly onDelivery: (delivery: Delivery) => void;
  readonly settler: Settler;
  readonly plan: FaultPlan;
  unacked: number;
  /** Its connection is gone and what it held went back: whatever it says is dropped. */
  gone: boolean;
}

export const newSlot = (prefetch: number, onDelivery: (delivery: Delivery) => void, settler: Settler, plan = calm): Slot => ({
  prefetch: Math.max(1, prefetch),
  onDelivery,
  settler,
  plan,
  unacked: 0,
  gone: false,
});

export class HeldDelivery implements Delivery {
  readonly message: QueueMessage;
  readonly queue: string;
  readonly slot: Slot;
  #open = true;

  constructor(message: QueueMessage, queue: string, slot: Slot) {
    this.message = message;
    this.queue = queue;
    this.slot = slot;
  }

  get id(): string {
    return this.message.id;
  }
  get meta(): Meta {
    return this.message.meta;
  }
  get body(): Buffer {
    return this.message.body;
  }
  get attempts(): number {
    return this.message.attempts;
  }
  get firstAt(): number {
    return this.message.firstAt;
  }

  ack(): void {
    this.#settle('ack', 0);
  }
  retry(afterMs: number): void {
    this.#settle('retry', Math.max(0, afterMs));
  }
  release(): void {
    this.#settle('release', 0);
  }

  #settle(how: Settlement, afterMs: number): void {
    if (!this.#open || this.slot.gone) return;
    this.#open = false;
    this.slot.settler.settle(this, how, afterMs);
  }
}

/** An error of the callback must not stop the queue; it comes up as an uncaught one. */
export function deliver(held: HeldDelivery): void {
  try {
    held.slot.onDelivery(held);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** The consumers of a queue, oldest first. */
export class ConsumerList {
  #slots: Slot[] = [];
  #turn = 0;

  get size(): number {
    return this.#slots.length;
  }

  add(slot: Slot): void {
    this.#slots.push(slot);
  }

  remove(slot: Slot): void {
    this.#slots = this.#slots.filter((other) => other !== slot);
  }

  /** Who gets the next message: in turn those that have room; with `onlyOldest` that one or nobody. */
  next(onlyOldest: boolean): Slot | undefined {
    const slots = this.#slots;
    const tries = onlyOldest ? Math.min(1, slots.length) : slots.length;
    for (let step = 0; step < tries; step++) {
      const slot = slots[onlyOldest ? 0 : (this.#turn + step) % slots.length] as Slot;
      if (slot.unacked >= slot.prefetch) continue;
      if (!onlyOldest) this.#turn = (this.#turn + step + 1) % slots.length;
      return slot;
    }
    return undefined;
  }
}
