import type { MergePart, Message } from '@blockhub/message';
import type { Context } from '@blockhub/worker';
import type { HeldSource } from './source.ts';

type Clock = Context['clock'];
type Cancel = ReturnType<Clock['after']>;

/*
 * Words: a *held* source waits for the others and is acked when the merged message is safe; of the *latest* source only the newest
 * value of a key counts, it may be lost, and every merge uses it up. The *answer* to a merged message is the next latest value.
 *
 * What a key with waiting messages does:
 *
 * | state                                   | then                                                                     |
 * | --------------------------------------- | ------------------------------------------------------------------------ |
 * | publishing a merged message             | waits for the confirm                                                    |
 * | one is out, its answer has not come     | waits for a value at or above the one it used; too long: asks            |
 * | latest value unknown                    | asks, again after a while; in a crowd, where nobody answers, gives back  |
 * |                                         | what waits, which would keep other keys out                              |
 * | its answer has come, but took a while   | rests, so that more can share the next merge: where all is slow, few large |
 * |                                         | merges cost less than many small ones                                    |
 * | latest value at hand                    | merges all that waits, up to the limits                                  |
 */

export interface MergerOptions {
  /** One at least. */
  readonly held: readonly Pick<HeldSource, 'tag' | 'holdMs' | 'end'>[];
  /** Tag of the latest source; without it, messages merge as soon as every held source has one. */
  readonly latest: string | undefined;
  readonly maxItems: number;
  readonly maxBytes: number;
  /** How long an answer may take, in ms. It grows when none comes. */
  readonly wait: number;
  /** When to ask again, in ms. It grows too. */
  readonly ask: number;
  /** The longest rest after an answer, in ms. */
  readonly rest: number;
  /** So many held messages of one queue are a crowd, which keeps others out: its keys do not rest, nor wait for answers that do not come. */
  readonly crowd: number;
  /** Keys that are remembered; idle ones beyond are forgotten. */
  readonly maxKeys: number;
  readonly clock: Clock;
}

/** Parts by tag: a list for each held source. */
export type Merged = Record<string, MergePart | readonly MergePart[]>;

export interface MergerParts {
  /** Publishes what was merged, of these held messages; resolves when it is safe. */
  send(key: string, merged: Merged, held: readonly Message[]): Promise<void>;
  /** Asks for the latest value, or, without such a source, for what is missing. Rejecting is no harm. */
  ask(key: string): Promise<void>;
}

/** `merged`: safe, can be acked. `expired`: waited for too long. `crowded`: others need its place, to be tried later. `draining`: put it back. */
export type Fate = 'merged' | 'expired' | 'crowded' | 'draining';

interface Waiting {
  readonly message: Message;
  /** In ticks of the clock, as all times here. */
  readonly since: number;
  readonly items: number;
  resolve(fate: Fate): void;
  reject(error: unknown): void;
}

interface Key {
  readonly key: string;
  /** One list for each held source. */
  readonly waiting: Waiting[][];
  value: { readonly order: number; readonly part: MergePart } | undefined;
  out: { readonly order: number; readonly at: number } | undefined;
  restsUntil: number;
  /** Order of the newest value that a merge used; above it lies progress. */
  used: number;
  askedAt: number | undefined;
  asking: boolean;
  /** Waits that ended without progress, in a row: each doubles the next one. */
  silences: number;
  busy: boolean;
  wake: Cancel | undefined;
}

const MOST_WAIT_MS = 60_000;
/** A key rests so many times as long as its answer took: its merges are under way for a third of the time. */
const RESTS = 2;
const MOST_DOUBLINGS = 10;
/** So many waits without progress, in a row, and nobody may be there to answer. */
const IN_VAIN = 2;

/** Merges messages of several sources by key. Holds no message that its callers do not hold too. */
export class Merger {
  readonly #options: MergerOptions;
  readonly #parts: MergerParts;
  /** The one that was idle for longest first. */
  readonly #keys = new Map<string, Key>();
  /** Held messages by queue. */
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

