import type { Cancel, Clock } from '@blockhub/clock';
import { BlockhubError, hasCode } from '@blockhub/errors';
import type { ChannelModel, ConfirmChannel, Message } from 'amqplib';
import { closedBroker, missingQueue } from '../../checks.ts';
import { closeReason } from './close-reason.ts';
import { unavailable } from './link.ts';
import { type Parcel, seqOf, tooLarge } from './messages.ts';

/** Unconfirmed at a time; more only makes each one wait longer. */
const WINDOW_MESSAGES = 1_000;
const WINDOW_BYTES = 32 * 2 ** 20;
/** A confirm takes milliseconds; after this long the queue has no leader or, where none came for any queue, the connection is dead. */
const CONFIRM_MS = 30_000;
/** amqplib remembers a little of every message behind one that is not confirmed. */
const MOST_BEHIND = 100_000;

interface Batch {
  readonly parcels: readonly Parcel[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  /** How many are written. */
  next: number;
  /** Written, and their fate not known yet. */
  flying: number;
  failure: BlockhubError | undefined;
  ended: boolean;
}

interface Flight {
  readonly channel: ConfirmChannel;
  readonly batch: Batch;
  readonly parcel: Parcel;
  readonly since: number;
  /** By the broker, which confirms it next. */
  returned: boolean;
}

/** Shared by the publishers of one connection. */
export interface Pulse {
  /** When something was confirmed last, by the ticks of the clock. */
  at: number;
}

export interface PublisherParts {
  readonly clock: Clock;
  readonly pulse: Pulse;
  /** No confirm came in time, for any queue. */
  stuck(): void;
  /** No confirm came in time for these, while others are confirmed. Their publishes failed. */
  late(queues: readonly string[]): void;
  /** The broker closed the channel; its reason is in the error. */
  closed(error: unknown): void;
  /** The channel is gone and cannot be opened again. */
  broken(): void;
}

/** A confirm channel on a connection that others keep. It never publishes anything twice. */
export class Publisher {
  readonly #parts: PublisherParts;
  #model: ChannelModel | undefined;
  #channel: ConfirmChannel | undefined;
  /** Replaced ones, where some are still to be confirmed. */
  readonly #retired = new Set<ConfirmChannel>();
  readonly #waiting: Batch[] = [];
  /** By number, in the order in which they were written. */
  readonly #flights = new Map<number, Flight>();
  /** Why the broker closed a channel; those in flight on it are told after that. */
  readonly #reasons = new WeakMap<ConfirmChannel, unknown>();
  #written = 0;
  /** The first on this channel that was given up. */
  #givenUp: number | undefined;
  #bytes = 0;
  #blocked = false;
  #timer: Cancel | undefined;
  #closed = false;
  #idle: PromiseWithResolvers<void> | undefined;

  constructor(parts: PublisherParts) {
    this.#parts = parts;
  }

  /** A new connection, or a new channel on it. */
  async open(model: ChannelModel): Promise<void> {
    const channel = await this.#take(model);
    this.#blocked = false;
    this.#channel = channel;
    this.#model = model;
    this.#givenUp = undefined;
  }

