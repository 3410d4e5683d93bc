/**
 * The words of this package:
 * - **broker**: the connection of one process to its queues. **driver**: the code for one kind of
 *   broker.
 * - **queue**: an ordered list of messages with a name. A *durable* queue survives restarts. A
 *   *private* queue belongs to one connection and is removed with it.
 * - **publish**: to hand messages to the broker. **confirm**: the messages are safe, and the
 *   promise of `publish` resolves.
 * - **delivery**: one message handed to a consumer and not settled yet; it is **unacked**.
 * - **settle**: to ack, retry or release a delivery.
 * - **prefetch**: the maximum number of unacked deliveries of a consumer.
 * - **ready**: can be delivered now. **delayed**: its retry is not due yet.
 * - **attempt**: a handling that failed and ended with a retry.
 * - **hint**: a message that may be lost without harm.
 * - **single active**: only the oldest consumer of the queue gets messages.
 * - **at least once**: the promise of every queue. A confirmed message is delivered until it is
 *   acked, and sometimes once more after that.
 */

import type { Meta } from '@blockhub/chain';
import type { BlockhubError } from '@blockhub/errors';

/** Values that belong to a message, beside its body. Names are short, and values are not nested. */
export type { Meta, MetaValue } from '@blockhub/chain';

export interface Outgoing {
  readonly queue: string;
  /** The event id or another stable id. A message that is published again must have the same id. */
  readonly id: string;
  readonly meta: Meta;
  /** It is not copied: meta and body must not change after the publish. */
  readonly body: Buffer;
  /** The message may be lost: a missing or full queue is not an error. */
  readonly hint?: boolean;
}

/**
 * One message handed to a consumer. The first call of `ack`, `retry` or `release` settles it. Later
 * calls, and calls after the connection was lost or closed, have no effect and give no error.
 */
export interface Delivery {
  readonly id: string;
  readonly queue: string;
  readonly meta: Meta;
  readonly body: Buffer;
  /** How many attempts failed before this one. */
  readonly attempts: number;
  /** When the message was first published, in ms since 1970. */
  readonly firstAt: number;
  /** The work is safe: the message is removed. If the ack is lost, it comes again. */
  ack(): void;
  /** Comes after `afterMs` or later, one attempt more. Blocks nothing, survives a restart. */
  retry(afterMs: number): void;
  /** Not handled: the message goes back to its place at once, and no attempt is counted. */
  release(): void;
}

export interface QueueDeclaration {
  /** It must have 1 to 255 bytes and must not start with `amq.`. */
  readonly name: string;
  /** `private`: only for this connection, not persistent, declared again after a reconnect. */
  readonly kind: 'durable' | 'private';
  readonly singleActive?: boolean;
  /**
   * Above a limit a publish fails with BROKER_QUEUE_FULL. Limits count messages that are not acked,
   * and bytes of bodies. RabbitMQ counts only ready ones, refuses late, and keeps the first limits.
   */
  readonly maxMessages?: number;
  readonly maxBytes?: number;
  /**
   * A durable queue for messages that went back too often without an ack or retry. Their meta has
   * `dead-code` DELIVERIES_EXHAUSTED, `dead-queue`, `dead-message`, `dead-attempts`,
   * `dead-first-at` and `dead-last-at`. If it is not set, they are delivered without end. Only
   * RabbitMQ has them: with other drivers the consumers end together with the broker.
   */
  readonly deadLetterTo?: string;
}

export interface QueueInfo {
  readonly name: string;
  readonly kind: 'durable' | 'private';
  readonly ready: number;
  /** SQLite: if this process consumed, else counted as ready. RabbitMQ: with `management`. */
  readonly unacked: number | undefined;
  /** Undefined with RabbitMQ: delayed messages are in queues that all queues share. */
  readonly delayed: number | undefined;
  /** Sum of all bodies. RabbitMQ: without those of delayed messages, and only with `management`. */
  readonly bytes: number | undefined;
  /** A cancelled consumer can count until its deliveries are settled. SQLite: as `unacked`. */
  readonly consumers: number | undefined;
}

