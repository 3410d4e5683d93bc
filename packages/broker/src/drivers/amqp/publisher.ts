import type { Cancel, Clock } from '@blockhub/clock';
import { BlockhubError, hasCode } from '@blockhub/errors';
import type { ChannelModel, ConfirmChannel, Message } from 'amqplib';
import { closedBroker, missingQueue } from '../../checks.ts';
import { unavailable } from './link.ts';
import { type Parcel, tooLarge } from './messages.ts';

/** Unconfirmed at a time; more only makes each one wait longer. */
const WINDOW_MESSAGES = 1_000;
const WINDOW_BYTES = 32 * 2 ** 20;
/** A confirm takes milliseconds; after this long the connection is dead or the queue has no leader. */
const CONFIRM_MS = 30_000;

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
  readonly batch: Batch;
  readonly parcel: Parcel;
  readonly since: number;
}

export interface PublisherParts {
  readonly clock: Clock;
  /** No confirm came in time. */
  stuck(): void;
  /** The channel is gone and cannot be opened again. */
  broken(): void;
}

/** A confirm channel on a connection that others keep. It never publishes anything twice. */
export class Publisher {
  readonly #parts: PublisherParts;
  #channel: ConfirmChannel | undefined;
  readonly #waiting: Batch[] = [];
  /** In the order in which they were written. */
  readonly #flights = new Set<Flight>();
  #bytes = 0;
  /** Returned by the broker, to be confirmed next. */
  readonly #returned = new Map<string, number>();
  #blocked = false;
  #timer: Cancel | undefined;
  #closed = false;
  #idle: PromiseWithResolvers<void> | undefined;

  constructor(parts: PublisherParts) {
    this.#parts = parts;
  }

  /** A new connection, or a new channel on it. */
  async open(model: ChannelModel): Promise<void> {
    const channel = await model.createConfirmChannel();
    this.#blocked = false;
    this.#channel = channel;
    channel.on('error', () => {});
    channel.on('return', (message) => this.#return(message));
    channel.once('close', () => {
      if (this.#channel !== channel) return;
      this.#channel = undefined;
      this.#returned.clear();
      this.#failAll(unavailable('the connection ended before the broker confirmed'));
      // Where the whole connection ended this fails, and changes nothing.
      if (!this.#closed) this.open(model).catch(() => this.#parts.broken());
    });
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
    if (on) this.#failAll(blocked());
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
    if (this.#idle && [...this.#flights].every(({ batch }) => batch.ended)) this.#idle.resolve();
  }

  #hasRoom({ body }: Parcel): boolean {
    const count = this.#flights.size;
    return count === 0 || (count < WINDOW_MESSAGES && this.#bytes + body.length <= WINDOW_BYTES);
  }

  #write(batch: Batch, parcel: Parcel): void {
    const flight: Flight = { batch, parcel, since: this.#parts.clock.ticks() };
    try {
      if (!this.#channel) throw unavailable('there is no connection to the broker now');
      this.#channel.publish(parcel.exchange, parcel.key, parcel.body, parcel.options, (error) => this.#land(flight, error));
    } catch (cause) {
      // amqplib encodes before it writes: nothing of this one went out.
      const wrong = cause instanceof RangeError || cause instanceof TypeError;
      batch.failure ??= wrong
        ? tooLarge(parcel.queue, parcel.id, 'id and meta must fit into 64 KiB', cause)
        : unavailable('the channel is closing', cause);
      return;
    }
    batch.flying++;
    this.#flights.add(flight);
    this.#bytes += parcel.body.length;
    this.#timer ??= this.#parts.clock.after(CONFIRM_MS / 2, () => this.#lookForStuck());
  }

  #land(flight: Flight, error: unknown): void {
    if (!this.#flights.delete(flight)) return;
    const { batch, parcel } = flight;
    this.#bytes -= parcel.body.length;
    batch.flying--;
    const failure = error
      ? failureOf(error, parcel)
      : this.#returned.size > 0 && this.#wasReturned(parcel)
        ? missingQueue(parcel.queue)
        : undefined;
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

  #failAll(error: BlockhubError): void {
    for (const batch of new Set([...this.#waiting, ...[...this.#flights].map((flight) => flight.batch)])) {
      if (batch.ended) continue;
      batch.failure ??= error;
      this.#end(batch);
    }
    this.#pump();
  }

  #return({ fields, properties }: Message): void {
    const key = returnKey(fields.exchange, fields.routingKey, String(properties.messageId));
    this.#returned.set(key, (this.#returned.get(key) ?? 0) + 1);
  }

  /** A return comes before the confirm of the same message. */
  #wasReturned({ exchange, key: routingKey, id }: Parcel): boolean {
    const key = returnKey(exchange, routingKey, id);
    const times = this.#returned.get(key);
    if (times === undefined) return false;
    if (times > 1) this.#returned.set(key, times - 1);
    else this.#returned.delete(key);
    return true;
  }

  #lookForStuck(): void {
    this.#timer = undefined;
    const [oldest] = this.#flights;
    if (!oldest) return;
    // A blocked broker confirms nothing and is not dead; heartbeats tell whether it is.
    if (!this.#blocked && this.#parts.clock.ticks() - oldest.since >= CONFIRM_MS) this.#parts.stuck();
    this.#timer = this.#parts.clock.after(CONFIRM_MS / 2, () => this.#lookForStuck());
  }
}

const returnKey = (exchange: string, key: string, id: string): string => `${exchange}\n${key}\n${id}`;

const blocked = (): BlockhubError => unavailable('the broker takes no messages now: it is short of memory or disk');

function failureOf(error: unknown, { queue }: Parcel): BlockhubError {
  if (error instanceof Error && error.message === 'message nacked')
    return new BlockhubError('BROKER_QUEUE_FULL', `the broker refuses a message for "${queue}": the queue is at its limit`, {
      details: { queue },
    });
  return unavailable('the connection ended before the broker confirmed', error);
}
