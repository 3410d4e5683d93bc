import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type FaultyProxy, minio, openFaultyProxy, openProxy, rabbitmq, redis, type TestServer } from '@blockhub/test-servers';

export type ServerName = 'broker' | 'store' | 'registry';

/**
 * Broker, store and registry of one run. Each has a virtual host, folder or prefix of its own on a
 * server that may be shared.
 */
export interface Servers {
  /** `host:port` of a server at present. */
  address(name: ServerName): string;
  /** Servers that can be killed. */
  readonly stoppable: readonly ServerName[];
  /** The URL of a server for this run. By default its address stays the same after restarts. */
  url(name: ServerName, address?: string): string;
  /** Base URL of the broker's management API. */
  readonly management: string;
  readonly credentials: { readonly accessKey: string; readonly secretKey: string } | undefined;
  /** The proxy in front of the S3 server. */
  readonly s3: FaultyProxy;
  restart(name: ServerName, graceMs: number): Promise<void>;
  kill(name: ServerName): Promise<void>;
  /** Deletes all data of a Redis that only this run uses. If Redis is shared, this is undefined. */
  flush: (() => Promise<void>) | undefined;
  /**
   * Every queue with messages, as `name: messages, ready, unacked`. Throws while the broker is
   * unreachable.
   */
  pending(): Promise<string[]>;
  /** The first messages of a queue as the management API shows them. They stay in the queue. */
  peek(queue: string): Promise<unknown>;
  /** Switches copies of published messages to the exchange `amq.rabbitmq.trace` on or off. */
  trace(on: boolean): Promise<void>;
  close(): Promise<void>;
}

/** Time-outs in seconds: small, so that connections often count as broken. */
const HEARTBEAT_S = 3;
const STORE_TIMEOUT_S = 3;
const ANSWER_MS = 5_000;

/** Starts or finds the three servers. If a server is not available, gives the reason. */
export async function openServers(env: NodeJS.ProcessEnv = process.env): Promise<Servers | { readonly absent: string }> {
  const started: TestServer[] = [];
  const close = async (): Promise<void> => {
    for (const server of started) await server.close();
  };
  const found = await Promise.all([rabbitmq(env), minio(env), redis(env)]);
  for (const server of found) if (!('absent' in server)) started.push(server);
  const [broker, store, registry] = found;
  if ('absent' in broker || 'absent' in store || 'absent' in registry) {
    await close();
    return { absent: found.flatMap((server) => ('absent' in server ? [server.absent] : [])).join('; ') };
  }
  const servers = { broker, store, registry };
  const place = `conservation-${randomUUID()}`;
  const ask = async (method: string, path: string, body?: object): Promise<unknown> => {
    const { username, password } = new URL(broker.url);
    const response = await fetch(`${broker.management}/api/${path}`, {
      method,
      signal: AbortSignal.timeout(ANSWER_MS),
      headers: {
        authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`,
        'content-type': 'application/json',
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  };
  await ask('PUT', `vhosts/${place}`);
  const address = (name: ServerName): string => new URL(servers[name].url).host;
  // A container has another port after each restart.
  const fronts = {
    broker: await openProxy(address('broker')),
    store: await openProxy(address('store')),
    registry: await openProxy(address('registry')),
  };
  const s3 = await openFaultyProxy(address('store'));
  return {
    address,
    stoppable: (['broker', 'store', 'registry'] as const).filter((name) => servers[name].kill !== undefined),
    url(name, at = fronts[name].address) {
      const url = new URL(servers[name].url);
      url.host = at;
      if (name === 'broker') {
        url.pathname = place;
        url.search = `heartbeat=${HEARTBEAT_S}`;
      } else if (name === 'store') {
        url.pathname += `/${place}`;
        url.searchParams.set('timeout', String(STORE_TIMEOUT_S));
      } else url.searchParams.set('prefix', place);
      return url.href;
    },
    get management() {
      return broker.management;
    },
    credentials: store.credentials,
    s3,
    async restart(name, graceMs) {
      await servers[name].restart?.(graceMs);
      fronts[name].target = address(name);
      if (name === 'store') s3.target = address('store');
    },
    kill: async (name) => servers[name].kill?.(),
    flush: registry.kill && (() => flush(address('registry'))),
    async pending() {
      // `messages` also counts messages that are on their way from a delay queue to their queue.
      const columns = 'name,messages,messages_ready,messages_unacknowledged';
      const rows = (await ask('GET', `queues/${place}?columns=${columns}`)) as Record<string, number>[];
      // RabbitMQ has not counted a queue yet that has no counts.
      return rows
        .filter((row) => row.messages !== 0)
        .map(
          ({ name, messages = '?', messages_ready = '?', messages_unacknowledged = '?' }) =>
            `${name}: ${messages}, ${messages_ready} ready, ${messages_unacknowledged} unacked`,
        );
    },
    peek: (queue) =>
      ask('POST', `queues/${place}/${encodeURIComponent(queue)}/get`, {
        count: 3,
        ackmode: 'ack_requeue_true',
        encoding: 'base64',
        truncate: 1000,
      }),
    trace: async (on) => void (await ask('PUT', `vhosts/${place}`, { tracing: on })),
    async close() {
      for (const front of Object.values(fronts)) await front.close();
      await s3.close();
      await ask('DELETE', `vhosts/${place}`).catch(() => undefined);
      await close();
    },
  };
}

async function flush(address: string): Promise<void> {
  const { hostname, port } = new URL(`redis://${address}`);
  const socket = connect(Number(port), hostname);
  try {
    socket.write('FLUSHALL\r\n');
    await Promise.race([once(socket, 'data'), sleep(ANSWER_MS, undefined, { ref: false })]);
  } finally {
    socket.destroy();
  }
}
