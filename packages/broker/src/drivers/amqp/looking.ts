import { createHash } from 'node:crypto';
import type { Clock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import type { Channel, GetMessage } from 'amqplib';
import { missingMessage } from '../../checks.ts';
import type { Outgoing, QueueInfo, StoredMessage } from '../../types.ts';
import { type Desk, isRefusal, openChannel, questionError } from './desk.ts';
import type { Link } from './link.ts';
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

/** What people ask. AMQP has no way to look: messages are taken, shown, and given back when the channel closes. */
export class Looking {
  readonly #parts: LookingParts;

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

  async *browse(queue: string, { limit = Number.POSITIVE_INFINITY }: { readonly limit?: number }): AsyncGenerator<StoredMessage> {
    const channel = await openChannel(this.#parts.link.model);
    try {
      for (let count = 0; count < limit; count++) {
        const message = await this.#get(channel, queue);
        if (!message) return;
        yield this.#stored(message);
      }
    } finally {
      await channel.close().catch(() => {});
    }
  }

  async take(queue: string, seqs: readonly string[], replacement: readonly Outgoing[]): Promise<void> {
    const channel = await openChannel(this.#parts.link.model);
    try {
      const wanted = new Set(seqs);
      const taken: GetMessage[] = [];
      while (wanted.size > 0) {
        const message = await this.#get(channel, queue);
        if (!message) throw missingMessage(queue, [...wanted][0] as string);
        if (wanted.delete(this.#stored(message).seq)) taken.push(message);
      }
      if (replacement.length > 0) await this.#parts.publish(replacement);
      for (const message of taken) channel.ack(message);
    } finally {
      await channel.close().catch(() => {});
    }
  }

  async #get(channel: Channel, queue: string): Promise<GetMessage | false> {
    try {
      return await channel.get(queue);
    } catch (error) {
      if (isRefusal(error, 'LOCKED'))
        throw new BlockhubError('BROKER_QUEUE_MISMATCH', `queue "${queue}" serves one consumer only and cannot be browsed`, { cause: error, details: { queue } });
      throw questionError(error, queue);
    }
  }

  #stored({ properties, content }: GetMessage): StoredMessage {
    const { id, meta, attempts, firstAt, seq } = readEnvelope(properties, this.#parts.clock.now());
    return { seq: seq || strangersSeq(id, content), id, meta, body: content, attempts, firstAt };
  }
}

/** For a message that another program published. */
const strangersSeq = (id: string, body: Buffer): string => `~${createHash('sha256').update(`${id}\n`).update(body).digest('base64url').slice(0, 22)}`;
