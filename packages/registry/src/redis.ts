import { type BackOff, backOff } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import { Redis } from 'ioredis';
import { checkHeight, checkRecord } from './check.ts';
import { PendingHints } from './pending-hints.ts';
import type { RedisPlace } from './redis-place.ts';
import { keyOf, keysOf, type ScriptName, scripts } from './redis-scripts.ts';
import type { ChainRecord, ClaimTimes, Registry, RegistryLog } from './registry.ts';

const connectTimeoutMs = 2000;
/** A registry only saves requests to the store: an answer later than this is worth less than the store's. */
const commandTimeoutMs = 1000;
/** The client waits for this long also where there is nothing to say farewell to. */
const disconnectTimeoutMs = 100;
const betweenTries: BackOff = { firstMs: 50, mostMs: 2000 };
const pageOfChains = 500;
/** Hints of one script. */
const hintsAtOnce = 1000;

/** What Redis says when user, password or rights are wrong. */
const refused = /^(?:NOAUTH|WRONGPASS|NOPERM|ERR (?:AUTH|invalid password|Client sent AUTH))/;
/** What it says when somebody else's data lies at our keys. */
const foreign = /WRONGTYPE/;

/** What a replica says to who writes. After a fail-over the name leads to another server, to which only a new connection goes. */
const replica = /READONLY/;
/** It may stay a replica, so that new connections are not made for each write. */
const replicaPauseMs = 5000;
/** Whoever uses a registry goes on without it, so the log is where its trouble is seen; not each call adds a line. */
const warnPauseMs = 60_000;

/** What the client says when no answer came in time. */
const timedOut = 'Command timed out';

export interface RedisOptions {
  readonly password?: string | undefined;
  readonly log?: RegistryLog | undefined;
}

type Scripts = Record<ScriptName, (...args: (string | number)[]) => Promise<unknown>>;

/** A registry in Redis, shared by any number of processes. It may be wiped at any time, by whomever. */
export class RedisRegistry implements Registry {
  readonly #redis: Redis;
  readonly #scripts: Scripts;
  readonly #keys: string[];
  readonly #hintsKey: string;
  readonly #shown: string;
  readonly #log: RegistryLog | undefined;
  /** When each kind of trouble was last told, by its code. */
  readonly #warnedAt = new Map<string, number>();
  readonly #hints = new PendingHints((hints) => this.#writeHints([...hints]));
  #closed = false;

  private constructor(redis: Redis, { host, port, prefix }: RedisPlace, log: RegistryLog | undefined) {
    this.#redis = redis;
    this.#log = log;
    // The client makes a method of each script.
    this.#scripts = redis as unknown as Scripts;
    this.#keys = keysOf(prefix);
    this.#hintsKey = keyOf(prefix, 'hints');
    this.#shown = `${host}:${port}`;
  }

