import { Pace, systemClock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import { checkHeight, checkRecord } from './check.ts';
import { PendingHints } from './pending-hints.ts';
import { RedisClient, replica } from './redis-client.ts';
import { type RedisFault, redisFault } from './redis-fault.ts';
import { keyOf, keysOf, patternOf, type ScriptName } from './redis-scripts.ts';
import type { RedisTarget } from './redis-url.ts';
import type { ChainRecord, ClaimTimes, DriverOptions, Registry, RegistryLog } from './registry.ts';

const pageOfChains = 500;
/** Hints of one call of the script. */
const hintsAtOnce = 1000;
/** Callers continue without a registry, so faults are only logged, each code once in this time. */
const logAgainMs = 60_000;

/** The error if another program wrote to our keys. */
const foreign = /WRONGTYPE/;
/** The client's errors without a connection. An earlier error had the reason. */
const unconnected =
  /enableOfflineQueue|Connection is closed|the connection ended|Cluster is ended|None of startup nodes|Failed to refresh slots/;

/** A registry in Redis, shared by processes. Other programs may wipe it at any time. */
export class RedisRegistry implements Registry {
  readonly #client: RedisClient;
  readonly #target: RedisTarget;
  readonly #keys: string[];
  readonly #shown: string;
  readonly #log: RegistryLog | undefined;
  readonly #pace = new Pace(systemClock, logAgainMs);
  readonly #hints = new PendingHints((hints) => this.#writeHints([...hints]));
  /** Why there is no connection. */
  #noLine: RedisFault | undefined;
  #closed = false;

  private constructor(target: RedisTarget, { password, log }: DriverOptions) {
    this.#target = target;
    this.#log = log;
    this.#keys = keysOf(target.prefix);
    this.#shown = `${target.host}:${target.port}`;
    this.#client = new RedisClient(target, password, {
      failed: (error) => {
        this.#noLine = this.#faultOf(error) ?? this.#noLine;
        this.#warn(this.#explain(error));
      },
      ended: () => this.#warn(this.#explain(new Error('the connection ended'))),
      ready: () => {
        this.#noLine = undefined;
        // Other faults may last in a new connection.
        this.#well(['REGISTRY_UNAVAILABLE']);
      },
    });
  }

  /**
   * Opens it even if the server does not answer. The connection is tried again.
   * @throws REGISTRY_DENIED if the user or the password is refused
   */
  static async open(target: RedisTarget, options: DriverOptions = {}): Promise<RedisRegistry> {
    const registry = new RedisRegistry(target, options);
    await registry.#client.connect();
    try {
      await registry.check();
    } catch (error) {
      const { code, cause } = error as BlockhubError;
      if (code === 'REGISTRY_DENIED' && !/NOPERM|ACL|script/.test(String(cause))) {
        await registry.close();
        throw error;
      }
    }
    return registry;
  }

  async check(): Promise<void> {
    await this.#run('check');
    // Except data that Blockhub did not write.
    this.#well(this.#pace.kinds.filter((code) => code !== 'REGISTRY_CORRUPT'));
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
        // Redis may evict one key and keep another.
        if (row[1] !== null && row[1] !== undefined) yield this.#record(row);
      }
      if (page.length < pageOfChains) return;
    }
  }

  async findHint(chain: string): Promise<number | undefined> {
    const found = await this.#ask(() => this.#client.hget(keyOf(this.#target.prefix, 'hints'), chain));
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
    await this.#ask(() => this.#client.del(this.#keys));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#hints.close();
    this.#client.close();
  }

  async #writeHints(hints: [chain: string, height: number][]): Promise<void> {
    for (let at = 0; at < hints.length; at += hintsAtOnce) {
      await this.#send(() => this.#client.run('putHints', this.#keys, hints.slice(at, at + hintsAtOnce).flat()));
    }
  }

  #run(script: ScriptName, ...args: (string | number)[]): Promise<unknown> {
    return this.#ask(() => this.#client.run(script, this.#keys, args));
  }

  async #ask<T>(ask: () => Promise<T>): Promise<T> {
    this.#checkOpen();
    return this.#send(ask);
  }

  async #send<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      const failure = this.#explain(error as Error);
      this.#warn(failure);
      throw failure;
    }
  }

  #warn({ code, message, fix }: BlockhubError): void {
    if (this.#closed || this.#pace.pass(code) === 0) return;
    this.#log?.warn({ code, registry: this.#shown, reason: message, fix }, 'registry cannot be used; work goes on without it');
  }

  /** These faults are over. */
  #well(over: Iterable<string>): void {
    const had = [...over].filter((code) => this.#pace.forget(code));
    if (had.length > 0) this.#log?.info({ registry: this.#shown }, 'registry answers again');
  }

  #checkOpen(): void {
    if (this.#closed) throw new BlockhubError('REGISTRY_UNAVAILABLE', `the registry at ${this.#shown} is closed`);
  }

  #faultOf(error: Error): RedisFault | undefined {
    const { username = 'default', prefix } = this.#target;
    return redisFault(error, { user: username, pattern: patternOf(prefix) });
  }

  /** Only the message: the client's error has the arguments of the command, or the password. */
  #explain(error: Error): BlockhubError {
    const { message } = error;
    const cause = new Error(message);
    if (foreign.test(message)) return this.#corrupt(cause);
    const fault = this.#faultOf(error);
    // A new connection replaces this one. Until then there is none.
    if (replica.test(message)) this.#noLine = fault;
    const isUnconnected = unconnected.test(message);
    const { code, what, fix } = fault ?? (isUnconnected ? this.#noLine : undefined) ?? noAnswer;
    // The client's message is about its options.
    const said = isUnconnected ? '' : `: ${message}`;
    const node = this.#client?.nodeFailure;
    const isNode = code === 'REGISTRY_UNAVAILABLE' && node !== undefined;
    const details = { registry: this.#shown };
    return new BlockhubError(code, `the registry at ${this.#shown} ${what}${said}${isNode ? ` (node ${node})` : ''}`, {
      cause,
      details,
      fix: isNode ? `${fix} ${announced}` : fix,
    });
  }

  #corrupt(cause: unknown): BlockhubError {
    return new BlockhubError(
      'REGISTRY_CORRUPT',
      `the registry at ${this.#shown} holds data that Blockhub did not write: delete the keys ${this.#keys.join(', ')}. They are rebuilt from the store`,
      { cause, details: { registry: this.#shown } },
    );
  }

  /** @throws REGISTRY_CORRUPT if it is not what was written */
  #record([id, record, name]: unknown[]): ChainRecord {
    try {
      const parsed = JSON.parse(String(record)) as ChainRecord;
      return checkRecord({ ...parsed, id: String(id), ...(typeof name === 'string' ? { name } : {}) });
    } catch (error) {
      throw this.#corrupt(error);
    }
  }
}

const noAnswer: RedisFault = {
  code: 'REGISTRY_UNAVAILABLE',
  what: 'did not answer',
  fix: 'Check whether the Redis server runs, and see its log. Check host and port in --registry, and that both sides or neither use TLS. The connection is tried again.',
};
const announced =
  'The nodes of a cluster are reached at the addresses that they announce. These addresses must work from here too (cluster-announce-ip or cluster-announce-hostname, and cluster-announce-port).';