  async #take(model: ChannelModel): Promise<ConfirmChannel> {
    const channel = await model.createConfirmChannel();
    channel.on('error', (error) => {
      this.#reasons.set(channel, error);
      this.#parts.closed(error);
    });
    channel.on('return', (message) => this.#return(channel, message));
    channel.once('close', () => {
      this.#retired.delete(channel);
      // Those in flight on another one are told by their callbacks.
      if (this.#channel !== channel) return;
      this.#channel = undefined;
      this.#failAll((batch) => closedUnder(batch, this.#reasons.get(channel)));
      // Where the whole connection ended this fails, and changes nothing.
      if (!this.#closed) this.open(model).catch(() => this.#parts.broken());
    });
    return channel;
  }

  /** Resolves when every parcel is confirmed. All of them are known to have arrived or not when it rejects, but for BROKER_UNAVAILABLE. */
  send(parcels: readonly Parcel[]): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw closedBroker();
      if (!this.#channel) throw unavailable('there is no connection to the broker now');
      if (this.#blocked) throw blocked();
      if (parcels.length === 0) return resolve();
      this.#waiting.push({ parcels, resolve, reject, next: 0, flying: 0, failure: undefined, ended: false });
      this.#pump();
    });
  }

  /** A broker in need stops reading: nobody should wait for it. What was written may still arrive. */
  block(on: boolean): void {
    this.#blocked = on;
    if (on) this.#failAll(blocked);
  }

  /** Takes nothing more; resolves when the fate of all is known. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#idle ??= Promise.withResolvers<void>();
    this.#pump();
    await this.#idle.promise;
    this.#timer?.();
  }

  #pump(): void {
    for (let batch = this.#waiting[0]; batch; batch = this.#waiting[0]) {
      while (!batch.failure && batch.next < batch.parcels.length) {
        const parcel = batch.parcels[batch.next] as Parcel;
        if (!this.#hasRoom(parcel)) return;
        batch.next++;
        this.#write(batch, parcel);
      }
      this.#waiting.shift();
      this.#endIfDone(batch);
    }
    if (this.#idle && [...this.#flights.values()].every(({ batch }) => batch.ended)) this.#idle.resolve();
  }

  #hasRoom({ body }: Parcel): boolean {
    const count = this.#flights.size;
    return count === 0 || (count < WINDOW_MESSAGES && this.#bytes + body.length <= WINDOW_BYTES);
  }

  #write(batch: Batch, parcel: Parcel): void {
    const channel = this.#channel;
    const number = this.#written;
    try {
      if (!channel) throw unavailable('there is no connection to the broker now');
      // The channel keeps this function until the confirm, which may never come: it must not hold the message.
      channel.publish(parcel.exchange, parcel.key, parcel.body, parcel.options, (error) => this.#land(number, error));
      this.#flights.set(number, { channel, batch, parcel, since: this.#parts.clock.ticks(), returned: false });
      this.#written++;
    } catch (cause) {
      // amqplib encodes before it writes: nothing of this one went out.
      const wrong = cause instanceof RangeError || cause instanceof TypeError;
      batch.failure ??= wrong
        ? tooLarge(parcel.queue, parcel.id, 'id and meta must fit into 64 KiB', cause)
        : unavailable('the channel is closing', cause);
      return;
    }
    batch.flying++;
    this.#bytes += parcel.body.length;
    this.#timer ??= this.#parts.clock.after(CONFIRM_MS / 2, () => this.#lookForStuck());
  }

  #land(number: number, error: unknown): void {
    const flight = this.#flights.get(number);
    if (!flight) return;
    this.#flights.delete(number);
    const { batch, parcel, returned, channel } = flight;
    if (!error || isNack(error)) this.#parts.pulse.at = this.#parts.clock.ticks();
    this.#bytes -= parcel.body.length;
    batch.flying--;
    const failure = error ? failureOf(error, flight, this.#reasons.get(channel)) : returned ? missingQueue(parcel.queue) : undefined;
    if (failure && !(parcel.hint && failure.code !== 'BROKER_UNAVAILABLE')) this.#fail(batch, failure);
    this.#endIfDone(batch);
    if (this.#waiting.length > 0 || this.#flights.size === 0) this.#pump();
  }

  #fail(batch: Batch, failure: BlockhubError): void {
    // What never works outweighs what may work later.
    if (!batch.failure || hasCode(failure, 'BROKER_QUEUE_MISSING')) batch.failure = failure;
  }

  #endIfDone(batch: Batch): void {
    if (batch.ended || batch.flying > 0 || (!batch.failure && batch.next < batch.parcels.length)) return;
    this.#end(batch);
  }

  #end(batch: Batch): void {
    batch.ended = true;
    if (batch.failure) batch.reject(batch.failure);
    else batch.resolve();
  }

  #failAll(failure: (batch: Batch) => BlockhubError): void {
    for (const batch of new Set([...this.#waiting, ...[...this.#flights.values()].map((flight) => flight.batch)])) {
      if (batch.ended) continue;
      batch.failure ??= failure(batch);
      this.#end(batch);
    }
    this.#pump();
  }

  /** Comes before the confirm of the same message. By its seq and not its id: one that was given up may be on its way again. */
  #return(from: ConfirmChannel, { fields, properties }: Message): void {
    const seq = seqOf(properties.headers);
    for (const flight of this.#flights.values()) {
      const { channel, parcel } = flight;
      if (channel !== from || parcel.seq !== seq || parcel.key !== fields.routingKey || parcel.exchange !== fields.exchange) continue;
      flight.returned = true;
      return;
    }
  }

