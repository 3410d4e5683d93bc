import { type BackOff, backOff, type Clock, systemClock } from '@blockhub/clock';
import { BlockhubError, type ErrorCode, hasCode } from '@blockhub/errors';
import type { Random } from '@blockhub/faults';
import type { ByteRange, FailureClass, OnUnseen, StoreDriver, StoredObject } from './driver.ts';
import { checkKey, checkPrefix } from './keys.ts';
import { Limit } from './limit.ts';
import { hasPassed, keepVerdict, type ProbeReport, probeStore, unsafe } from './probe.ts';

export const storeOperations = ['get', 'head', 'create', 'put', 'remove', 'list'] as const;
export type StoreOperation = (typeof storeOperations)[number];

export interface StoreOptions {
  /** For messages and logs, without secrets. */
  readonly url?: string;
  readonly clock?: Clock;
  /** Spreads the back-off. */
  readonly random?: Random;
  /** Maximum number of requests in flight. A listing is not counted. Default 32. */
  readonly concurrency?: number;
  /** How long transient failures are retried, from the first try on. 0: no retry. Default 10 s. */
  readonly retryMs?: number;
  /** Called before each request to the driver, retries included. */
  readonly onRequest?: (operation: StoreOperation, key: string) => void;
  /** Called after each request to the driver, with its time in ms and the class of its failure. */
  readonly onAnswer?: (operation: StoreOperation, ms: number, failure: FailureClass | undefined) => void;
  /** After it is aborted, nothing more is tried, as after `close`. */
  readonly signal?: AbortSignal;
}

/** Options without a default. */
type Hooks = 'onRequest' | 'onAnswer' | 'signal';

const SECOND = 1000;
const defaults = { url: 'memory:', clock: systemClock, random: Math.random, concurrency: 32, retryMs: 10 * SECOND };
/** Failures that are not retried. */
const refusals: Partial<Record<FailureClass, [ErrorCode, string]>> = {
  denied: ['STORE_DENIED', 'access refused'],
  full: ['STORE_FULL', 'there is no space left'],
  unusable: ['STORE_UNUSABLE', 'it cannot be used'],
};
const betweenTries: BackOff = { firstMs: 20, mostMs: 2 * SECOND };

/**
 * Objects over a driver: checks keys, retries transient failures, limits concurrent requests,
 * classifies errors, and counts requests. Every method throws STORE_KEY_INVALID for an unusable
 * key, STORE_UNAVAILABLE after `retryMs`, and STORE_DENIED, STORE_FULL and STORE_UNUSABLE at once.
 * After one of the last four the caller may try again later.
 */
export class Store {
  readonly url: string;
  /** Requests to the driver since opening, retries included; a listing counts once. */
  readonly requests: Record<StoreOperation, number> = { get: 0, head: 0, create: 0, put: 0, remove: 0, list: 0 };
  readonly #driver: StoreDriver;
  readonly #options: Required<Omit<StoreOptions, Hooks>> & Pick<StoreOptions, Hooks>;
  readonly #limit: Limit;
  readonly #close = new AbortController();
  readonly #closed: AbortSignal;
  #verdict: Promise<ProbeReport> | undefined;

  constructor(driver: StoreDriver, options: StoreOptions = {}) {
    this.#driver = driver;
    this.#options = { ...defaults, ...options };
    this.#limit = new Limit(this.#options.concurrency);
    this.url = this.#options.url;
    this.#closed = AbortSignal.any([this.#close.signal, ...(options.signal ? [options.signal] : [])]);
  }

  /** All bytes, or those of the range that exist. Undefined if there is no object. */
  find(key: string, range?: ByteRange): Promise<Buffer | undefined> {
    return this.#retry('get', key, () => this.#send('get', key, () => this.#driver.get(key, range)));
  }

  /** As `find`, but throws OBJECT_MISSING if there is no object. */
  async get(key: string, range?: ByteRange): Promise<Buffer> {
    const bytes = await this.find(key, range);
    if (bytes === undefined) throw new BlockhubError('OBJECT_MISSING', `there is no object ${key}`, { details: { key } });
    return bytes;
  }

  head(key: string): Promise<{ length: number } | undefined> {
    return this.#retry('head', key, () => this.#send('head', key, () => this.#driver.head(key)));
  }

