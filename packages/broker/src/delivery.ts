import type { Delivery, Meta } from './types.ts';

/** How a delivery is settled: its message is removed, comes again later, or goes back. */
export type SettlementKind = 'ack' | 'retry' | 'release';

/** A delivery whose first settlement counts. Later settlements are dropped. */
export abstract class BaseDelivery<Message extends Pick<Delivery, 'id' | 'meta' | 'attempts' | 'firstAt'>> implements Delivery {
  readonly queue: string;
  readonly message: Message;
  #settled = false;

  constructor(queue: string, message: Message) {
    this.queue = queue;
    this.message = message;
  }

  abstract readonly body: Buffer;

  /** Called once at most. */
  protected abstract settle(how: SettlementKind, afterMs: number): void;

  get id(): string {
    return this.message.id;
  }
  get meta(): Meta {
    return this.message.meta;
  }
  get attempts(): number {
    return this.message.attempts;
  }
  get firstAt(): number {
    return this.message.firstAt;
  }

  ack(): void {
    this.#settleOnce('ack', 0);
  }
  retry(afterMs: number): void {
    this.#settleOnce('retry', Math.max(0, afterMs));
  }
  release(): void {
    this.#settleOnce('release', 0);
  }

  #settleOnce(how: SettlementKind, afterMs: number): void {
    if (this.#settled) return;
    this.#settled = true;
    this.settle(how, afterMs);
  }
}

/** An error of the callback must not stop the queue. It is thrown again as an uncaught error. */
export function deliver(onDelivery: (delivery: Delivery) => void, delivery: Delivery): void {
  try {
    onDelivery(delivery);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
