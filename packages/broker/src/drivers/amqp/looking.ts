import { createHash } from 'node:crypto';
import type { Clock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import type { Channel, GetMessage } from 'amqplib';
import { missingMessage } from '../../checks.ts';
import type { Outgoing, QueueInfo, StoredMessage } from '../../types.ts';
import { type Desk, isRefusal, openChannel, questionError } from './desk.ts';
import { tagged } from './intake.ts';
import { closed, type Link } from './link.ts';
import { listQueues } from './management.ts';
import { readEnvelope } from './messages.ts';
import type { Topology } from './topology.ts';
import type { AmqpTarget } from './url.ts';

export interface LookingParts {
  readonly target: AmqpTarget;
  readonly link: Link;
  readonly desk: Desk;
  readonly topology: Topology;
  readonly clock: Clock;
  publish(messages: readonly Outgoing[]): Promise<void>;
}

/**
 * Of acks to a quorum queue the server keeps what is over a few dozen until the queue has answered, and forgets it when their channel closes: those
 * messages come again. So they are given in parts.
 */
const ACKS_AT_ONCE = 16;

/** A browse that goes on, or a search. */
interface Shown {
  readonly queue: string;
  readonly channel: Channel;
  /** What came meanwhile, and is next. */
  readonly ahead: GetMessage[];
}

interface Browse extends Shown {
  /** Delivery tags of what it holds, by seq. */
  readonly tags: Map<string, number>;
}

/** What people ask. AMQP has no way to look: messages are taken, shown, and given back when the channel closes. */
export class Looking {
  readonly #parts: LookingParts;
  readonly #browses = new Set<Browse>();

  constructor(parts: LookingParts) {
    this.#parts = parts;
  }

  async queues(names: readonly string[] | undefined): Promise<QueueInfo[]> {
    const { target, topology } = this.#parts;
    if (target.management !== undefined) {
      const found = await listQueues(target, target.management, (name) => topology.get(name)?.kind === 'private');
      return names ? found.filter(({ name }) => names.includes(name)) : found;
    }
    const asked = [...new Set(names ?? topology.all.map(({ name }) => name))].sort();
    const found: QueueInfo[] = [];
    for (const name of asked) {
      const info = await this.#info(name);
      if (info) found.push(info);
    }
    return found;
  }

  async #info(name: string): Promise<QueueInfo | undefined> {
    const { desk, topology } = this.#parts;
    try {
      const { messageCount, consumerCount } = await desk.ask((channel) => channel.checkQueue(name));
      const kind = topology.get(name)?.kind ?? 'durable';
      return { name, kind, ready: messageCount, unacked: undefined, delayed: undefined, bytes: undefined, consumers: consumerCount };
    } catch (error) {
      if (isRefusal(error, 'MISSING') || isRefusal(error, 'LOCKED')) return undefined;
      throw questionError(error, name);
    }
  }

  /** The messages are held until the loop ends, so that `take` finds them. */
  async *browse(queue: string): AsyncGenerator<StoredMessage> {
    const channel = await openChannel(this.#parts.link.model);
    const shown: Browse = { queue, channel, ahead: [], tags: new Map() };
    this.#browses.add(shown);
    try {
      for (let left = 1; left > 0; left--) {
        const message = await this.#next(shown);
        if (!message) return;
        if (shown.tags.size === 0) left = Math.max(left, message.fields.messageCount + 1);
        const stored = this.#stored(queue, message);
        shown.tags.set(stored.seq, message.fields.deliveryTag);
        yield stored;
      }
    } finally {
      this.#browses.delete(shown);
      await closed(channel);
    }
  }

  async take(queue: string, seqs: readonly string[], replacement: readonly Outgoing[]): Promise<void> {
    const wanted = new Set(seqs);
    const taken = new Map<Shown, (() => void)[]>();
    for (const browse of this.#browses) {
      const { channel, tags } = browse;
      const acks: (() => void)[] = [];
      for (const seq of browse.queue === queue ? wanted : []) {
        const tag = tags.get(seq);
        if (tag === undefined) continue;
        wanted.delete(seq);
        acks.push(() => {
          tags.delete(seq);
          channel.ack(tagged(tag));
        });
      }
      taken.set(browse, acks);
    }
    const end = await this.#find(queue, wanted, taken);
    try {
      if (replacement.length > 0) await this.#parts.publish(replacement);
      for (const [shown, acks] of taken) await this.#ack(shown, acks);
    } catch (error) {
      throw questionError(error, queue);
    } finally {
      await end();
    }
  }

  async #ack(shown: Shown, acks: readonly (() => void)[]): Promise<void> {
    for (let from = 0; from < acks.length; from += ACKS_AT_ONCE) {
      for (const ack of acks.slice(from, from + ACKS_AT_ONCE)) ack();
      // Whatever the queue answers, it has taken the acks before this question.
      const message = await this.#get(shown.channel, shown.queue);
      if (message) shown.ahead.push(message);
    }
  }

  /** After the browse has ended: goes through the queue from its beginning and holds what it finds until `end`. */
  async #find(queue: string, wanted: Set<string>, taken: Map<Shown, (() => void)[]>): Promise<() => Promise<void>> {
    if (wanted.size === 0) return async () => {};
    const channel = await openChannel(this.#parts.link.model);
    const end = (): Promise<void> => closed(channel);
    const acks: (() => void)[] = [];
    taken.set({ queue, channel, ahead: [] }, acks);
    try {
      while (wanted.size > 0) {
        const message = await this.#get(channel, queue);
        if (!message) throw missingMessage(queue, [...wanted][0] as string);
        if (wanted.delete(this.#stored(queue, message).seq)) acks.push(() => channel.ack(message));
      }
      return end;
    } catch (error) {
      await end();
      throw error;
    }
  }

  async #next({ ahead, channel, queue }: Shown): Promise<GetMessage | false> {
    return ahead.shift() ?? this.#get(channel, queue);
  }

  async #get(channel: Channel, queue: string): Promise<GetMessage | false> {
    try {
      return await channel.get(queue);
    } catch (error) {
      if (isRefusal(error, 'LOCKED'))
        throw new BlockhubError('BROKER_QUEUE_MISMATCH', `queue "${queue}" serves one consumer only and cannot be browsed`, {
          cause: error,
          details: { queue },
        });
      throw questionError(error, queue);
    }
  }

  #stored(queue: string, { properties, content }: GetMessage): StoredMessage {
    const { id, meta, attempts, firstAt, seq } = readEnvelope(queue, properties, this.#parts.clock.now());
    return { seq: seq || strangersSeq(id, content), id, meta, body: content, attempts, firstAt };
  }
}

/** For a message that another program published. */
const strangersSeq = (id: string, body: Buffer): string =>
  `~${createHash('sha256').update(`${id}\n`).update(body).digest('base64url').slice(0, 22)}`;
