import type { Cancel, Clock } from '@blockhub/clock';
import { BlockhubError, hasCode } from '@blockhub/errors';
import type { ChannelModel, ConfirmChannel, Message } from 'amqplib';
import { closedBroker, missingQueue } from '../../checks.ts';
import { blockedBroker, closeReason, tooLarge, unavailable } from './errors.ts';
import { type EncodedMessage, seqOf } from './messages.ts';

/** Limits of unconfirmed messages. With more of them, each one would only wait longer. */
const WINDOW_MESSAGES = 1_000;
const WINDOW_BYTES = 32 * 2 ** 20;
/** After this time the queue has no leader or, if no queue confirms, the connection is dead. */
const CONFIRM_MS = 30_000;
/** amqplib keeps a little of every message that was written after an unconfirmed one. */
const MAX_BEHIND = 100_000;

/** One call of `send`. */
interface Batch {
  readonly messages: readonly EncodedMessage[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  written: number;
  /** How many are written and not confirmed. */
  unconfirmed: number;
  failure: BlockhubError | undefined;
  ended: boolean;
}

/** A message that is written and not confirmed. */
interface InFlight {
  readonly channel: ConfirmChannel;
  readonly batch: Batch;
  readonly message: EncodedMessage;
  readonly since: number;
  /** The broker returned it, and confirms it next. */
  returned: boolean;
}

/** Shared by the publishers of one connection. */
export interface LastConfirm {
  /** In ticks of the clock. */
  at: number;
}

export interface PublisherOptions {
  readonly clock: Clock;
  readonly lastConfirm: LastConfirm;
  /** No confirm came in time, for any queue. */
  onNoConfirms(): void;
  /** No confirm came in time for these queues, while others confirm. Their publishes failed. */
  onLate(queues: readonly string[]): void;
  /** The broker closed the channel. The error has its reason. */
  onChannelClosed(error: unknown): void;
  /** The channel is gone, and no other one can be opened. */
  onBroken(): void;
}

/** Publishes on a confirm channel of a connection that it does not own, each message once. */
export class ConfirmPublisher {
  readonly #options: PublisherOptions;
  #model: ChannelModel | undefined;
  #channel: ConfirmChannel | undefined;
  /** Replaced channels on which messages are still unconfirmed. */
  readonly #replaced = new Set<ConfirmChannel>();
  readonly #queue: Batch[] = [];
  /** By number, in the order in which they were written. */
  readonly #inFlight = new Map<number, InFlight>();
  /** Why the broker closed a channel. The messages in flight on it fail after that. */
  readonly #reasons = new WeakMap<ConfirmChannel, unknown>();
  #written = 0;
  /** The first message on this channel that was given up. */
  #givenUp: number | undefined;
  #bytes = 0;
  #blocked = false;
  #timer: Cancel | undefined;
  #closed = false;
  #idle: PromiseWithResolvers<void> | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** Uses a new channel, on a new connection or on the same one. */
  async open(model: ChannelModel): Promise<void> {
    const channel = await this.#openChannel(model);
    this.#blocked = false;
    this.#channel = channel;
    this.#model = model;
    this.#givenUp = undefined;
  }

