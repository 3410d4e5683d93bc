import type { Clock } from '@blockhub/clock';
import type { Channel, ConsumeMessage } from 'amqplib';
import type { Delivery, Meta } from '../../types.ts';
import { type Envelope, readEnvelope } from './messages.ts';

/** What a delivery is in the end: its message goes, or a copy of it is safe elsewhere first, or it goes back. */
export type Settlement = 'ack' | 'retry' | 'release';

const HELD = 0;
/** Done, and the server does not know yet. */
const DONE = 1;
/** The server knows. */
const TOLD = 2;

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

export class AmqpDelivery implements Delivery {
  readonly queue: string;
  readonly body: Buffer;
  readonly envelope: Envelope;
  readonly tag: number;
  readonly #intake: Intake;
  #open = true;

  constructor(queue: string, intake: Intake, message: ConsumeMessage, now: number) {
    this.queue = queue;
    this.body = message.content;
    this.envelope = readEnvelope(message.properties, now);
    this.tag = message.fields.deliveryTag;
    this.#intake = intake;
  }

  get id(): string {
    return this.envelope.id;
  }
  get meta(): Meta {
    return this.envelope.meta;
  }
  get attempts(): number {
    return this.envelope.attempts;
  }
  get firstAt(): number {
    return this.envelope.firstAt;
  }
  /** False once its channel is gone: the message went back, whatever is said here. */
  get alive(): boolean {
    return this.#intake.alive;
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
  /** A copy is safe. */
  copied(): void {
    this.#intake.done(this.tag);
  }

  #settle(how: Settlement, afterMs: number): void {
    if (!this.#open) return;
    this.#open = false;
    this.#intake.settle(this, how, afterMs);
  }
}

/** One consumer on one channel, until that channel ends. Acks of a turn go out together, as one where all before them are done too. */
export class Intake {
  readonly #parts: IntakeParts;
  readonly #channel: Channel;
  #alive = true;
  /** The first delivery tag in `#marks`; the server counts them from 1 on each channel. */
  #base = 1;
  #marks: number[] = [];
  #held = 0;
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

  take(message: ConsumeMessage): void {
    const { queue, clock, onDelivery } = this.#parts;
    if (!this.#alive) return;
    this.#marks.push(HELD);
    this.#held++;
    try {
      onDelivery(new AmqpDelivery(queue, this, message, clock.now()));
    } catch (error) {
      // It must not stop the queue; it comes up as an uncaught one.
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  settle(delivery: AmqpDelivery, how: Settlement, afterMs: number): void {
    if (!this.#alive) return;
    if (how === 'ack') this.done(delivery.tag);
    else if (how === 'retry') this.#parts.retry(delivery, afterMs);
    else if (!this.#parts.releaseByCopy(delivery)) this.#giveBack(delivery.tag);
  }

  done(tag: number): void {
    if (!this.#alive) return;
    this.#marks[tag - this.#base] = DONE;
    this.#held--;
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
    const marks = this.#marks;
    let prefix = 0;
    let last = -1;
    for (; prefix < marks.length && marks[prefix] !== HELD; prefix++) if (marks[prefix] === DONE) last = prefix;
    if (last >= 0) this.#channel.ack(tagged(this.#base + last), true);
    for (let at = prefix; at < marks.length; at++) {
      if (marks[at] !== DONE) continue;
      this.#channel.ack(tagged(this.#base + at));
      marks[at] = TOLD;
    }
    marks.splice(0, prefix);
    this.#base += prefix;
    if (this.#finishing && this.#held === 0) this.#parts.finished();
  }

  #giveBack(tag: number): void {
    this.#marks[tag - this.#base] = TOLD;
    this.#held--;
    this.#channel.nack(tagged(tag), false, true);
    if (this.#finishing) this.flush();
  }
}

/** All that amqplib reads of a message that is settled. */
export const tagged = (deliveryTag: number): ConsumeMessage => ({ fields: { deliveryTag } }) as ConsumeMessage;
