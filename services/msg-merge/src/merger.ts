import type { MergePart, Message } from '@blockhub/message';
import type { Context } from '@blockhub/worker';
import type { HeldInput } from './inputs.ts';

type Clock = Context['clock'];
type Cancel = ReturnType<Clock['after']>;

export interface MergerOptions {
  /** At least one. */
  readonly held: readonly Pick<HeldInput, 'tag' | 'holdMs' | 'end'>[];
  /** Tag of the latest input. If undefined, messages merge when every held input has one. */
  readonly latest: string | undefined;
  readonly maxItems: number;
  readonly maxBytes: number;
  /** How long an answer may take, in ms. Doubled after each wait without progress. */
  readonly wait: number;
  /** When to repeat a request, in ms. Doubled likewise. */
  readonly ask: number;
  /** The longest rest after an answer, in ms. */
  readonly rest: number;
  /** A queue with so many held messages is nearly full: keys do not rest, and make room. */
  readonly nearlyFull: number;
  /** Maximum number of remembered keys; idle keys beyond it are forgotten. */
  readonly maxKeys: number;
  readonly clock: Clock;
}

/** Parts by tag: a list for each held input. */
type Merged = Record<string, MergePart | readonly MergePart[]>;

export interface MergerParts {
  /** Publishes a merged message, made from these held messages; resolves when it is confirmed. */
  send(merged: Merged, held: readonly Message[]): Promise<void>;
  /** Requests the latest value of a key, or what is missing. It is repeated if it rejects. */
  ask(key: string): Promise<void>;
}

/**
 * Why a held message goes. `merged`: confirmed, can be acked. `expired`: it waited too long.
 * `displaced`: other messages need its place, so it is retried later. `draining`: release it.
 */
export type HoldResult = 'merged' | 'expired' | 'displaced' | 'draining';

interface WaitingMessage {
  readonly message: Message;
  /** In ticks of the clock, as all times here. */
  readonly since: number;
  readonly items: number;
  resolve(result: HoldResult): void;
  reject(error: unknown): void;
}

type Mode = 'unknown' | 'ready' | 'publishing' | 'awaiting' | 'resting';

interface Key {
  readonly key: string;
  mode: Mode;
  /** One list for each held input. */
  readonly waiting: WaitingMessage[][];
  value: { readonly order: number; readonly part: MergePart } | undefined;
  /** The value of the merged message whose answer has not arrived. */
  sent: { readonly order: number; readonly at: number } | undefined;
  restsUntil: number;
  /** Order of the newest value that was merged. A value above it is progress. */
  used: number;
  askedAt: number | undefined;
  /** The request is being published. */
  asking: boolean;
  /** Waits that ended without progress, in a row. Each doubles the next one. */
  unanswered: number;
  wake: Cancel | undefined;
}

const LONGEST_WAIT_MS = 60_000;
/** A key rests twice as long as its answer took, so it is busy for a third of the time. */
const RESTS = 2;
const MOST_DOUBLINGS = 10;
/** After so many waits without progress a key makes room, if its queue is nearly full. */
const MAKES_ROOM_AFTER = 2;

/**
 * Merges messages of several inputs by key. Messages of a *held* input wait for the others and are
 * acked when the merged message is confirmed. Of the *latest* input only the newest value of a key
 * counts; values may be lost, and each merge uses one up. The *answer* to a merged message is the
 * next value at or above the one it used.
 *
 * | mode         | of a key that                 | next mode, and its cause               |
 * | ------------ | ----------------------------- | -------------------------------------- |
 * | `unknown`    | has no value; it requests one | `ready`: a value arrives               |
 * | `ready`      | has a value, or needs none    | `publishing`: every held input has one |
 * | `publishing` | publishes a merged message    | `awaiting`: confirmed                  |
 * |              |                               | `resting`: confirmed, and answered     |
 * |              |                               | `resting`, `unknown`: failed           |
 * | `awaiting`   | waits for the answer          | `resting`: the answer arrives          |
 * |              |                               | `unknown`: it took longer than `wait`  |
 * | `resting`    | waits for more messages       | `ready`: the rest is over              |
 *
 * After a failed publish the mode is `unknown` if no value arrived meanwhile. A rest ends early if
 * the queue is nearly full. If a key in `unknown` gets no value after two waits and its queue is
 * nearly full, its messages are displaced, because other keys need the room.
 *
 * Under load the answer takes longer, so a key rests longer and merges more messages at a time. Few
 * large messages cost less than many small ones. A value changes the mode at once. A mode that ends
 * by time (`awaiting`, `resting`) is left only when messages wait, so idle keys need no timer.
 * Without a latest input, only `ready` and `publishing` occur.
 */