  async #openChannel(model: ChannelModel): Promise<ConfirmChannel> {
    const channel = await model.createConfirmChannel();
    channel.on('error', (error) => {
      this.#reasons.set(channel, error);
      this.#options.onChannelClosed(error);
    });
    channel.on('return', (message) => this.#returned(channel, message));
    channel.once('close', () => {
      this.#replaced.delete(channel);
      // The messages of a replaced channel fail by their callbacks.
      if (this.#channel !== channel) return;
      this.#channel = undefined;
      this.#failAll((batch) => channelClosed(batch, this.#reasons.get(channel)));
      // If the whole connection ended, this fails and changes nothing.
      if (!this.#closed) this.open(model).catch(() => this.#options.onBroken());
    });
    return channel;
  }

  /** Resolves when all are confirmed. Only after BROKER_UNAVAILABLE it is unknown what arrived. */
  send(messages: readonly EncodedMessage[]): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw closedBroker();
      if (!this.#channel) throw unavailable('there is no connection to the broker now');
      if (this.#blocked) throw blockedBroker();
      if (messages.length === 0) return resolve();
      this.#queue.push({ messages, resolve, reject, written: 0, unconfirmed: 0, failure: undefined, ended: false });
      this.#writeNext();
    });
  }

  /** A blocked broker stops reading, so nothing waits for it. What was written may still arrive. */
  setBlocked(blocked: boolean): void {
    this.#blocked = blocked;
    if (blocked) this.#failAll(blockedBroker);
  }

  /** Accepts nothing more. Resolves when the result of every message is known. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#idle ??= Promise.withResolvers<void>();
    this.#writeNext();
    await this.#idle.promise;
    this.#timer?.();
  }

  #writeNext(): void {
    for (let batch = this.#queue[0]; batch; batch = this.#queue[0]) {
      while (!batch.failure && batch.written < batch.messages.length) {
        const message = batch.messages[batch.written] as EncodedMessage;
        if (!this.#hasRoom(message)) return;
        batch.written++;
        this.#write(batch, message);
      }
      this.#queue.shift();
      this.#endIfDone(batch);
    }
    if (this.#idle && [...this.#inFlight.values()].every(({ batch }) => batch.ended)) this.#idle.resolve();
  }

  #hasRoom({ body }: EncodedMessage): boolean {
    const { size } = this.#inFlight;
    return size === 0 || (size < WINDOW_MESSAGES && this.#bytes + body.length <= WINDOW_BYTES);
  }

  #write(batch: Batch, message: EncodedMessage): void {
    const { exchange, routingKey, body, options } = message;
    const channel = this.#channel;
    const number = this.#written;
    try {
      if (!channel) throw unavailable('there is no connection to the broker now');
      // The channel keeps this callback until the confirm: it must not hold the message.
      channel.publish(exchange, routingKey, body, options, (error) => this.#confirmed(number, error));
      this.#inFlight.set(number, { channel, batch, message, since: this.#options.clock.ticks(), returned: false });
      this.#written++;
    } catch (cause) {
      // amqplib encodes the whole message before it writes: nothing of it was sent.
      const invalid = cause instanceof RangeError || cause instanceof TypeError;
      batch.failure ??= invalid
        ? tooLarge(message.queue, message.id, 'id and meta must fit into 64 KiB', cause)
        : unavailable('the channel is closing', cause);
      return;
    }
    batch.unconfirmed++;
    this.#bytes += body.length;
    this.#timer ??= this.#options.clock.after(CONFIRM_MS / 2, () => this.#checkLate());
  }

  #confirmed(number: number, error: unknown): void {
    const inFlight = this.#inFlight.get(number);
    if (!inFlight) return;
    const { batch, message, returned, channel } = inFlight;
    this.#remove(number, inFlight);
    if (!error || isNack(error)) this.#options.lastConfirm.at = this.#options.clock.ticks();
    const failure = error ? failureOf(error, inFlight, this.#reasons.get(channel)) : returned ? missingQueue(message.queue) : undefined;
    if (failure && !(message.hint && failure.code !== 'BROKER_UNAVAILABLE')) this.#fail(batch, failure);
    this.#endIfDone(batch);
    if (this.#queue.length > 0 || this.#inFlight.size === 0) this.#writeNext();
  }

  #remove(number: number, { batch, message }: InFlight): void {
    this.#inFlight.delete(number);
    this.#bytes -= message.body.length;
    batch.unconfirmed--;
  }

  #fail(batch: Batch, failure: BlockhubError): void {
    // A failure that stays outweighs one that can pass.
    if (!batch.failure || hasCode(failure, 'BROKER_QUEUE_MISSING')) batch.failure = failure;
  }

  #endIfDone(batch: Batch): void {
    if (batch.ended || batch.unconfirmed > 0 || (!batch.failure && batch.written < batch.messages.length)) return;
    this.#end(batch);
  }

  #end(batch: Batch): void {
    batch.ended = true;
    if (batch.failure) batch.reject(batch.failure);
    else batch.resolve();
  }

  #failAll(failure: (batch: Batch) => BlockhubError): void {
    for (const batch of new Set([...this.#queue, ...[...this.#inFlight.values()].map((inFlight) => inFlight.batch)])) {
      if (batch.ended) continue;
      batch.failure ??= failure(batch);
      this.#end(batch);
    }
    this.#writeNext();
  }

  /** A return comes before its confirm. The id may be in flight twice, so the seq is compared. */
  #returned(from: ConfirmChannel, { fields, properties }: Message): void {
    const seq = seqOf(properties.headers);
    for (const inFlight of this.#inFlight.values()) {
      const { channel, message } = inFlight;
      const isSame = message.seq === seq && message.routingKey === fields.routingKey && message.exchange === fields.exchange;
      if (channel !== from || !isSame) continue;
      inFlight.returned = true;
      return;
    }
  }