  /**
   * Opens it also when nobody answers: the work goes on without, and the connection is tried again.
   *
   * @throws REGISTRY_DENIED
   */
  static async open(place: RedisPlace, { password, log }: RedisOptions = {}): Promise<RedisRegistry> {
    const { prefix: _, tls, username, ...address } = place;
    let leftReplicaAt = Number.NEGATIVE_INFINITY;
    const redis = new Redis({
      ...address,
      ...(tls && { tls }),
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      scripts,
      lazyConnect: true,
      connectTimeout: connectTimeoutMs,
      commandTimeout: commandTimeoutMs,
      disconnectTimeout: disconnectTimeoutMs,
      // Who asks while it is away is told so at once; who was asking is not asked again.
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      retryStrategy: (times) => backOff(times, betweenTries, Math.random),
      reconnectOnError({ message }) {
        if (!replica.test(message) || performance.now() - leftReplicaAt < replicaPauseMs) return false;
        leftReplicaAt = performance.now();
        return true;
      },
    });
    const registry = new RedisRegistry(redis, place, log);
    let failure: Error | undefined;
    redis.on('error', (error: Error) => {
      failure = error;
      registry.#warn(registry.#explain(error));
    });
    redis.on('close', () => registry.#warn(registry.#explain(new Error('the connection ended'))));
    redis.on('ready', () => registry.#well());
    await redis.connect().catch(() => undefined);
    if (failure === undefined || !refused.test(failure.message)) return registry;
    await registry.close();
    throw registry.#explain(failure);
  }

  async findChain(nameOrId: string): Promise<ChainRecord | undefined> {
    const found = await this.#run('findChain', nameOrId);
    return Array.isArray(found) ? this.#record(found) : undefined;
  }

  async putChain(record: ChainRecord): Promise<void> {
    const { name = '', ...rest } = checkRecord(record);
    await this.#run('putChain', rest.id, JSON.stringify(rest), name);
  }

  async *chains(): AsyncIterable<ChainRecord> {
    for (let after = ''; ; ) {
      const page = (await this.#run('page', after, pageOfChains)) as unknown[][];
      for (const row of page) {
        after = String(row[0]);
        // Redis may forget one key and keep another.
        if (row[1] !== null && row[1] !== undefined) yield this.#record(row);
      }
      if (page.length < pageOfChains) return;
    }
  }

  async findHint(chain: string): Promise<number | undefined> {
    const found = await this.#ask(() => this.#redis.hget(this.#hintsKey, chain));
    return this.#hints.greatest(chain, found === null ? undefined : Number(found));
  }

  async putHint(chain: string, height: number): Promise<void> {
    checkHeight(height);
    this.#checkOpen();
    this.#hints.put(chain, height);
  }

  async claim(key: string, value: string, { now, until }: ClaimTimes): Promise<string> {
    return String(await this.#run('claim', key, value, now, until));
  }

  async replaceClaim(key: string, value: string): Promise<void> {
    await this.#run('replaceClaim', key, value);
  }

  async wipe(): Promise<void> {
    this.#hints.clear();
    await this.#ask(() => this.#redis.del(...this.#keys));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#hints.close();
    this.#redis.disconnect();
  }

  async #writeHints(hints: [chain: string, height: number][]): Promise<void> {
    for (let at = 0; at < hints.length; at += hintsAtOnce) {
      await this.#send(() => this.#scripts.putHints(...this.#keys, ...hints.slice(at, at + hintsAtOnce).flat()));
    }
  }

  #run(script: ScriptName, ...args: (string | number)[]): Promise<unknown> {
    return this.#ask(() => this.#scripts[script](...this.#keys, ...args));
  }

  async #ask<T>(ask: () => Promise<T>): Promise<T> {
    this.#checkOpen();
    return this.#send(ask);
  }

  async #send<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      // Told before the connection that it ends.
      const failure = this.#explain(error as Error);
      this.#warn(failure);
      // A connection that is silent may stay so for minutes: another one is made.
      if ((error as Error).message === timedOut && !this.#closed) this.#redis.disconnect(true);
      throw failure;
    }
  }

  #warn({ code, message }: BlockhubError): void {
    const now = performance.now();
    if (this.#closed || now - (this.#warnedAt.get(code) ?? Number.NEGATIVE_INFINITY) < warnPauseMs) return;
    this.#warnedAt.set(code, now);
    this.#log?.warn({ code, registry: this.#shown, reason: message }, 'registry is no help, the work goes on without it');
  }

  /** Only what ends with a new connection is known to be over. */
  #well(): void {
    if (this.#warnedAt.delete('REGISTRY_UNAVAILABLE')) this.#log?.info({ registry: this.#shown }, 'registry answers again');
  }

  #checkOpen(): void {
    if (this.#closed) throw new BlockhubError('REGISTRY_UNAVAILABLE', `the registry at ${this.#shown} is closed`);
  }

  /** Only the message of the client's error is kept: the error itself carries the arguments of the command, which may be the password. */
  #explain({ message }: Error): BlockhubError {
    const kept = { cause: new Error(message), details: { registry: this.#shown } };
    if (refused.test(message))
      return new BlockhubError('REGISTRY_DENIED', `the registry at ${this.#shown} refuses access: ${message}`, kept);
    if (foreign.test(message)) return this.#corrupt(kept.cause);
    return new BlockhubError('REGISTRY_UNAVAILABLE', `the registry at ${this.#shown} did not answer: ${message}`, kept);
  }

  #corrupt(cause: unknown): BlockhubError {
    return new BlockhubError(
      'REGISTRY_CORRUPT',
      `the registry at ${this.#shown} holds what Blockhub did not write; delete the keys ${this.#keys.join(', ')}: they are rebuilt from the store`,
      { cause, details: { registry: this.#shown } },
    );
  }

  /** @throws REGISTRY_CORRUPT where it is not what was written */
  #record([id, record, name]: unknown[]): ChainRecord {
    try {
      const parsed = JSON.parse(String(record)) as ChainRecord;
      return checkRecord({ ...parsed, id: String(id), ...(typeof name === 'string' ? { name } : {}) });
    } catch (error) {
      throw this.#corrupt(error);
    }
  }
}
