import { joinArrays, type Message, metaInteger } from '@blockhub/message';
import type { Context } from '@blockhub/worker';

type Clock = Context['clock'];
type Cancel = ReturnType<Clock['after']>;

/** When a group is published. The first limit that is reached counts. */
interface Limits {
  readonly max: number;
  readonly maxBytes: number;
  readonly ttl: number;
}

export interface GroupsOptions extends Limits {
  /** Prefetch of each queue. If so many messages wait, the oldest groups are published early. */
  readonly prefetch: number;
  readonly clock: Clock;
}

export interface ClosedGroup {
  readonly key: string;
  /** The message that opened it. */
  readonly first: Message;
  readonly messages: readonly Message[];
  readonly items: number;
  /** A JSON array. */
  readonly body: Buffer;
}

/** A delivery whose group is not published yet. */
interface PendingDelivery {
  readonly queue: string;
  resolve(): void;
  reject(error: unknown): void;
}

interface Group {
  readonly key: string;
  readonly first: Message;
  readonly messages: Message[];
  readonly parts: Buffer[];
  /** Bodies by message id. A message that is delivered twice counts once. */
  readonly seen: Map<string, Buffer>;
  readonly pending: PendingDelivery[];
  items: number;
  bytes: number;
  limits: Limits;
  /** In ticks of the clock. */
  dueAt: number;
  cancel: Cancel;
}

const open = Buffer.from('[');
const close = Buffer.from(']');

/** Messages that wait for others of their key. A key without messages takes no memory. */
export class Groups {
  readonly #options: GroupsOptions;
  readonly #send: (group: ClosedGroup) => Promise<void>;
  /** In the order in which they were opened. */
  readonly #groups = new Map<string, Group>();
  /** Pending deliveries by queue. */
  readonly #pending = new Map<string, number>();

  /** @param send resolves when the group is confirmed */
  constructor(options: GroupsOptions, send: (group: ClosedGroup) => Promise<void>) {
    this.#options = options;
    this.#send = send;
  }

  get size(): number {
    return this.#groups.size;
  }

  /** Resolves when the group with the message is confirmed. Throws MESSAGE_INVALID. */
  add(key: string, message: Message): Promise<void> {
    const { items, part } = readItems(message);
    let group = this.#groups.get(key);
    const duplicate = group?.seen.get(message.id)?.equals(message.body) ?? false;
    if (group && !duplicate && (group.items + items > group.limits.max || group.bytes + part.length > group.limits.maxBytes)) {
      this.#close(group);
      group = undefined;
    }
    const into = group ?? this.#open(key, message);
    const promise = new Promise<void>((resolve, reject) => into.pending.push({ queue: message.queue, resolve, reject }));
    const pending = (this.#pending.get(message.queue) ?? 0) + 1;
    this.#pending.set(message.queue, pending);
    if (!duplicate) this.#put(into, message, items, part);
    if (pending >= this.#options.prefetch) this.#relieve(message.queue);
    return promise;
  }

  flush(): void {
    for (const group of this.#groups.values()) this.#close(group);
  }

  #open(key: string, first: Message): Group {
    const { clock, ttl } = this.#options;
    const group: Group = {
      key,
      first,
      messages: [],
      parts: [],
      seen: new Map(),
      pending: [],
      items: 0,
      bytes: 0,
      limits: this.#options,
      dueAt: clock.ticks() + ttl,
      cancel: clock.after(ttl, () => this.#close(group)),
    };
    this.#groups.set(key, group);
    return group;
  }

  #put(group: Group, message: Message, items: number, part: Buffer): void {
    group.seen.set(message.id, message.body);
    group.messages.push(message);
    group.parts.push(part);
    group.items += items;
    group.bytes += part.length;
    if (hasLimits(message)) this.#setLimits(group, message);
    if (group.items >= group.limits.max || group.bytes >= group.limits.maxBytes) this.#close(group);
  }

  /** Limits in a message's meta are for its key. They can only lower the worker's own. */
  #setLimits(group: Group, message: Message): void {
    const { clock } = this.#options;
    const own = (name: string, limit: number): number =>
      message.meta[name] === undefined ? limit : Math.min(limit, metaInteger(message, name));
    const { max, maxBytes, ttl } = this.#options;
    group.limits = { max: own('group-max', max), maxBytes: own('group-max-bytes', maxBytes), ttl: own('group-ttl', ttl) };
    const dueAt = Math.min(group.dueAt, clock.ticks() + group.limits.ttl);
    if (dueAt === group.dueAt) return;
    group.dueAt = dueAt;
    group.cancel();
    group.cancel = clock.after(dueAt - clock.ticks(), () => this.#close(group));
  }

  /** Publishes the oldest groups if the prefetch is full: no message could come to complete one. */
  #relieve(queue: string): void {
    const enough = Math.floor(this.#options.prefetch * 0.75);
    for (const group of this.#groups.values()) {
      if ((this.#pending.get(queue) ?? 0) <= enough) return;
      if (group.pending.some((one) => one.queue === queue)) this.#close(group);
    }
  }

  #close(group: Group): void {
    if (this.#groups.get(group.key) !== group) return;
    this.#groups.delete(group.key);
    group.cancel();
    for (const { queue } of group.pending) this.#pending.set(queue, (this.#pending.get(queue) ?? 1) - 1);
    const { key, first, messages, items, parts, pending } = group;
    this.#send({ key, first, messages, items, body: joinArrays(parts) }).then(
      () => {
        for (const one of pending) one.resolve();
      },
      (error: unknown) => {
        for (const one of pending) one.reject(error);
      },
    );
  }
}

const hasLimits = ({ meta }: Message): boolean =>
  meta['group-max'] !== undefined || meta['group-max-bytes'] !== undefined || meta['group-ttl'] !== undefined;

/** A message without meta `items` is one item. */
function readItems(message: Message): { items: number; part: Buffer } {
  if (message.meta.items === undefined) return { items: 1, part: Buffer.concat([open, message.body, close]) };
  return { items: metaInteger(message, 'items'), part: joinArrays([message.body]) };
}
