/**
 * The words of this package:
 * - **broker**: one process's connection to whatever keeps the queues; **driver**: code for one kind of broker.
 * - **queue**: an ordered list of messages with a name. *Durable* ones survive; *private* ones belong to one connection and go with it.
 * - **publish**: hand over messages; **confirm**: the broker has them safe (the promise of `publish` resolves).
 * - **delivery**: a message in a consumer's hands; **unacked** until it is acked, retried or released.
 * - **prefetch**: how many unacked deliveries a consumer may hold.
 * - **ready**: waiting for a consumer; **delayed**: waiting for the time of its retry.
 * - **attempt**: a handling that failed and asked for a retry.
 * - **hint**: a message that may be lost without harm.
 * - **single active**: of all consumers of a queue only the oldest gets messages.
 * - **at least once**: the promise of every queue: a confirmed message comes until it is acked, sometimes once more after that.
 */

import type { Meta } from '@blockhub/chain';
import type { BlockhubError } from '@blockhub/errors';

/** What travels beside the bytes: flat, short names. */
export type { Meta, MetaValue } from '@blockhub/chain';

export interface Outgoing {
  readonly queue: string;
  /** Event id or another stable id; the same message published again carries the same id. */
  readonly id: string;
  readonly meta: Meta;
  /** Kept as it is, not copied: neither meta nor body may change after the publish. */
  readonly body: Buffer;
  /** May be lost; no route for it, or no room, is no error. */
  readonly hint?: boolean;
}

/**
 * A message held by a consumer. Exactly one of `ack`, `retry`, `release` takes effect, the first; all calls that come late
 * (after another one, after the connection was lost, after `close`) are dropped without a word.
 */
export interface Delivery {
  readonly id: string;
  readonly queue: string;
  readonly meta: Meta;
  readonly body: Buffer;
  /** How many attempts failed before this one. */
  readonly attempts: number;
  /** When the message was first published, ms since 1970. */
  readonly firstAt: number;
  /** The work is done and its effects are safe: the message goes. A lost ack means that it comes again. */
  ack(): void;
  /** Failed: comes again after at least `afterMs`, with one more attempt counted. Blocks no other message; survives a restart. */
  retry(afterMs: number): void;
  /** Not handled: back to its place now, no attempt counted. */
  release(): void;
}

export interface QueueDeclaration {
  /** 1 to 255 bytes, not starting with `amq.`. */
  readonly name: string;
  /** `private`: exclusive to this connection, not persistent, gone with it; declared again by the broker when it reconnects. */
  readonly kind: 'durable' | 'private';
  readonly singleActive?: boolean;
  /**
   * Over these a publish is refused with BROKER_QUEUE_FULL. They count every message that is not acked; bytes are those of bodies.
   * RabbitMQ counts ready messages only, refuses a moment late, and keeps the limits that a queue was first declared with.
   */
  readonly maxMessages?: number;
  readonly maxBytes?: number;
  /**
   * A durable queue where the broker puts what came back too often without an ack or a retry, because it kills its consumers. It comes there
   * with `dead-code` DELIVERIES_EXHAUSTED, `dead-queue`, `dead-message`, `dead-attempts`, `dead-first-at` and `dead-last-at` in its meta.
   * Absent: it comes back for ever. Drivers whose consumers are in one process with them have no such messages.
   */
  readonly deadLetterTo?: string;
}

export interface QueueInfo {
  readonly name: string;
  readonly kind: 'durable' | 'private';
  readonly ready: number;
  /** Held by consumers. SQLite: known to the process that consumes, or did; any other one sees as ready what that one holds. RabbitMQ tells it with `management` only. */
  readonly unacked: number | undefined;
  /** RabbitMQ does not tell: what waits there lies in queues that all share. */
  readonly delayed: number | undefined;
  /** Sum of the bodies of all three. RabbitMQ: of ready and unacked ones, with `management` only. */
  readonly bytes: number | undefined;
  /** One that was cancelled may count until it holds nothing. SQLite: as `unacked`. */
  readonly consumers: number | undefined;
}