  /**
   * Creates the object if it is absent. An existing object stays as it is. In both cases the object
   * is durable when it resolves. After a try with an unknown outcome, identical bytes at the key
   * count as `created`, because the caller wanted them there.
   */
  create(key: string, bytes: Uint8Array): Promise<'created' | 'exists'> {
    let unsure = false;
    return this.#retry('create', key, async () => {
      const retried = unsure;
      unsure = true;
      try {
        if (await this.#send('create', key, () => this.#driver.create(key, bytes))) return 'created';
        if (!retried) return 'exists';
      } catch (error) {
        if (this.#driver.classify(error) !== 'unknown') throw error;
        const there = await this.#readBack(key, bytes);
        if (there === undefined) throw error;
        return there;
      }
      // An earlier try of ours may be what lies there.
      return (await this.#readBack(key, bytes)) ?? 'exists';
    });
  }

  /**
   * As `create`, for an object whose key follows from its bytes. Gives the bytes that are stored
   * now, which are the same object.
   * @param isSame whether other bytes are the same object; without it they never are
   * @throws OBJECT_EXISTS if there is another object: damage must not get one more reference
   */
  async keep(key: string, bytes: Buffer, isSame: (there: Buffer) => boolean = () => false): Promise<Buffer> {
    if ((await this.create(key, bytes)) === 'created') return bytes;
    const there = await this.get(key);
    if (there.equals(bytes)) return bytes;
    if (isSame(there)) return there;
    throw new BlockhubError('OBJECT_EXISTS', `the object ${key} has other bytes`, { details: { key } });
  }

  /** Writes or replaces. Only for objects outside of chains, because those are written once. */
  put(key: string, bytes: Uint8Array): Promise<void> {
    return this.#retry('put', key, () => this.#send('put', key, () => this.#driver.put(key, bytes)));
  }

  /** Does nothing if there is no object. */
  remove(key: string): Promise<void> {
    return this.#retry('remove', key, () => this.#send('remove', key, () => this.#driver.remove(key)));
  }

  /**
   * Objects under a prefix (it may end inside a part) behind `after`, ordered by the bytes of the
   * key. After a transient failure it continues where it was. Objects that are created or removed
   * meanwhile may be listed or not. To leave out a folder see `afterFolder`.
   * @param options.onUnseen gets what cannot be opened, and the listing continues behind it;
   * without it, the listing ends there
   */
  async *list(prefix: string, options: { after?: string; onUnseen?: OnUnseen } = {}): AsyncGenerator<StoredObject, void, undefined> {
    checkPrefix(prefix);
    const { onUnseen } = options;
    const report: OnUnseen | undefined = onUnseen && ((key, error) => onUnseen(key, this.#named(error, 'list', key)));
    let { after } = options;
    const since = { at: this.#options.clock.ticks(), tries: 0 };
    for (;;) {
      const begun = this.#options.clock.ticks();
      try {
        this.#count('list', prefix);
        for await (const object of this.#driver.list(prefix, after, report)) {
          after = object.key;
          since.at = this.#options.clock.ticks();
          since.tries = 0;
          yield object;
        }
        this.#answered('list', begun);
        return;
      } catch (error) {
        this.#failed('list', begun, error);
        await this.#waitOrThrow(error, 'list', prefix, since);
      }
    }
  }

  /** Creates the bucket if it does not exist. Folders and memory do not need this. */
  prepare(): Promise<'created' | 'exists'> {
    return this.#repeat('create', 'the bucket', async () => ((await this.#driver.prepare?.()) ? 'created' : 'exists'));
  }

  /** Tests what chains rely on, with keys below `probe/`. Takes a second on a disk, more on S3. */
  probe(): Promise<ProbeReport> {
    return this.#probe(false);
  }

  #probe(again: boolean): Promise<ProbeReport> {
    const { clock, random, retryMs } = this.#options;
    const open = (concurrency: number): Store =>
      new Store(this.#driver, { url: this.url, clock, random, retryMs, concurrency, signal: this.#closed });
    return probeStore(open, { clock, random, again });
  }

  /** Many processes that start together must not overload the store with probes. */
  async #probeOnceADay(): Promise<ProbeReport> {
    const { clock } = this.#options;
    // If the verdict cannot be read or stored, the probe fails too, or only runs once more.
    const again = await hasPassed(this, this.url, clock.now()).catch(() => false);
    const report = await this.#probe(again);
    if (report.ok && !again) await keepVerdict(this, this.url, clock.now()).catch(() => undefined);
    return report;
  }

  /**
   * Probes once and keeps the verdict. If any process probed the store within a day and it passed,
   * only a few requests are made.
   * @throws STORE_UNSAFE naming what failed; STORE_UNAVAILABLE, STORE_DENIED, STORE_FULL,
   * STORE_UNUSABLE if there is no verdict yet; STORE_NOT_FOUND, STORE_URL_INVALID
   */
  async assertSafe(): Promise<void> {
    const verdict = this.#verdict ?? this.#probeOnceADay();
    this.#verdict = verdict;
    const failure = unsafe(this.url, await verdict);
    if (failure && !hasCode(failure, 'STORE_UNSAFE')) this.#verdict = undefined;
    if (failure) throw failure;
  }

  /** Waiting retries fail now. Requests in flight are not waited for. */
  async close(): Promise<void> {
    this.#close.abort();
    await this.#driver.close();
  }

  async #readBack(key: string, bytes: Uint8Array): Promise<'created' | 'exists' | undefined> {
    const there = await this.#send('get', key, () => this.#driver.get(key));
    if (there === undefined) return undefined;
    return there.equals(bytes) ? 'created' : 'exists';
  }

  #send<T>(operation: StoreOperation, key: string, request: () => Promise<T>): Promise<T> {
    return this.#limit.run(async () => {
      this.#count(operation, key);
      const begun = this.#options.clock.ticks();
      try {
        const answer = await request();
        this.#answered(operation, begun);
        return answer;
      } catch (error) {
        this.#failed(operation, begun, error);
        throw error;
      }
    });
  }

  #count(operation: StoreOperation, key: string): void {
    if (this.#closed.aborted) throw new BlockhubError('STORE_UNAVAILABLE', `store ${this.url} is closed`);
    this.requests[operation]++;
    this.#options.onRequest?.(operation, key);
  }

  #answered(operation: StoreOperation, begun: number, failure?: FailureClass): void {
    this.#options.onAnswer?.(operation, this.#options.clock.ticks() - begun, failure);
  }

  #failed(operation: StoreOperation, begun: number, error: unknown): void {
    // Our own errors are not failures of the driver.
    if (!(error instanceof BlockhubError)) this.#answered(operation, begun, this.#driver.classify(error));
  }

  async #retry<T>(operation: StoreOperation, key: string, run: () => Promise<T>): Promise<T> {
    checkKey(key);
    return this.#repeat(operation, key, run);
  }

  async #repeat<T>(operation: StoreOperation, what: string, run: () => Promise<T>): Promise<T> {
    const since = { at: this.#options.clock.ticks(), tries: 0 };
    for (;;) {
      try {
        return await run();
      } catch (error) {
        await this.#waitOrThrow(error, operation, what, since);
      }
    }
  }

  /** The only code that decides what an error means for the caller. */
  async #waitOrThrow(error: unknown, operation: StoreOperation, key: string, since: { at: number; tries: number }): Promise<void> {
    if (error instanceof BlockhubError) throw error;
    const failure = this.#driver.classify(error);
    const fail = (code: ErrorCode, what: string): never => {
      throw this.#failure(code, what, error, operation, key);
    };
    if (failure === 'permanent') throw error;
    const atOnce = refusals[failure];
    if (atOnce) fail(...atOnce);
    const { clock, random, retryMs } = this.#options;
    const waitMs = Math.max(backOff(++since.tries, betweenTries, random), this.#driver.retryAfterMs?.(error) ?? 0);
    const tried = since.tries > 1 ? ` (${since.tries} tries)` : '';
    if (clock.ticks() + waitMs > since.at + retryMs)
      fail('STORE_UNAVAILABLE', failure === 'unknown' ? `it may have happened or not${tried}` : `it failed${tried}`);
    await clock.sleep(waitMs, this.#closed);
  }

  #failure(code: ErrorCode, otherwise: string, cause: unknown, operation: StoreOperation, key: string): BlockhubError {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const advice = this.#driver.advise?.(cause);
    const what = advice ? `${otherwise}: ${advice.what}` : otherwise;
    const details = { operation, key };
    return new BlockhubError(code, `${operation} ${key} at ${this.url}: ${what}: ${reason}`, { cause, details, fix: advice?.fix });
  }

  /** An error that is reported instead of thrown. */
  #named(error: unknown, operation: StoreOperation, key: string): unknown {
    if (error instanceof BlockhubError) return error;
    const [code, what] = refusals[this.#driver.classify(error)] ?? (['STORE_UNAVAILABLE', 'it cannot be opened'] as const);
    return this.#failure(code, what, error, operation, key);
  }
}