export class Merger {
  readonly #options: MergerOptions;
  readonly #parts: MergerParts;
  /** The key that was idle for longest comes first. */
  readonly #keys = new Map<string, Key>();
  /** Number of held messages by queue. */
  readonly #held = new Map<string, number>();
  #draining = false;

  constructor(options: MergerOptions, parts: MergerParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Keys that are remembered. */
  get size(): number {
    return this.#keys.size;
  }

  /** When the oldest waiting message was first published, in ms since 1970. */
  get oldestAt(): number | undefined {
    let oldest: number | undefined;
    for (const { waiting } of this.#keys.values())
      for (const list of waiting) for (const { message } of list) oldest = Math.min(oldest ?? message.firstAt, message.firstAt);
    return oldest;
  }

  /** Holds a message of a held input; resolves when it goes. */
  hold(tag: string, key: string, message: Message): Promise<HoldResult> {
    if (this.#draining) return Promise.resolve('draining');
    const state = this.#touch(key);
    const { items } = message.meta;
    const { queue } = message;
    this.#held.set(queue, (this.#held.get(queue) ?? 0) + 1);
    if (this.#isNearlyFull(queue)) state.restsUntil = 0;
    const result = new Promise<HoldResult>((resolve, reject) => {
      const since = this.#options.clock.ticks();
      const waiting = { message, since, items: typeof items === 'number' ? items : 1, resolve, reject };
      state.waiting[this.#options.held.findIndex((input) => input.tag === tag)]?.push(waiting);
      this.#step(state);
    });
    return result.finally(() => this.#held.set(queue, (this.#held.get(queue) ?? 1) - 1));
  }

  /** Records a value of the latest input. A stale one does no harm. */
  latest(key: string, order: number, part: MergePart): void {
    const state = this.#touch(key);
    if (!state.value || order >= state.value.order) state.value = { order, part };
    if (state.sent && order >= state.sent.order) {
      const now = this.#options.clock.ticks();
      state.restsUntil = now + Math.min(this.#options.rest, RESTS * (now - state.sent.at));
      state.sent = undefined;
      if (state.mode === 'awaiting') state.mode = 'resting';
    } else if (state.mode === 'unknown') state.mode = 'ready';
    if (order > state.used) state.unanswered = 0;
    state.askedAt = undefined;
    this.#step(state);
  }

  /** Releases all that waits. From then on nothing is merged. */
  drain(): void {
    this.#draining = true;
    for (const state of this.#keys.values()) {
      state.wake?.();
      for (const list of state.waiting) for (const one of list.splice(0)) one.resolve('draining');
    }
  }

  #touch(key: string): Key {
    let state = this.#keys.get(key);
    if (state) this.#keys.delete(key);
    else
      state = {
        key,
        mode: this.#options.latest === undefined ? 'ready' : 'unknown',
        waiting: this.#options.held.map(() => []),
        value: undefined,
        sent: undefined,
        restsUntil: 0,
        used: -1,
        askedAt: undefined,
        asking: false,
        unanswered: 0,
        wake: undefined,
      };
    this.#keys.set(key, state);
    if (this.#keys.size > this.#options.maxKeys) this.#forget(state);
    return state;
  }

  /** Forgets idle keys. Their values are requested when they are needed again. */
  #forget(but: Key): void {
    for (const state of this.#keys.values()) {
      if (this.#keys.size <= this.#options.maxKeys) return;
      if (state === but || state.mode === 'publishing' || state.asking || state.waiting.some((list) => list.length > 0)) continue;
      state.wake?.();
      this.#keys.delete(state.key);
    }
  }

  #step(state: Key): void {
    if (state.mode === 'publishing' || this.#draining) return;
    const now = this.#options.clock.ticks();
    this.#expire(state, now);
    if (state.waiting.every((list) => list.length === 0)) return;
    const isComplete = state.waiting.every((list) => list.length > 0);
    const left = isComplete ? this.#modeEndsAt(state) - now : Number.POSITIVE_INFINITY;
    if (left > 0) {
      this.#wakeAfter(state, left);
      return;
    }
    if (state.mode === 'resting') state.mode = 'ready';
    if (state.mode === 'awaiting') {
      state.mode = 'unknown';
      state.sent = undefined;
      state.value = undefined;
      state.unanswered++;
    }
    if (state.mode === 'unknown') this.#ask(state, now);
    else void this.#merge(state, now);
  }

  /** When a mode that ends by itself is over. */
  #modeEndsAt(state: Key): number {
    if (state.mode === 'resting') return state.restsUntil;
    return state.mode === 'awaiting' && state.sent ? state.sent.at + this.#patience(state, this.#options.wait) : 0;
  }

  #ask(state: Key, now: number): void {
    const left = state.askedAt === undefined ? 0 : state.askedAt + this.#patience(state, this.#options.ask) - now;
    if (left > 0 || state.asking) {
      this.#wakeAfter(state, Math.max(left, this.#options.ask));
      return;
    }
    if (state.askedAt !== undefined) state.unanswered++;
    if (state.unanswered >= MAKES_ROOM_AFTER) this.#makeRoom(state);
    state.askedAt = now;
    state.asking = true;
    const end = (): void => {
      state.asking = false;
    };
    this.#parts.ask(state.key).then(end, end);
    this.#wakeAfter(state, this.#patience(state, this.#options.ask));
  }

  #makeRoom(state: Key): void {
    for (const list of state.waiting)
      if (list[0] && this.#isNearlyFull(list[0].message.queue)) for (const one of list.splice(0)) one.resolve('displaced');
  }

  #isNearlyFull(queue: string): boolean {
    return (this.#held.get(queue) ?? 0) >= this.#options.nearlyFull;
  }

  /** A wait of this key, in ms. It is doubled after each one without an answer. */
  #patience({ unanswered }: Key, ms: number): number {
    return Math.max(ms, Math.min(LONGEST_WAIT_MS, ms * 2 ** Math.min(unanswered, MOST_DOUBLINGS)));
  }

  #wakeAfter(state: Key, ms: number): void {
    const { clock, held } = this.#options;
    const ends = held.map(({ holdMs }, at) => (state.waiting[at]?.[0]?.since ?? Number.POSITIVE_INFINITY) + holdMs);
    state.wake?.();
    state.wake = clock.after(Math.max(0, Math.min(ms, ...ends.map((end) => end - clock.ticks()))), () => this.#step(state));
  }

  #expire(state: Key, now: number): void {
    for (const [at, { holdMs, end }] of this.#options.held.entries()) {
      const list = state.waiting[at] ?? [];
      const young = list.findIndex(({ since }) => since + holdMs > now);
      const expired = list.splice(0, young < 0 ? list.length : young);
      for (const one of expired) one.resolve('expired');
      if (end === 'request' && expired.length > 0) this.#ask(state, now);
    }
  }

  async #merge(state: Key, now: number): Promise<void> {
    const { latest, held } = this.#options;
    const { value } = state;
    state.wake?.();
    state.mode = 'publishing';
    const taken = state.waiting.map((list) => this.#takeSome(list));
    const all = taken.flat();
    const merged: Merged = {};
    if (latest !== undefined && value) {
      merged[latest] = value.part;
      state.sent = { order: value.order, at: now };
      state.used = Math.max(state.used, value.order);
      state.value = undefined;
    } else {
      // Without a latest input the merge itself is the answer to a request.
      state.askedAt = undefined;
      state.unanswered = 0;
    }
    for (const [at, { tag }] of held.entries()) merged[tag] = (taken[at] ?? []).map(({ message }) => message);
    const messages = all.map(({ message }) => message);
    try {
      await this.#parts.send(merged, messages);
      for (const one of all) one.resolve('merged');
    } catch (error) {
      state.sent = undefined;
      for (const one of all) one.reject(error);
    }
    state.mode = this.#modeAfterPublish(state);
    this.#step(state);
  }

  #modeAfterPublish({ sent, value }: Key): Mode {
    if (this.#options.latest === undefined) return 'ready';
    if (sent) return 'awaiting';
    return value ? 'resting' : 'unknown';
  }

  /** The oldest messages that fit the limits, at least one. */
  #takeSome(list: WaitingMessage[]): WaitingMessage[] {
    const { maxItems, maxBytes } = this.#options;
    let items = 0;
    let bytes = 0;
    let count = 0;
    for (const one of list) {
      items += one.items;
      bytes += one.message.body.length;
      if (count > 0 && (items > maxItems || bytes > maxBytes)) break;
      count++;
    }
    return list.splice(0, count);
  }
}