/** From a driver that has all counts. */
export type CountedQueue = QueueInfo & { readonly [Count in 'unacked' | 'delayed' | 'bytes' | 'consumers']: number };

/** A message that `browse` returns. */
export interface StoredMessage extends Pick<Delivery, 'id' | 'meta' | 'body' | 'attempts' | 'firstAt'> {
  /** Names this message in `take`, at least while the browse goes on. It is never used again. */
  readonly seq: string;
}

/**
 * `blocked`: the broker accepts no writes now (full disk, memory alarm); reads go on.
 * `disconnected`: it is reconnecting. Both end by themselves. `closed` is final.
 */
export type BrokerState = 'connected' | 'blocked' | 'disconnected' | 'closed';

export interface ConsumeOptions {
  readonly prefetch: number;
}

export interface Consumer {
  /** Ends deliveries. Unsettled ones stay valid, and another consumer can become active. */
  cancel(): Promise<void>;
}

/**
 * The queues of one process. Promises of every driver:
 * - Confirmed messages are delivered at least once, in the order of publishing except after
 *   retries, releases and lost connections.
 * - The broker reconnects, declares private queues again and restores consumers. Callers must not.
 * - It never repeats a publish, except if a queue that it declared was deleted. Callers repeat it
 *   after an error, see `publish`. After `close` every call rejects with BROKER_CLOSED.
 */
export interface Broker {
  /** BROKER_QUEUE_MISMATCH: another kind or singleActive, or it is of another connection. */
  declare(queues: readonly QueueDeclaration[]): Promise<void>;
  /**
   * Resolves when every message is durable in its queue. After an error some of them may have
   * arrived, so the caller repeats the whole call with the same ids. BROKER_UNAVAILABLE: the result
   * is unknown, or the broker is blocked or disconnected. BROKER_QUEUE_FULL: repeat it later.
   * BROKER_QUEUE_MISSING and BROKER_MESSAGE_TOO_LARGE: the same call will not succeed.
   */
  publish(messages: readonly Outgoing[]): Promise<void>;
  /** `onDelivery` must not throw. BROKER_QUEUE_MISSING if the queue is not declared. */
  consume(queue: string, options: ConsumeOptions, onDelivery: (delivery: Delivery) => void): Promise<Consumer>;
  /**
   * Lists durable queues and private ones of this connection, by name; of `names` those that exist.
   * RabbitMQ without `management` and `names` returns those that this connection declared.
   */
  queues(names?: readonly string[]): Promise<QueueInfo[]>;
  /**
   * Returns the ready and delayed messages of this moment in order, each once. They stay in the
   * queue and can be taken during the loop; one that is removed meanwhile is returned or not. Leave
   * the loop soon: a driver can keep its messages from consumers. RabbitMQ returns no delayed
   * messages, refuses single-active queues (BROKER_QUEUE_MISMATCH), and changes the order.
   */
  browse(queue: string): AsyncIterable<StoredMessage>;
  /**
   * Removes browsed messages. `replacement` is published before, or in the same transaction.
   * BROKER_MESSAGE_MISSING, and no change: one of them was removed, or a consumer holds it.
   */
  take(queue: string, seqs: readonly string[], replacement?: readonly Outgoing[]): Promise<void>;
  readonly state: BrokerState;
  /** Why it is disconnected or blocked, with the fix; undefined if it is neither, or not known. */
  readonly trouble?: BlockhubError | undefined;
  /** Number of messages in calls of `publish` that have not settled. */
  readonly unconfirmed: number;
  /** Calls `listener` on every change of state, until the returned function is called. */
  onState(listener: (state: BrokerState) => void): () => void;
  /** Waits for publishes and sends settlements. Unsettled messages go back. Idempotent. */
  close(): Promise<void>;
}

/** For log lines to operators; a pino logger fits. */
export interface BrokerLog {
  info(facts: object, text: string): void;
  warn(facts: object, text: string): void;
  error(facts: object, text: string): void;
}