/** Of a driver that counts everything itself. */
export type CountedQueue = QueueInfo & { readonly [Count in 'unacked' | 'delayed' | 'bytes' | 'consumers']: number };

/** A message seen by `browse`. */
export interface StoredMessage {
  /** Names this message in `take`, while the browse goes on and perhaps longer; never given to another message of the queue. */
  readonly seq: string;
  readonly id: string;
  readonly meta: Meta;
  readonly body: Buffer;
  readonly attempts: number;
  readonly firstAt: number;
}

/**
 * `blocked`: the broker takes no writes for now (disk full, memory alarm), reads go on. `disconnected`: it is being reconnected.
 * Both end by themselves. `closed` is final.
 */
export type BrokerState = 'connected' | 'blocked' | 'disconnected' | 'closed';

export interface ConsumeOptions {
  readonly prefetch: number;
}

export interface Consumer {
  /** No more deliveries come; those held stay valid. The next consumer of a single-active queue takes over. */
  cancel(): Promise<void>;
}

/**
 * The queues as one process sees them. Promises of every driver:
 * - Confirmed messages are delivered at least once, in order of publishing but for retries, releases and lost connections.
 * - The broker reconnects, declares private queues again and restores consumers; nobody else does.
 * - It never retries a publish, but for a queue that it declared and that was deleted: an error says what the caller knows, see `publish`.
 * After `close` everything rejects with BROKER_CLOSED.
 */
export interface Broker {
  /** Creates what is missing; the same again does nothing. BROKER_QUEUE_MISMATCH: the queue exists with another kind or singleActive, or it is another connection's. */
  declare(queues: readonly QueueDeclaration[]): Promise<void>;
  /**
   * Resolves when every message is durable in its queue. On an error any part of them may have arrived, so the whole call is repeated with the same ids:
   * BROKER_UNAVAILABLE (unknown; also while blocked or disconnected), BROKER_QUEUE_FULL (later), BROKER_QUEUE_MISSING and
   * BROKER_MESSAGE_TOO_LARGE (never as it is).
   */
  publish(messages: readonly Outgoing[]): Promise<void>;
  /** Calls `onDelivery`, which must not throw, for each message, with at most `prefetch` unacked. BROKER_QUEUE_MISSING where the queue is not declared. */
  consume(queue: string, options: ConsumeOptions, onDelivery: (delivery: Delivery) => void): Promise<Consumer>;
  /**
   * Every durable queue, and the private ones of this connection, sorted by name; with `names` only those of them that exist.
   * RabbitMQ without `management` cannot list: without `names` it gives those that this connection declared.
   */
  queues(names?: readonly string[]): Promise<QueueInfo[]>;
  /**
   * The ready and delayed messages that are there when it begins, in order, each once. They stay; what it has shown may be taken while it goes on.
   * What goes meanwhile may be shown or not. A driver may keep from consumers what it shows until it ends: end it soon, by leaving the loop.
   * RabbitMQ shows no delayed ones, refuses single-active queues (BROKER_QUEUE_MISMATCH), and takes what it shows back in another order.
   */
  browse(queue: string): AsyncIterable<StoredMessage>;
  /**
   * Removes browsed messages; `replacement` is safe before they go (in the same transaction where the driver has them).
   * BROKER_MESSAGE_MISSING: one of them is not there any more or is held by a consumer; then nothing was removed or published.
   */
  take(queue: string, seqs: readonly string[], replacement?: readonly Outgoing[]): Promise<void>;
  readonly state: BrokerState;
  /** Why it is not connected, or takes no writes, and what to do; undefined where all is well or nothing is known. */
  readonly trouble?: BlockhubError | undefined;
  /** Messages given to `publish` whose fate the caller does not know yet. */
  readonly unconfirmed: number;
  /** Calls on every change of state; returns what stops that. */
  onState(listener: (state: BrokerState) => void): () => void;
  /** Waits for publishes in flight and writes acks, then lets go: what is unacked goes back to its queue. Idempotent. */
  close(): Promise<void>;
}

/** Where drivers write what an operator must know; a pino logger fits. */
export interface BrokerLog {
  info(facts: object, text: string): void;
  warn(facts: object, text: string): void;
  error(facts: object, text: string): void;
}