  #checkLate(): void {
    this.#timer = undefined;
    const { clock, lastConfirm, onNoConfirms, onBroken } = this.#options;
    const now = clock.ticks();
    const late = [...this.#inFlight].filter(([, { since }]) => now - since >= CONFIRM_MS);
    // A blocked broker confirms nothing. Heartbeats show whether it is alive.
    if (late.length > 0 && !this.#blocked) {
      if (now - lastConfirm.at >= CONFIRM_MS) onNoConfirms();
      else this.#giveUp(late);
    }
    if (this.#givenUp !== undefined && this.#written - this.#givenUp >= MAX_BEHIND) this.#replaceChannel().catch(() => onBroken());
    for (const channel of this.#replaced)
      if (![...this.#inFlight.values()].some((inFlight) => inFlight.channel === channel)) this.#discard(channel);
    if (this.#inFlight.size > 0 || this.#replaced.size > 0) this.#timer = clock.after(CONFIRM_MS / 2, () => this.#checkLate());
  }

  /** It is unknown whether they arrive. They take no room any more. */
  #giveUp(late: readonly [number: number, InFlight][]): void {
    const batches = new Set<Batch>();
    for (const [number, inFlight] of late) {
      this.#remove(number, inFlight);
      batches.add(inFlight.batch);
      if (inFlight.channel === this.#channel) this.#givenUp ??= number;
    }
    for (const batch of batches) {
      if (batch.ended) continue;
      this.#fail(batch, unavailable('the broker did not confirm in time; the queue may have no leader'));
      this.#end(batch);
    }
    this.#options.onLate([...new Set(late.map(([, { message }]) => message.queue))]);
    this.#writeNext();
  }

  /**
   * The old channel can still confirm. Not done at the first late confirm: a new channel whose
   * first message is for a queue without a leader can stop with all that follows.
   */
  async #replaceChannel(): Promise<void> {
    const [model, old] = [this.#model, this.#channel];
    if (!model || !old) return;
    const channel = await this.#openChannel(model);
    if (this.#channel !== old) return this.#discard(channel);
    this.#channel = channel;
    this.#givenUp = undefined;
    this.#replaced.add(old);
  }

  #discard(channel: ConfirmChannel): void {
    this.#replaced.delete(channel);
    channel.close().catch(() => {});
  }
}

/** A message that is too large would close the next channel too. */
function channelClosed({ messages }: Batch, cause: unknown): BlockhubError {
  const closed = closeReason(cause);
  if (!closed) return unavailable('the connection ended before the broker confirmed', cause);
  const limit = Number(/message size \d+ is larger than .*?(\d+)/.exec(closed.reason)?.[1]);
  const large = messages.find(({ body }) => body.length > limit);
  if (large) return tooLarge(large.queue, large.id, `the limit of the broker is ${limit} bytes`, cause);
  return unavailable(`the broker closed the channel before it confirmed (${closed.reply}: ${closed.reason})`, cause);
}

const isNack = (error: unknown): boolean => error instanceof Error && error.message === 'message nacked';

function failureOf(error: unknown, { batch, message: { queue } }: InFlight, reason: unknown): BlockhubError {
  if (!isNack(error)) return channelClosed(batch, reason ?? error);
  const text = `the broker refuses a message for "${queue}": the queue is at its limit, or was just deleted`;
  return new BlockhubError('BROKER_QUEUE_FULL', text, { details: { queue } });
}