  #lookForStuck(): void {
    this.#timer = undefined;
    const now = this.#parts.clock.ticks();
    const late = [...this.#flights].filter(([, { since }]) => now - since >= CONFIRM_MS);
    // A blocked broker confirms nothing and is not dead; heartbeats tell whether it is.
    if (late.length > 0 && !this.#blocked) {
      if (now - this.#parts.pulse.at >= CONFIRM_MS) this.#parts.stuck();
      else this.#giveUp(late);
    }
    if (this.#givenUp !== undefined && this.#written - this.#givenUp >= MOST_BEHIND) this.#renew().catch(() => this.#parts.broken());
    for (const channel of this.#retired)
      if (![...this.#flights.values()].some((flight) => flight.channel === channel)) this.#leave(channel);
    if (this.#flights.size > 0 || this.#retired.size > 0) this.#timer = this.#parts.clock.after(CONFIRM_MS / 2, () => this.#lookForStuck());
  }

  /** Whether they arrive is unknown. They take no room any more. */
  #giveUp(late: readonly [number: number, Flight][]): void {
    const batches = new Set<Batch>();
    for (const [number, { batch, parcel, channel }] of late) {
      this.#flights.delete(number);
      this.#bytes -= parcel.body.length;
      batch.flying--;
      batches.add(batch);
      if (channel === this.#channel) this.#givenUp ??= number;
    }
    for (const batch of batches) {
      if (batch.ended) continue;
      this.#fail(batch, unavailable('the broker did not confirm in time, as where a queue has no leader'));
      this.#end(batch);
    }
    this.#parts.late([...new Set(late.map(([, { parcel }]) => parcel.queue))]);
    this.#pump();
  }

  /** Another channel for what comes; what is in flight on this one may still be confirmed. Not at once: a new channel that meets such a queue first may wait for it with all behind it. */
  async #renew(): Promise<void> {
    const [model, old] = [this.#model, this.#channel];
    if (!model || !old) return;
    const channel = await this.#take(model);
    if (this.#channel !== old) return this.#leave(channel);
    this.#channel = channel;
    this.#givenUp = undefined;
    this.#retired.add(old);
  }

  #leave(channel: ConfirmChannel): void {
    this.#retired.delete(channel);
    channel.close().catch(() => {});
  }
}

const blocked = (): BlockhubError => unavailable('the broker takes no messages now: it is short of memory or disk');

/** The broker closed the channel, or the connection ended. What is too large for it would close the next one too. */
function closedUnder({ parcels }: Batch, cause: unknown): BlockhubError {
  const said = closeReason(cause);
  if (!said) return unavailable('the connection ended before the broker confirmed', cause);
  const most = Number(/message size \d+ is larger than .*?(\d+)/.exec(said.reason)?.[1]);
  const large = parcels.find(({ body }) => body.length > most);
  if (large) return tooLarge(large.queue, large.id, `the broker takes no more than ${most} bytes`, cause);
  return unavailable(`the broker closed the channel before it confirmed (${said.reply}: ${said.reason})`, cause);
}

const isNack = (error: unknown): boolean => error instanceof Error && error.message === 'message nacked';

function failureOf(error: unknown, { batch, parcel: { queue } }: Flight, reason: unknown): BlockhubError {
  if (isNack(error))
    return new BlockhubError(
      'BROKER_QUEUE_FULL',
      `the broker refuses a message for "${queue}": the queue is at its limit, or has just gone`,
      {
        details: { queue },
      },
    );
  return closedUnder(batch, reason ?? error);
}
