import type { Delivery, Meta } from './types.ts';

/** What a delivery is in the end: its message goes, or comes again later, or goes back. */
export type Settlement = 'ack' | 'retry' | 'release';

/** A message that a consumer holds. What is said of it first counts. */
export abstract class Held<Message extends Pick<Delivery, 'id' | 'meta' | 'attempts' | 'firstAt'>> implements Delivery {
  readonly queue: string;
  readonly message: Message;
  #open = true;

  constructor(queue: string, message: Message) {
    this.queue = queue;
    this.message = message;
  }

  abstract readonly body: Buffer;

  /** Called once at most. */
  protected abstract settle(how: Settlement, afterMs: number): void;

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
    this.#say('ack', 0);
  }
  retry(afterMs: number): void {
    this.#say('retry', Math.max(0, afterMs));
  }
  release(): void {
    this.#say('release', 0);
  }

  #say(how: Settlement, afterMs: number): void {
    if (!this.#open) return;
    this.#open = false;
    this.settle(how, afterMs);
  }
}

/** An error of the callback must not stop the queue; it comes up as an uncaught one. */
export function deliver(onDelivery: (delivery: Delivery) => void, delivery: Delivery): void {
  try {
    onDelivery(delivery);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
