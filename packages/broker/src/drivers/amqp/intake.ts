import type { Clock } from '@blockhub/clock';
import type { Channel, ConsumeMessage } from 'amqplib';
import { BaseDelivery, deliver, type Settlement } from '../../delivery.ts';
import type { Delivery } from '../../types.ts';
import { type Envelope, readEnvelope } from './messages.ts';

export interface IntakeParts {
  readonly queue: string;
  readonly clock: Clock;
  readonly onDelivery: (delivery: Delivery) => void;
  /** Makes a copy that comes again; `Intake.done` follows. */
  retry(delivery: AmqpDelivery, afterMs: number): void;
  /** Gives it back in another way, where the broker counts that against the message; false where it does not. */
  releaseByCopy(delivery: AmqpDelivery): boolean;
  /** Nothing is held any more after `finish`. */
  finished(): void;
}

export class AmqpDelivery extends BaseDelivery<Envelope> {
  readonly body: Buffer;
  readonly tag: number;
  readonly #intake: Intake;

  constructor(queue: string, intake: Intake, message: Envelope, body: Buffer, tag: number) {
    super(queue, message);
    this.body = body;
    this.tag = tag;
    this.#intake = intake;
  }

  /** False once its channel is gone: the message went back, whatever is said here. */
  get alive(): boolean {
    return this.#intake.alive;
  }

  /** A copy is safe. */
  copied(): void {
    this.#intake.done(this.tag);
  }

  /** No copy could be stored. */
  comeAgain(attempts: number): void {
    this.#intake.again(this, attempts);
  }

  protected override settle(how: Settlement, afterMs: number): void {
    this.#intake.settle(this, how, afterMs);
  }
}

/** One consumer on one channel, until that channel ends. Acks of a turn go out together, as one where all before them are done too. */
export class Intake {
  readonly #parts: IntakeParts;
  readonly #channel: Channel;
  #alive = true;
  /** Delivery tags, in order: the server counts them from 1 on each channel. */
  readonly #held = new Set<number>();
  /** Those that are done, and the server does not know yet. */
  #done: number[] = [];
  #flushing = false;
  #finishing = false;

  constructor(channel: Channel, parts: IntakeParts) {
    this.#channel = channel;
    this.#parts = parts;
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** The channel is gone: all that is held went back. */
  end(): void {
    this.#alive = false;
  }

  take({ content, properties, fields }: ConsumeMessage): void {
    const { queue, clock, onDelivery } = this.#parts;
    if (!this.#alive) return;
    this.#held.add(fields.deliveryTag);
    deliver(onDelivery, new AmqpDelivery(queue, this, readEnvelope(queue, properties, clock.now()), content, fields.deliveryTag));
  }

  /** Held all the time, settled in vain: it is delivered from here, or goes back where the consumer takes nothing more. */
  again({ message, body, tag }: AmqpDelivery, attempts: number): void {
    const { queue, onDelivery } = this.#parts;
    if (!this.#alive) return;
    if (this.#finishing) this.#giveBack(tag);
    else deliver(onDelivery, new AmqpDelivery(queue, this, { ...message, attempts }, body, tag));
  }

  settle(delivery: AmqpDelivery, how: Settlement, afterMs: number): void {
    if (!this.#alive) return;
    if (how === 'ack') this.done(delivery.tag);
    else if (how === 'retry') this.#parts.retry(delivery, afterMs);
    else if (!this.#parts.releaseByCopy(delivery)) this.#giveBack(delivery.tag);
  }

  done(tag: number): void {
    if (!this.#alive) return;
    this.#held.delete(tag);
    this.#done.push(tag);
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => this.flush());
  }

  /** After the consumer's cancel: ends as soon as nothing is held. */
  finish(): void {
    this.#finishing = true;
    this.flush();
  }

  flush(): void {
    this.#flushing = false;
    if (!this.#alive) return;
    const [oldest = Number.POSITIVE_INFINITY] = this.#held;
    let last = 0;
    for (const tag of this.#done) {
      if (tag > oldest) this.#channel.ack(tagged(tag));
      else last = Math.max(last, tag);
    }
    this.#done = [];
    if (last > 0) this.#channel.ack(tagged(last), true);
    if (this.#finishing && this.#held.size === 0) this.#parts.finished();
  }

  #giveBack(tag: number): void {
    this.#held.delete(tag);
    this.#channel.nack(tagged(tag), false, true);
    if (this.#finishing) this.flush();
  }
}

/** All that amqplib reads of a message that is settled. */
export const tagged = (deliveryTag: number): ConsumeMessage => ({ fields: { deliveryTag } }) as ConsumeMessage;
