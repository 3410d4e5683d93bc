import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { type BackOff, backOff } from '@blockhub/clock';
import { Cluster, Redis } from 'ioredis';
import { type ScriptName, scripts } from './redis-scripts.ts';
import type { RedisTarget } from './redis-url.ts';

const connectTimeoutMs = 2000;
/** A registry only saves requests to the store, so a later answer is not worth the wait. */
const commandTimeoutMs = 1000;
/** How long the client waits when it disconnects, even without a connection. */
const disconnectTimeoutMs = 100;
const betweenTries: BackOff = { firstMs: 50, mostMs: 2000 };
/** How often the map of slots and nodes is read. A redirection takes effect at once. */
const slotsRefreshMs = 60_000;
/** Maximum number of redirections in a row. */
const mostRedirections = 5;

/** A replica refuses a write. After a fail-over only a new connection reaches the right server. */
export const replica = /READONLY/;
/** It may stay a replica, so not each failed write makes a new connection. */
const replicaPauseMs = 5000;
/** The error of a cluster node if another node has the keys. */
const redirected = /^(?:MOVED|ASK) /;

/** What a server sends before any request if it refuses the client. */
const denied = /^-(DENIED [^\r\n]*)/;
/** First characters of replies, https://redis.io/docs/latest/develop/reference/protocol-spec/. */
const ofProtocol = /^[-+:$*_#,(!=%~>|]/;

/** The client's error if there was no answer in time. */
const timedOut = 'Command timed out';

type Scripts = Record<ScriptName, (...args: (string | number)[]) => Promise<unknown>>;

export interface ClientEvents {
  failed(error: Error): void;
  ended(): void;
  ready(): void;
}

/**
 * The connection to one server. After the first redirection, connections to all nodes of the
 * cluster. Until then, the addresses that a cluster announces do not matter. So a cluster of one
 * shard works behind mapped ports and proxies.
 */
export class RedisClient {
  readonly #target: RedisTarget;
  readonly #options: ReturnType<typeof optionsOf>;
  readonly #events: ClientEvents;
  #client: Redis | Cluster;
  #joining: Promise<void> | undefined;
  #closed = false;
  /** The result of choosing the database. If that failed, the client would use another database. */
  #selected: Promise<Error | undefined> | undefined;
  #nodeFailure: string | undefined;
  /** The server refused this connection at once. The client says that it is ready all the same. */
  #sentAway = false;

  constructor(target: RedisTarget, password: string | undefined, events: ClientEvents) {
    this.#target = target;
    this.#events = events;
    this.#options = optionsOf(target, password);
    this.#client = target.cluster === 'on' ? this.#cluster() : this.#single();
  }

  /** The address of the last cluster node that could not be reached, and why. */
  get nodeFailure(): string | undefined {
    return this.#nodeFailure;
  }

  /** Resolves even if the server does not answer. */
  async connect(): Promise<void> {
    await this.#client.connect().catch(() => undefined);
  }

  run(script: ScriptName, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    // The client makes a method of each script.
    return this.#ask((client) => (client as unknown as Scripts)[script](...keys, ...args));
  }

  hget(key: string, field: string): Promise<string | null> {
    return this.#ask((client) => client.hget(key, field));
  }

  del(keys: readonly string[]): Promise<number> {
    return this.#ask((client) => client.del(...keys));
  }

  close(): void {
    this.#closed = true;
    this.#client.disconnect();
  }

  async #ask<T>(ask: (client: Redis | Cluster) => Promise<T>): Promise<T> {
    try {
      return await this.#follow(ask);
    } catch (error) {
      // A silent connection may stay silent for minutes, so a new one is made.
      if ((error as Error).message === timedOut && !this.#closed) this.#client.disconnect(true);
      throw error;
    }
  }

  async #follow<T>(ask: (client: Redis | Cluster) => Promise<T>): Promise<T> {
    await this.#joining;
    const unselected = await this.#selected;
    if (unselected) throw unselected;
    const asked = this.#client;
    try {
      return await ask(asked);
    } catch (error) {
      if (this.#target.cluster === 'off' || !redirected.test((error as Error).message) || this.#closed) throw error;
      if (asked === this.#client) this.#join();
      await this.#joining;
      return ask(this.#client);
    }
  }

  /** Changes from one node to all. */
  #join(): void {
    const node = this.#client;
    if (node instanceof Cluster) return;
    const cluster = this.#cluster();
    this.#client = cluster;
    node.removeAllListeners('close').disconnect();
    this.#joining = within(connectTimeoutMs, cluster.connect()).finally(() => {
      this.#joining = undefined;
    });
  }

  #single(): Redis {
    const { host, port, db } = this.#target;
    let leftReplicaAt = Number.NEGATIVE_INFINITY;
    const redis = new Redis({
      ...this.#options,
      // Replies are alike in both. After a refused login the greeting of 3 writes to the console.
      protocol: 2,
      host,
      port,
      db,
      scripts,
      lazyConnect: true,
      // A call without a connection fails at once, and an interrupted call is not repeated.
      enableOfflineQueue: false,
      retryStrategy: (times) => backOff(times, betweenTries, Math.random),
      reconnectOnError({ message }) {
        if (!replica.test(message) || performance.now() - leftReplicaAt < replicaPauseMs) return false;
        leftReplicaAt = performance.now();
        return true;
      },
    });
    redis.on('connect', () => {
      this.#sentAway = false;
      redis.stream.once('data', (bytes: Buffer) => {
        const said = refusalIn(bytes.toString('latin1'));
        if (said === undefined) return;
        this.#sentAway = true;
        this.#events.failed(new Error(said));
      });
    });
    if (db !== 0)
      redis.on('ready', () => {
        this.#selected = redis.select(db).then(
          () => undefined,
          (error: Error) => error,
        );
      });
    return this.#watched(redis);
  }

  #cluster(): Cluster {
    const { host, port } = this.#target;
    const cluster = new Cluster([{ host, port }], {
      scripts,
      lazyConnect: true,
      enableOfflineQueue: false,
      // It requires a special right. A cluster that is down answers each command with an error.
      enableReadyCheck: false,
      redisOptions: this.#options,
      clusterRetryStrategy: (times) => backOff(times, betweenTries, Math.random),
      slotsRefreshTimeout: commandTimeoutMs,
      slotsRefreshInterval: slotsRefreshMs,
      maxRedirections: mostRedirections,
      // The caller continues without an answer, and the next call tries again.
      retryDelayOnFailover: 0,
      retryDelayOnClusterDown: 0,
      // A certificate is for a name, so the name must not be replaced by an address.
      dnsLookup: (name, callback) => callback(null, name),
      // A node that announces no host is reached at the host of the URL.
      natMap: (node) => (/^(?:\?|null)?:\d+$/.test(node) ? { host, port: Number(node.split(':').at(-1)) } : null),
    });
    cluster.on('node error', (error: Error, node: string) => {
      this.#nodeFailure = `${node}: ${error.message}`;
      this.#events.failed(error);
    });
    return this.#watched(cluster);
  }

  #watched<C extends Redis | Cluster>(client: C): C {
    const { failed, ended, ready } = this.#events;
    // The methods of both are alike, but their types are not.
    const events = client as NodeJS.EventEmitter;
    events.on('error', (error: Error & { lastNodeError?: Error }) => failed(error.lastNodeError ?? error));
    events.on('close', ended);
    events.on('ready', () => {
      this.#nodeFailure = undefined;
      if (!this.#sentAway) ready();
    });
    return client;
  }
}

/** What is wrong with a server's first bytes, which the client takes for an answer and drops. */
const refusalIn = (words: string): string | undefined =>
  ofProtocol.test(words) ? denied.exec(words)?.[1] : `Protocol error, got ${JSON.stringify(words.slice(0, 20))}`;

function optionsOf({ host, tls, username }: RedisTarget, password: string | undefined) {
  return {
    ...(tls && { tls: { ...tls, checkServerIdentity: (name: string, cert: PeerCertificate) => checkIdentity(name, host, cert) } }),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    connectTimeout: connectTimeoutMs,
    commandTimeout: commandTimeoutMs,
    disconnectTimeout: disconnectTimeoutMs,
    // It requires rights that nothing else needs. Without them it writes to the console.
    enableReadyCheck: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
  };
}

/** Nodes of a cluster announce addresses, but their certificate is for the name in the URL. */
function checkIdentity(name: string, host: string, cert: PeerCertificate): Error | undefined {
  const failure = checkServerIdentity(name, cert);
  return failure && isIP(name) !== 0 && name !== host ? checkServerIdentity(host, cert) : failure;
}

/** Resolves when the work is settled, or when the time is over. Never rejects. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([work.catch(() => undefined), late]);
  clearTimeout(timer);
}
