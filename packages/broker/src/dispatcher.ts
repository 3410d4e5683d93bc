import { calm, type FaultPlan } from '@blockhub/faults';
import type { QueueMessage } from './backlog.ts';
import { BaseDelivery, deliver, type SettlementKind } from './delivery.ts';
import type { Delivery } from './types.ts';

type Settle = (delivery: LocalDelivery, how: SettlementKind, afterMs: number) => void;

/** One consumer of a queue in this process. */
export interface LocalConsumer {
  readonly prefetch: number;
  readonly onDelivery: (delivery: Delivery) => void;
  /** Of the queue, or of a connection that can delay or lose settlements. */
  readonly settle: Settle;
  readonly plan: FaultPlan;
  unacked: number;
  /** Its connection or its queue is gone. Later settlements are dropped. */
  gone: boolean;
}

export const newConsumer = (
  prefetch: number,
  onDelivery: (delivery: Delivery) => void,
  settle: Settle,
  plan: FaultPlan = calm,
): LocalConsumer => ({ prefetch: Math.max(1, prefetch), onDelivery, settle, plan, unacked: 0, gone: false });

export class LocalDelivery extends BaseDelivery<QueueMessage> {
  readonly consumer: LocalConsumer;

  constructor(queue: string, message: QueueMessage, consumer: LocalConsumer) {
    super(queue, message);
    this.consumer = consumer;
  }

  get body(): Buffer {
    return this.message.body;
  }

  protected override settle(how: SettlementKind, afterMs: number): void {
    if (!this.consumer.gone) this.consumer.settle(this, how, afterMs);
  }
}

export interface DispatcherQueue {
  readonly name: string;
  onlyOldest(): boolean;
  /** Removes and returns the next ready message; undefined if there is none now. */
  next(consumer: LocalConsumer): QueueMessage | undefined;
}

/** Hands the ready messages of a queue to its consumers in turn, and keeps unsettled deliveries. */
export class Dispatcher {
  readonly #queue: DispatcherQueue;
  /** Oldest first. */
  #consumers: LocalConsumer[] = [];
  readonly #unacked = new Map<number, LocalDelivery>();
  #turn = 0;
  #scheduled = false;
  #closed = false;

  constructor(queue: DispatcherQueue) {
    this.#queue = queue;
  }

  get consumers(): number {
    return this.#consumers.length;
  }

  get unacked(): number {
    return this.#unacked.size;
  }

  isUnacked(seq: number): boolean {
    return this.#unacked.has(seq);
  }

  add(consumer: LocalConsumer): void {
    this.#consumers.push(consumer);
    this.schedule();
  }

  /** The consumer gets no more deliveries. Its unsettled deliveries stay valid. */
  remove(consumer: LocalConsumer): void {
    this.#consumers = this.#consumers.filter((other) => other !== consumer);
    this.schedule();
  }

  /** For a consumer whose connection is gone. Returns the messages of its unsettled deliveries. */
  drop(consumer: LocalConsumer): QueueMessage[] {
    consumer.gone = true;
    this.remove(consumer);
    const dropped = [...this.#unacked.values()].filter((delivery) => delivery.consumer === consumer);
    for (const { message } of dropped) this.#unacked.delete(message.seq);
    return dropped.map(({ message }) => message);
  }

  /** False if the settlement comes too late: the message has gone back, or the queue is closed. */
  settle(delivery: LocalDelivery): boolean {
    const { seq } = delivery.message;
    if (this.#closed || this.#unacked.get(seq) !== delivery) return false;
    this.#unacked.delete(seq);
    delivery.consumer.unacked--;
    return true;
  }

  /** Delivers in a microtask, so that no caller runs the callback of another one. */
  schedule(): void {
    if (this.#scheduled || this.#closed || this.#consumers.length === 0) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#dispatch();
    });
  }

  close(): void {
    this.#closed = true;
    for (const { consumer } of this.#unacked.values()) consumer.gone = true;
  }

  #dispatch(): void {
    while (!this.#closed) {
      const onlyOldest = this.#queue.onlyOldest();
      const at = this.#findFree(onlyOldest);
      const consumer = this.#consumers[at];
      const message = consumer && this.#queue.next(consumer);
      if (!message) return;
      if (!onlyOldest) this.#turn = (at + 1) % this.#consumers.length;
      const delivery = new LocalDelivery(this.#queue.name, message, consumer);
      this.#unacked.set(message.seq, delivery);
      consumer.unacked++;
      deliver(consumer.onDelivery, delivery);
    }
  }

  /** The index of the next consumer with room, -1 if there is none. */
  #findFree(onlyOldest: boolean): number {
    const consumers = this.#consumers;
    const first = onlyOldest ? 0 : this.#turn;
    const tries = onlyOldest ? Math.min(1, consumers.length) : consumers.length;
    for (let step = 0; step < tries; step++) {
      const at = (first + step) % consumers.length;
      const { unacked, prefetch } = consumers[at] as LocalConsumer;
      if (unacked < prefetch) return at;
    }
    return -1;
  }
}
