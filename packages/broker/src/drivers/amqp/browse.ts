import { createHash } from 'node:crypto';
import { request as https } from 'node:https';
import type { Clock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import type { Channel, ChannelModel, GetMessage } from 'amqplib';
import { missingMessage } from '../../checks.ts';
import type { Outgoing, QueueInfo, StoredMessage } from '../../types.ts';
import { type ControlChannel, closeConnectionOrChannel, openChannel, withTag } from './channel.ts';
import { readLogin, readTlsFiles } from './connection.ts';
import { isRefusal, queueError, unavailable } from './errors.ts';
import { decodeMessage } from './messages.ts';
import { delayPrefix, type Topology } from './topology.ts';
import type { AmqpTarget } from './url.ts';

// An import by name would load fetch and WebSocket too.
const { request: http } = process.getBuiltinModule('node:http');

/**
 * If more than a few dozen acks are sent to a quorum queue at once, RabbitMQ keeps the rest until
 * the queue has answered. It drops them when their channel closes, and the messages come again.
 */
const ACKS_AT_ONCE = 16;
const ANSWER_MS = 10_000;

export interface QueueBrowserOptions {
  readonly target: AmqpTarget;
  readonly connection: { readonly model: ChannelModel };
  readonly control: ControlChannel;
  readonly topology: Topology;
  readonly clock: Clock;
  publish(messages: readonly Outgoing[]): Promise<void>;
}

/** A channel that gets messages of one queue and keeps them unacked. */
interface Getting {
  readonly queue: string;
  readonly channel: Channel;
  /** Messages that were got between acks. They come next. */
  readonly ahead: GetMessage[];
}

interface Browse extends Getting {
  /** Delivery tags of its messages, by seq. */
  readonly tags: Map<string, number>;
}

/** AMQP cannot read and leave a message: a browse gets it, and closing its channel returns it. */
export class QueueBrowser {
  readonly #options: QueueBrowserOptions;
  readonly #browses = new Set<Browse>();

  constructor(options: QueueBrowserOptions) {
    this.#options = options;
  }

  async queues(names: readonly string[] | undefined): Promise<QueueInfo[]> {
    const { target, topology } = this.#options;
    if (target.management !== undefined) {
      const found = await listQueues(target, target.management, (name) => topology.get(name)?.kind === 'private');
      return names ? found.filter(({ name }) => names.includes(name)) : found;
    }
    const found: QueueInfo[] = [];
    for (const name of [...new Set(names ?? topology.all.map((queue) => queue.name))].sort()) {
      const info = await this.#info(name);
      if (info) found.push(info);
    }
    return found;
  }

  async #info(name: string): Promise<QueueInfo | undefined> {
    const { control, topology } = this.#options;
    try {
      const { messageCount, consumerCount } = await control.request((channel) => channel.checkQueue(name));
      const kind = topology.get(name)?.kind ?? 'durable';
      return { name, kind, ready: messageCount, unacked: undefined, delayed: undefined, bytes: undefined, consumers: consumerCount };
    } catch (error) {
      if (isRefusal(error, 'MISSING') || isRefusal(error, 'LOCKED')) return undefined;
      throw queueError(error, name);
    }
  }

  /** The messages stay unacked until the loop ends, so that `take` finds them. */
  async *browse(queue: string): AsyncGenerator<StoredMessage> {
    const channel = await openChannel(this.#options.connection.model);
    const browse: Browse = { queue, channel, ahead: [], tags: new Map() };
    this.#browses.add(browse);
    try {
      for (let left = 1; left > 0; left--) {
        const message = browse.ahead.shift() ?? (await this.#get(channel, queue));
        if (!message) return;
        if (browse.tags.size === 0) left = Math.max(left, message.fields.messageCount + 1);
        const stored = this.#stored(queue, message);
        browse.tags.set(stored.seq, message.fields.deliveryTag);
        yield stored;
      }
    } finally {
      this.#browses.delete(browse);
      await closeConnectionOrChannel(channel);
    }
  }

  async take(queue: string, seqs: readonly string[], replacement: readonly Outgoing[]): Promise<void> {
    const missing = new Set(seqs);
    const taken = new Map<Getting, (() => void)[]>();
    for (const browse of this.#browses) {
      const { channel, tags } = browse;
      const acks: (() => void)[] = [];
      for (const seq of browse.queue === queue ? missing : []) {
        const tag = tags.get(seq);
        if (tag === undefined) continue;
        missing.delete(seq);
        acks.push(() => {
          tags.delete(seq);
          channel.ack(withTag(tag));
        });
      }
      taken.set(browse, acks);
    }
    const end = await this.#find(queue, missing, taken);
    try {
      if (replacement.length > 0) await this.#options.publish(replacement);
      for (const [getting, acks] of taken) await this.#ack(getting, acks);
    } catch (error) {
      throw queueError(error, queue);
    } finally {
      await end();
    }
  }

  async #ack({ channel, queue, ahead }: Getting, acks: readonly (() => void)[]): Promise<void> {
    for (let from = 0; from < acks.length; from += ACKS_AT_ONCE) {
      for (const ack of acks.slice(from, from + ACKS_AT_ONCE)) ack();
      // When the queue answers this request, it has processed the acks before it.
      const message = await this.#get(channel, queue);
      if (message) ahead.push(message);
    }
  }

  /** For messages whose browse has ended: unacked until the returned function is called. */
  async #find(queue: string, missing: Set<string>, taken: Map<Getting, (() => void)[]>): Promise<() => Promise<void>> {
    if (missing.size === 0) return async () => {};
    const channel = await openChannel(this.#options.connection.model);
    const end = (): Promise<void> => closeConnectionOrChannel(channel);
    const acks: (() => void)[] = [];
    taken.set({ queue, channel, ahead: [] }, acks);
    try {
      while (missing.size > 0) {
        const message = await this.#get(channel, queue);
        if (!message) throw missingMessage(queue, [...missing][0] as string);
        if (missing.delete(this.#stored(queue, message).seq)) acks.push(() => channel.ack(message));
      }
      return end;
    } catch (error) {
      await end();
      throw error;
    }
  }

  async #get(channel: Channel, queue: string): Promise<GetMessage | false> {
    try {
      return await channel.get(queue);
    } catch (error) {
      if (!isRefusal(error, 'LOCKED')) throw queueError(error, queue);
      const text = `queue "${queue}" serves one consumer only and cannot be browsed`;
      throw new BlockhubError('BROKER_QUEUE_MISMATCH', text, { cause: error, details: { queue } });
    }
  }

  #stored(queue: string, { properties, content }: GetMessage): StoredMessage {
    const { id, meta, attempts, firstAt, seq } = decodeMessage(queue, properties, this.#options.clock.now());
    return { seq: seq || seqByContent(id, content), id, meta, body: content, attempts, firstAt };
  }
}

/** For a message of another program. */
const seqByContent = (id: string, body: Buffer): string =>
  `~${createHash('sha256').update(`${id}\n`).update(body).digest('base64url').slice(0, 22)}`;

// `messages_ready` leaves out messages on their way from one queue to another.
const columns = 'name,exclusive,messages,messages_unacknowledged,message_bytes,consumers';

interface QueueRow {
  readonly name: string;
  readonly exclusive: boolean;
  readonly messages?: number;
  readonly messages_unacknowledged?: number;
  readonly message_bytes?: number;
  readonly consumers?: number;
}

/**
 * By the management API, whose counts are some seconds late. Of exclusive queues it lists those
 * that `isOurs` accepts. BROKER_UNAVAILABLE, also if the API refuses.
 */
async function listQueues(target: AmqpTarget, base: string, isOurs: (name: string) => boolean): Promise<QueueInfo[]> {
  const rows = await getRows(target, `${base}/api/queues/${encodeURIComponent(target.vhost)}?columns=${columns}`);
  return rows
    .filter(({ name, exclusive }) => !name.startsWith(delayPrefix) && (!exclusive || isOurs(name)))
    .map((row) => ({
      name: row.name,
      kind: row.exclusive ? ('private' as const) : ('durable' as const),
      ready: (row.messages ?? 0) - (row.messages_unacknowledged ?? 0),
      unacked: row.messages_unacknowledged,
      delayed: undefined,
      bytes: row.message_bytes,
      consumers: row.consumers ?? 0,
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function getRows(target: AmqpTarget, url: string): Promise<readonly QueueRow[]> {
  const { user, password } = await readLogin(target);
  const files = await readTlsFiles(target);
  const options = { auth: `${user}:${password}`, ...files, timeout: ANSWER_MS, signal: AbortSignal.timeout(ANSWER_MS) };
  try {
    return await new Promise((resolve, reject) => {
      const request = (url.startsWith('https:') ? https : http)(url, options, async (response) => {
        try {
          const parts = await response.toArray();
          if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`);
          resolve(JSON.parse(Buffer.concat(parts).toString('utf8')) as QueueRow[]);
        } catch (error) {
          reject(error);
        }
      });
      request.on('error', reject);
      request.end();
    });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : cause;
    throw unavailable(`the management API at ${new URL(url).origin} does not answer: ${why}`, cause);
  }
}
