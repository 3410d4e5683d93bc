import { calm, type FaultPlan } from '@blockhub/faults';
import type { QueueMessage } from './backlog.ts';
import { Held, type Settlement } from './held.ts';
import type { Delivery } from './types.ts';

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

/** Of a queue in this process. */
export class HeldDelivery extends Held<QueueMessage> {
  readonly slot: Slot;

  constructor(queue: string, message: QueueMessage, slot: Slot) {
    super(queue, message);
    this.slot = slot;
  }

  get body(): Buffer {
    return this.message.body;
  }

  protected override settle(how: Settlement, afterMs: number): void {
    if (!this.slot.gone) this.slot.settler.settle(this, how, afterMs);
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