  /** When the oldest of all that waits was first published, in ms since 1970: a retry does not make it younger. Undefined where nothing waits. */
  get oldestAt(): number | undefined {
    let oldest: number | undefined;
    for (const { waiting } of this.#keys.values())
      for (const list of waiting) for (const { message } of list) oldest = Math.min(oldest ?? message.firstAt, message.firstAt);
    return oldest;
  }

  /** A message of a held source; resolves when its fate is known. */
  hold(tag: string, key: string, message: Message): Promise<Fate> {
    if (this.#draining) return Promise.resolve('draining');
    const state = this.#touch(key);
    const { items } = message.meta;
    const { queue } = message;
    this.#held.set(queue, (this.#held.get(queue) ?? 0) + 1);
    if (this.#isCrowd(queue)) state.restsUntil = 0;
    const fate = new Promise<Fate>((resolve, reject) => {
      const since = this.#options.clock.ticks();
      const waiting = { message, since, items: typeof items === 'number' ? items : 1, resolve, reject };
      state.waiting[this.#options.held.findIndex((source) => source.tag === tag)]?.push(waiting);
      this.#step(state);
    });
    return fate.finally(() => this.#held.set(queue, (this.#held.get(queue) ?? 1) - 1));
  }

  /** A value of the latest source. A stale one is no harm. */
  latest(key: string, order: number, part: MergePart): void {
    const state = this.#touch(key);
    if (!state.value || order >= state.value.order) state.value = { order, part };
    if (state.out && order >= state.out.order) {
      const now = this.#options.clock.ticks();
      state.restsUntil = now + Math.min(this.#options.rest, RESTS * (now - state.out.at));
      state.out = undefined;
    }
    if (order > state.used) state.silences = 0;
    state.askedAt = undefined;
    this.#step(state);
  }

  /** Gives back all that waits; nothing more is merged. */
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
    else {
      const waiting: Waiting[][] = this.#options.held.map(() => []);
      state = {
        key,
        waiting,
        value: undefined,
        out: undefined,
        restsUntil: 0,
        used: -1,
        askedAt: undefined,
        asking: false,
        silences: 0,
        busy: false,
        wake: undefined,
      };
    }
    this.#keys.set(key, state);
    if (this.#keys.size > this.#options.maxKeys) this.#forget(state);
    return state;
  }

  /** What is forgotten is asked for again. */
  #forget(but: Key): void {
    for (const state of this.#keys.values()) {
      if (this.#keys.size <= this.#options.maxKeys) return;
      if (state === but || state.busy || state.asking || state.waiting.some((list) => list.length > 0)) continue;
      state.wake?.();
      this.#keys.delete(state.key);
    }
  }

  #step(state: Key): void {
    if (state.busy || this.#draining) return;
    const now = this.#options.clock.ticks();
    this.#expire(state, now);
    if (state.waiting.every((list) => list.length === 0)) return;
    if (state.waiting.some((list) => list.length === 0)) this.#wakeAfter(state, Number.POSITIVE_INFINITY);
    else if (state.restsUntil > now) this.#wakeAfter(state, state.restsUntil - now);
    else if (this.#options.latest === undefined || this.#hasValue(state, now)) void this.#merge(state, now);
  }

  /** False while there is something to wait for; sees to it that somebody is asked and that the wait ends. */
  #hasValue(state: Key, now: number): boolean {
    if (state.out) {
      const left = state.out.at + this.#patience(state, this.#options.wait) - now;
      if (left > 0) {
        this.#wakeAfter(state, left);
        return false;
      }
      state.out = undefined;
      state.value = undefined;
      state.silences++;
    }
    if (state.value) return true;
    this.#ask(state, now);
    return false;
  }

  #ask(state: Key, now: number): void {
    const left = state.askedAt === undefined ? 0 : state.askedAt + this.#patience(state, this.#options.ask) - now;
    if (left > 0 || state.asking) {
      this.#wakeAfter(state, Math.max(left, this.#options.ask));
      return;
    }
    if (state.askedAt !== undefined) state.silences++;
    if (state.silences >= IN_VAIN) this.#makeRoom(state);
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
      if (list[0] && this.#isCrowd(list[0].message.queue)) for (const one of list.splice(0)) one.resolve('crowded');
  }

  #isCrowd(queue: string): boolean {
    return (this.#held.get(queue) ?? 0) >= this.#options.crowd;
  }

  /** Asking often does not help where things are slow. */
  #patience({ silences }: Key, ms: number): number {
    return Math.max(ms, Math.min(MOST_WAIT_MS, ms * 2 ** Math.min(silences, MOST_DOUBLINGS)));
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
    const taken = state.waiting.map((list) => this.#takeSome(list));
    const merged: Merged = {};
    if (latest !== undefined && value) {
      merged[latest] = value.part;
      state.out = { order: value.order, at: now };
      state.used = Math.max(state.used, value.order);
      state.value = undefined;
    } else {
      // Nobody else says that a question was answered.
      state.askedAt = undefined;
      state.silences = 0;
    }
    held.forEach(({ tag }, at) => {
      merged[tag] = (taken[at] ?? []).map(({ message }) => message);
    });
    state.busy = true;
    try {
      await this.#parts.send(
        state.key,
        merged,
        taken.flat().map(({ message }) => message),
      );
      for (const one of taken.flat()) one.resolve('merged');
    } catch (error) {
      state.out = undefined;
      for (const one of taken.flat()) one.reject(error);
    }
    state.busy = false;
    this.#step(state);
  }

  /** The oldest messages that fit the limits, one at least. */
  #takeSome(list: Waiting[]): Waiting[] {
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
