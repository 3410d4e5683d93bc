import { type Clock, systemClock } from '@blockhub/clock';
import { calm, type Decision, type FaultPlan } from '@blockhub/faults';
import type { ByteRange, FailureClass, StoreDriver, StoredObject } from '../driver.ts';
import { compareKeys } from '../keys.ts';
import type { StoreOperation } from '../store.ts';

export interface MemoryDriverOptions {
  /** Asked at every request. Fault `land-late`: a create or put fails first and happens later. */
  readonly plan?: FaultPlan;
  /** Called before the plan. If it gives undefined, the plan decides. */
  readonly behaviour?: (operation: StoreOperation, key: string) => Decision | undefined;
  /** Called when the plan kills the process, whose driver never answers again. */
  readonly crash?: () => void;
}

export interface MemoryDriver extends StoreDriver {
  /** No request of this process is answered any more. Requests that are under way still happen. */
  kill(): void;
}

/** A fault of the plan: the caller cannot find out whether the effect happened. */
class Fault extends Error {
  override readonly name = 'Fault';
}

const never = <T>(): Promise<T> => new Promise(() => {});

/** The objects that the simulated processes of one run share. */
export class MemoryStore {
  readonly #clock: Clock;
  readonly #objects = new Map<string, Buffer>();
  #ordered: string[] | undefined;

  constructor(options: { clock?: Clock } = {}) {
    this.#clock = options.clock ?? systemClock;
  }

  driver(options: MemoryDriverOptions = {}): MemoryDriver {
    const process = new SimulatedProcess(this.#clock, options);
    const objects = this.#objects;
    return {
      get: (key, range) => process.ask('get', key, () => cut(objects.get(key), range)),
      head: (key) => process.ask('head', key, () => lengthOf(objects.get(key))),
      create: (key, bytes) => {
        const copy = Buffer.from(bytes);
        return process.ask('create', key, () => !objects.has(key) && this.#set(key, copy));
      },
      put: async (key, bytes) => {
        const copy = Buffer.from(bytes);
        await process.ask('put', key, () => this.#set(key, copy));
      },
      remove: (key) =>
        process.ask('remove', key, () => {
          if (objects.delete(key)) this.#ordered = undefined;
        }),
      list: (prefix, after) => this.#list(process, prefix, after),
      classify,
      close: async () => undefined,
      kill: () => process.kill(),
    };
  }

  #set(key: string, bytes: Buffer): true {
    if (!this.#objects.has(key)) this.#ordered = undefined;
    this.#objects.set(key, bytes);
    return true;
  }

  async *#list(process: SimulatedProcess, prefix: string, after: string | undefined): AsyncGenerator<StoredObject, void, undefined> {
    const keys = await process.ask('list', prefix, () => {
      this.#ordered ??= [...this.#objects.keys()].sort(compareKeys);
      return this.#ordered;
    });
    for (let at = firstFrom(keys, prefix); at < keys.length; at++) {
      const key = keys[at] ?? '';
      if (!key.startsWith(prefix)) return;
      const bytes = this.#objects.get(key);
      if (bytes && (after === undefined || compareKeys(key, after) > 0)) yield { key, length: bytes.length };
    }
  }
}

/** One process as the store sees it: its requests take virtual time, fail, and end with it. */
class SimulatedProcess {
  readonly #clock: Clock;
  readonly #options: MemoryDriverOptions;
  readonly #plan: FaultPlan;
  #dead = false;

  constructor(clock: Clock, options: MemoryDriverOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#plan = options.plan ?? calm;
  }

  kill(): void {
    this.#dead = true;
  }

  async ask<T>(operation: StoreOperation, key: string, effect: () => T): Promise<T> {
    if (this.#dead) return never();
    const decision = this.#options.behaviour?.(operation, key) ?? this.#plan.decide(operation);
    const { outcome, delayMs, answerMs } = decision;
    if ((operation === 'create' || operation === 'put') && this.#plan.chance('land-late')) {
      this.#clock.after(delayMs + 2 * answerMs, effect);
      return this.#answer(answerMs, () => fail(operation, key, 'no answer in time'));
    }
    if (delayMs > 0) await this.#clock.sleep(delayMs);
    if (outcome === 'fail-before') return this.#answer(answerMs, () => fail(operation, key, 'failed before'));
    if (outcome === 'crash-before') return this.#crash();
    const result = effect();
    if (outcome === 'crash-after') return this.#crash();
    return this.#answer(answerMs, () => (outcome === 'fail-after' ? fail(operation, key, 'failed after') : result));
  }

  async #answer<T>(answerMs: number, give: () => T): Promise<T> {
    if (answerMs > 0) await this.#clock.sleep(answerMs);
    return this.#dead ? never() : give();
  }

  #crash<T>(): Promise<T> {
    if (!this.#dead) {
      this.#dead = true;
      this.#options.crash?.();
    }
    return never();
  }
}

function fail(operation: StoreOperation, key: string, what: string): never {
  throw new Fault(`${operation} ${key} ${what} the effect, by plan`);
}

const classify = (error: unknown): FailureClass => (error instanceof Fault ? 'unknown' : 'permanent');

const lengthOf = (bytes: Buffer | undefined): { length: number } | undefined => bytes && { length: bytes.length };

/** A copy, so that a caller cannot change what is stored. */
function cut(bytes: Buffer | undefined, range: ByteRange | undefined): Buffer | undefined {
  return bytes && Buffer.from(range ? bytes.subarray(range.offset, range.offset + range.length) : bytes);
}

/** Index of the first key that is not before `prefix`. */
function firstFrom(keys: readonly string[], prefix: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareKeys(keys[middle] ?? '', prefix) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
