import { joinArrays, type Message, metaInteger } from '@blockhub/message';
import type { Context } from '@blockhub/worker';

type Clock = Context['clock'];
type Cancel = ReturnType<Clock['after']>;

/** When a group goes; the first limit that is reached counts. */
interface Limits {
  readonly max: number;
  readonly maxBytes: number;
  readonly ttl: number;
}

export interface GroupsOptions extends Limits {
  /** Messages of one queue that may wait; when so many do, the oldest groups go early. */
  readonly prefetch: number;
  readonly clock: Clock;
}

/** A group that goes. */
export interface FullGroup {
  readonly key: string;
  /** The message that began it. */
  readonly first: Message;
  /** All that are in it. */
  readonly messages: readonly Message[];
  readonly items: number;
  /** A JSON array. */
  readonly body: Buffer;
}

interface Waiting {
  readonly queue: string;
  resolve(): void;
  reject(error: unknown): void;
}

interface Group {
  readonly key: string;
  readonly first: Message;
  readonly messages: Message[];
  readonly parts: Buffer[];
  /** Bodies by message id: the same message delivered twice is one item. */
  readonly seen: Map<string, Buffer>;
  readonly waiting: Waiting[];
  items: number;
  bytes: number;
  limits: Limits;
  /** In ticks of the clock. */
  dueAt: number;
  cancel: Cancel;
}

const open = Buffer.from('[');
const close = Buffer.from(']');

/** Messages that wait for others of their key. Keys are many and mostly idle: a key without messages costs nothing. */
export class Groups {
  readonly #options: GroupsOptions;
  readonly #send: (group: FullGroup) => Promise<void>;
  /** In the order in which they began. */
  readonly #groups = new Map<string, Group>();
  readonly #waiting = new Map<string, number>();

  /** `send` resolves when the group is safe. */
  constructor(options: GroupsOptions, send: (group: FullGroup) => Promise<void>) {
    this.#options = options;
    this.#send = send;
  }

  /** Groups that are open. */
  get size(): number {
    return this.#groups.size;
  }

  /** Resolves when the group that took the message is safe. Throws MESSAGE_INVALID. */
  add(key: string, message: Message): Promise<void> {
    const { items, part } = readItems(message);
    let group = this.#groups.get(key);
    const twin = group?.seen.get(message.id)?.equals(message.body) ?? false;
    if (group && !twin && (group.items + items > group.limits.max || group.bytes + part.length > group.limits.maxBytes)) {
      this.#go(group);
      group = undefined;
    }
    const into = group ?? this.#begin(key, message);
    const promise = new Promise<void>((resolve, reject) => into.waiting.push({ queue: message.queue, resolve, reject }));
    const waiting = (this.#waiting.get(message.queue) ?? 0) + 1;
    this.#waiting.set(message.queue, waiting);
    if (!twin) this.#put(into, message, items, part);
    if (waiting >= this.#options.prefetch) this.#relieve(message.queue);
    return promise;
  }

  /** Lets every group go. */
  flush(): void {
    for (const group of this.#groups.values()) this.#go(group);
  }

  #begin(key: string, first: Message): Group {
    const { clock, ttl } = this.#options;
    const group: Group = {
      key,
      first,
      messages: [],
      parts: [],
      seen: new Map(),
      waiting: [],
      items: 0,
      bytes: 0,
      limits: this.#options,
      dueAt: clock.ticks() + ttl,
      cancel: clock.after(ttl, () => this.#go(group)),
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
    if (group.items >= group.limits.max || group.bytes >= group.limits.maxBytes) this.#go(group);
  }

  /** Limits in a message's meta are those of its key; they never exceed the worker's own. */
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
    group.cancel = clock.after(dueAt - clock.ticks(), () => this.#go(group));
  }

  /** Without this, keys that wait could fill the prefetch and keep out what would complete them. */
  #relieve(queue: string): void {
    const enough = Math.floor(this.#options.prefetch * 0.75);
    for (const group of this.#groups.values()) {
      if ((this.#waiting.get(queue) ?? 0) <= enough) return;
      if (group.waiting.some((one) => one.queue === queue)) this.#go(group);
    }
  }

  #go(group: Group): void {
    if (this.#groups.get(group.key) !== group) return;
    this.#groups.delete(group.key);
    group.cancel();
    for (const { queue } of group.waiting) this.#waiting.set(queue, (this.#waiting.get(queue) ?? 1) - 1);
    const { key, first, messages, items, parts, waiting } = group;
    this.#send({ key, first, messages, items, body: joinArrays(parts) }).then(
      () => {
        for (const one of waiting) one.resolve();
      },
      (error: unknown) => {
        for (const one of waiting) one.reject(error);
      },
    );
  }
}

const hasLimits = ({ meta }: Message): boolean =>
  meta['group-max'] !== undefined || meta['group-max-bytes'] !== undefined || meta['group-ttl'] !== undefined;

/** A message that does not say how many items it holds is one item. */
function readItems(message: Message): { items: number; part: Buffer } {
  if (message.meta.items === undefined) return { items: 1, part: Buffer.concat([open, message.body, close]) };
  return { items: metaInteger(message, 'items'), part: joinArrays([message.body]) };
}
