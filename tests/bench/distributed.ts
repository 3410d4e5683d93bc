import { randomUUID } from 'node:crypto';
import { openStore, type Store } from '@blockhub/store';
import { type MinioServer, minio, type RabbitmqServer, type RedisServer, rabbitmq, redis, type TestServer } from '@blockhub/test-servers';
import { createChain } from '@blockhub/writer';
import { freePort, until } from '../standalone/standalone.ts';
import { median } from './capture.ts';
import { quantile, waitsOf } from './latency.ts';
import { type Environment, type Mesh, startCapture, startMesh } from './mesh.ts';
import { verifyAll } from './pipeline.ts';
import { cpuSeconds, load, machineCpuSeconds, portProxyCpuSeconds, startScript } from './processes.ts';
import type { Row } from './table.ts';

const BYTES = 500;
const CONNECTIONS = 64;
const ROUNDS = 3;
const CAPTURES = 15_000;
const EVENTS = 20_000;
/**
 * Requests to each process of capture before anything is counted: code is compiled, tails are
 * found.
 */
const WARM = 5_000;
const CHAINS = 100;
const REPLICAS = [1, 2, 4];
/** At least the number of replicas, so that all of them have work. */
const PARTITIONS = 4;
/** There are fewer if making them, with an event each, takes longer than IDLE_PATIENCE_MS. */
const IDLE_CHAINS = 10_000;
const IDLE_STEP = 500;
/** The load comes in rounds; each round posts to its part of the chains. */
const IDLE_CONNECTIONS = 20;
const IDLE_PATIENCE_MS = 300_000;
const IDLE_SECONDS = 10;
/** For events to get into blocks. */
const PATIENCE_MS = 120_000;

const IN_BLOCKS = 'blockhub_next_field_events_total';

interface Servers {
  readonly broker: RabbitmqServer;
  readonly store: MinioServer;
  readonly registry: RedisServer;
}

/**
 * The part of the servers that one mesh uses: a virtual host, a folder of the bucket, a prefix of
 * the registry.
 */
interface Home {
  readonly env: Environment;
  readonly store: Store;
  close(): Promise<void>;
}

const parts = {
  capture,
  single,
  replicas,
};

export type Part = keyof typeof parts;
export const partNames = Object.keys(parts) as Part[];

/**
 * Each service as a process of its own on RabbitMQ, S3 and Redis, all on this machine. The
 * environment names these servers, else they run in containers. If there are neither, it writes the
 * reason and measures nothing.
 */
export async function* benchDistributed(names: readonly Part[] = partNames): AsyncGenerator<Row[]> {
  const found = await Promise.all([rabbitmq(), minio(), redis()]);
  const [broker, store, registry] = found;
  try {
    if ('absent' in broker || 'absent' in store || 'absent' in registry) {
      console.error(`distributed is left out: ${found.flatMap((server) => ('absent' in server ? [server.absent] : [])).join('; ')}`);
      return;
    }
    for (const name of names) yield* parts[name]({ broker, store, registry });
  } finally {
    for (const server of found) if (!('absent' in server)) await server.close();
  }
}

/**
 * Receipts of bare fastify with amqplib and of web-to-msg, under the same load in turn. The
 * messages stay in their queues.
 */
async function* capture(servers: Servers): AsyncGenerator<Row[]> {
  const rounds: { bare: Captured; real: Captured }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const home = await openHome(servers);
    await createChain(home.store, { name: 'default', now: Date.now(), random: Math.random });
    const port = await freePort();
    const script = await startScript('bare-confirm.ts', [urlWithLogin(servers.broker, home), String(port)]);
    const bare = await captured(`http://127.0.0.1:${port}`, script.pid);
    await script.stop();
    const service = await startCapture(home.env);
    const real = await captured(service.url, service.pid);
    await service.stop();
    await home.close();
    rounds.push({ bare, real });
  }
  const of = (value: (round: { bare: Captured; real: Captured }) => number): number => median(rounds.map(value));
  yield [
    { name: 'distributed, capture: bare fastify + amqplib', value: of(({ bare }) => bare.perSecond), unit: '201/s' },
    { name: 'distributed, capture: web-to-msg', value: of(({ real }) => real.perSecond), unit: '201/s' },
    {
      name: 'distributed, capture: ratio of that to bare',
      value: of(({ bare, real }) => real.perSecond / bare.perSecond),
      unit: '',
      target: '≥ 0.7; goal 0.9',
    },
    { name: 'distributed, capture: CPU of bare', value: of(({ bare }) => bare.cpuMs), unit: 'ms/1,000 events' },
    { name: 'distributed, capture: CPU of web-to-msg', value: of(({ real }) => real.cpuMs), unit: 'ms/1,000 events' },
  ];
}

interface Captured {
  readonly perSecond: number;
  /** Of the process, per 1,000 events. */
  readonly cpuMs: number;
}

async function captured(origin: string, pid: number): Promise<Captured> {
  const urls = [`${origin}/append/chain/default`];
  const plan = { urls, connections: CONNECTIONS, bytes: BYTES };
  await load({ ...plan, amount: WARM });
  const before = cpuSeconds(pid);
  const { perSecond, failed } = await load({ ...plan, amount: CAPTURES });
  if (failed > 0) throw new Error(`${failed} requests failed`);
  return { perSecond, cpuMs: ((cpuSeconds(pid) - before) * 1e6) / CAPTURES };
}

/** One process of each service: one chain, many chains, the latency, and chains that are idle. */
async function* single(servers: Servers): AsyncGenerator<Row[]> {
  const home = await openHome(servers);
  const [one, ...many] = await makeChains(home.store, 1 + CHAINS);
  await createChain(home.store, { name: 'latency', now: Date.now(), random: Math.random });
  const options = { env: home.env, replicas: 1, partitions: PARTITIONS };
  const mesh = await startMesh(options);
  try {
    for (const [what, chains] of [
      ['one chain', [one as string]],
      [`${CHAINS} chains`, many],
    ] as const) {
      await post(mesh, chains, WARM);
      const watch = mesh.watchMemory();
      yield await endToEnd(what, servers, mesh, chains);
      yield memory(`memory with ${what} under load`, watch());
    }
    yield await latency(home, mesh);
    yield memory('most memory ever', mesh.peaks());
    await verify(home.store, mesh);
    yield await idle(home, servers, mesh);
  } finally {
    await mesh.stop();
    await home.close();
  }
}

async function latency({ store }: Home, { urls: [url = ''] }: Mesh): Promise<Row[]> {
  const waits = await waitsOf({ url, store, chain: 'latency', perSecond: 500, seconds: 10, pollMs: 10 });
  return [
    { name: 'distributed, 201 → in a block at 500 events/s: p50', value: quantile(waits, 0.5), unit: 'ms', target: '< 300' },
    { name: 'distributed, 201 → in a block at 500 events/s: p99', value: quantile(waits, 0.99), unit: 'ms', target: '< 1,000' },
  ];
}

const memory = (what: string, megabytes: ReadonlyMap<string, number>): Row[] =>
  Array.from(megabytes, ([name, value]) => ({ name: `distributed, ${what}: ${name}`, value, unit: 'MB RSS', target: '≤ 90' }));

/**
 * The same load on meshes of one, two and four processes of each service, in turn, since the speed
 * of a machine changes from minute to minute.
 */
async function* replicas(servers: Servers): AsyncGenerator<Row[]> {
  await using ends = new AsyncDisposableStack();
  const meshes: { what: string; mesh: Mesh; home: Home; chains: readonly string[]; rounds: Row[][] }[] = [];
  for (const count of REPLICAS) {
    const home = await openHome(servers);
    ends.defer(() => home.close());
    const chains = await makeChains(home.store, CHAINS);
    const mesh = await startMesh({ env: home.env, replicas: count, partitions: PARTITIONS });
    ends.defer(() => mesh.stop());
    await post(mesh, chains, WARM * count);
    meshes.push({ what: `${CHAINS} chains, replicas: ${count}`, mesh, home, chains, rounds: [] });
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const { what, mesh, chains, rounds } of meshes) rounds.push(await endToEnd(what, servers, mesh, chains));
    meshes.reverse();
  }
  meshes.sort((a, b) => a.mesh.replicas.length - b.mesh.replicas.length);
  for (const { mesh, home } of meshes) await verify(home.store, mesh);
  const one = meshes[0]?.rounds ?? [];
  for (const { what, rounds } of meshes) {
    const medianOf = (at: number, of: (row: Row, round: number) => number): number =>
      median(rounds.map((rows, round) => of(rows[at] as Row, round)));
    const asOne = medianOf(0, ({ value }, round) => value / (one[round]?.[0]?.value ?? Number.NaN));
    yield [
      ...(rounds[0] ?? []).map((row, at) => ({ ...row, value: medianOf(at, ({ value }) => value) })),
      { name: `distributed, ${what}: speed, that of one replica in the same round is 1`, value: asOne, unit: '', target: '≥ 1' },
    ];
  }
}

/** Load on all chains as fast as it is taken, until everything is in blocks. */
async function post(mesh: Mesh, chains: readonly string[], amount: number): Promise<{ perSecond: number; cpuSeconds: number }> {
  const inBlocks = (): Promise<number> => mesh.metric(IN_BLOCKS, 'next-field');
  // Two items of each event: its body and its request document.
  const wanted = (await inBlocks()) + 2 * amount;
  const share = { connections: CONNECTIONS / mesh.urls.length, amount: Math.floor(amount / mesh.urls.length), bytes: BYTES };
  const results = await Promise.all(
    mesh.urls.map((url) => load({ ...share, urls: chains.map((chain) => `${url}/append/chain/${chain}`) })),
  );
  const sum = (of: (result: (typeof results)[number]) => number): number => results.reduce((all, result) => all + of(result), 0);
  const failed = sum((one) => one.failed);
  if (failed > 0) throw new Error(`${failed} requests failed`);
  await inTime(async () => (await inBlocks()) >= wanted);
  return { perSecond: sum((one) => one.perSecond), cpuSeconds: sum((one) => one.cpuSeconds) };
}

/** What it takes to bring events into blocks, by processes that are warm. */
async function endToEnd(what: string, servers: Servers, mesh: Mesh, chains: readonly string[]): Promise<Row[]> {
  const blocks = (): Promise<number> => mesh.metric('blockhub_next_field_blocks_total', 'next-field');
  const requests = (): Promise<number> => mesh.metric('blockhub_store_requests_total');
  const before = { cpu: await cpuOf(servers, mesh), machine: machineCpuSeconds(), blocks: await blocks(), requests: await requests() };
  const started = performance.now();
  const sent = await post(mesh, chains, EVENTS);
  const seconds = (performance.now() - started) / 1000;
  const machine = machineCpuSeconds() - before.machine;
  const cpu = [...(await cpuOf(servers, mesh))].map(([name, value]) => [name, value - (before.cpu.get(name) ?? 0)] as const);
  const all = cpu.reduce((sum, [, value]) => sum + value, sent.cpuSeconds);
  const made = (await blocks()) - before.blocks;
  const asked = (await requests()) - before.requests;
  const ms = (value: number): number => (value * 1e6) / EVENTS;
  const row = (name: string, value: number, unit: string, target?: string): Row => ({
    name: `distributed, ${what}: ${name}`,
    value,
    unit,
    ...(target === undefined ? {} : { target }),
  });
  return [
    row('into verified blocks', EVENTS / seconds, 'events/s', '≥ 2,000; goal 5,000'),
    row('capture meanwhile', sent.perSecond, '201/s'),
    ...cpu.map(([name, value]) => row(`CPU of ${name}`, ms(value), 'ms/1,000 events')),
    row('CPU of all these', ms(all - sent.cpuSeconds), 'ms/1,000 events'),
    row('CPU of the load generator', ms(sent.cpuSeconds), 'ms/1,000 events'),
    row('events per second of CPU of all but the load generator', EVENTS / (all - sent.cpuSeconds), 'events/s'),
    row('CPU of other programs of the machine meanwhile', (Math.max(0, machine - all) / seconds) * 100, '% of a core'),
    row('blocks', made, 'blocks'),
    chains.length === 1
      ? row('store requests', (asked / EVENTS) * 1000, '/1,000 events', '≤ 10')
      : row('store requests', asked / made, '/block', '≤ 2.2'),
  ];
}

/** CPU seconds so far of every place, and of the servers as far as they can be asked. */
async function cpuOf({ broker, store, registry }: Servers, mesh: Mesh): Promise<Map<string, number>> {
  const cpu = new Map(mesh.cpu());
  const add = async (name: string, server: TestServer): Promise<void> => {
    if (server.cpuSeconds) cpu.set(name, await server.cpuSeconds());
  };
  await add('RabbitMQ', broker);
  await add('the S3 server', store);
  await add('Redis', registry);
  const ports = [broker.url, store.url, registry.url].map((url) => new URL(url).port);
  return cpu.set("Docker's port proxy", portProxyCpuSeconds(ports));
}

/** What chains cost that had an event each and have nothing to do. */
async function idle({ store }: Home, servers: Servers, mesh: Mesh): Promise<Row[]> {
  const inBlocks = (): Promise<number> => mesh.metric(IN_BLOCKS, 'next-field');
  const wanted = await inBlocks();
  const end = performance.now() + IDLE_PATIENCE_MS;
  let made = 0;
  for (; made < IDLE_CHAINS && performance.now() < end; made += IDLE_STEP) {
    const chains = await makeChains(store, IDLE_STEP, false);
    const urls = chains.map((chain) => `${mesh.urls[0]}/append/chain/${chain}`);
    await load({ urls, connections: IDLE_CONNECTIONS, amount: IDLE_STEP, bytes: 100 });
    const sent = wanted + made + IDLE_STEP;
    await inTime(async () => (await inBlocks()) >= sent);
  }
  const readCosts = async () => ({
    messages: await mesh.metric('blockhub_messages_taken_total'),
    requests: await mesh.metric('blockhub_store_requests_total'),
    cpu: [...mesh.cpu().values()].reduce((sum, value) => sum + value, 0),
    broker: (await servers.broker.cpuSeconds?.()) ?? Number.NaN,
  });
  // Tails and notices of the last blocks are still on their way.
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const before = await readCosts();
  await new Promise((resolve) => setTimeout(resolve, IDLE_SECONDS * 1000));
  const after = await readCosts();
  const what = `distributed, ${made.toLocaleString('en')} idle chains`;
  const most = Math.max(...mesh.peaks().values());
  return [
    { name: `${what}: messages in ${IDLE_SECONDS} s`, value: after.messages - before.messages, unit: 'messages', target: '0' },
    { name: `${what}: store requests in ${IDLE_SECONDS} s`, value: after.requests - before.requests, unit: 'requests', target: '0' },
    { name: `${what}: CPU of all services`, value: ((after.cpu - before.cpu) / IDLE_SECONDS) * 100, unit: '% of a core' },
    { name: `${what}: CPU of RabbitMQ`, value: ((after.broker - before.broker) / IDLE_SECONDS) * 100, unit: '% of a core' },
    { name: `${what}: most memory of a process ever`, value: most, unit: 'MB RSS', target: '≤ 90' },
  ];
}

async function openHome({ broker, store: s3, registry }: Servers): Promise<Home> {
  const place = `bench-${randomUUID()}`;
  const { username, password } = new URL(broker.url);
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  const ask = async (method: string): Promise<void> => {
    const { ok, status } = await fetch(`${broker.management}/api/vhosts/${place}`, { method, headers: { authorization } });
    if (!ok) throw new Error(`RabbitMQ answers ${status} to ${method} of a virtual host`);
  };
  await ask('PUT');
  const brokerUrl = new URL(`/${place}`, broker.url);
  brokerUrl.username = brokerUrl.password = '';
  const storeUrl = s3.url.replace('?', `/${place}?`);
  const store = await openStore(storeUrl, { credentials: s3.credentials });
  const env = {
    BLOCKHUB_BROKER: brokerUrl.href,
    BLOCKHUB_BROKER_USER: username,
    BLOCKHUB_BROKER_PASSWORD: password,
    BLOCKHUB_STORE: storeUrl,
    ...(s3.credentials && { BLOCKHUB_STORE_ACCESS_KEY: s3.credentials.accessKey, BLOCKHUB_STORE_SECRET_KEY: s3.credentials.secretKey }),
    BLOCKHUB_REGISTRY: `${registry.url}?prefix=${place}`,
  };
  return {
    env,
    store,
    async close() {
      await store.close();
      await ask('DELETE');
    },
  };
}

function urlWithLogin(broker: RabbitmqServer, { env }: Home): string {
  const { username, password } = new URL(broker.url);
  return Object.assign(new URL(env.BLOCKHUB_BROKER as string), { username, password }).href;
}

async function makeChains(store: Store, count: number, requests = true): Promise<string[]> {
  const made = Array.from({ length: count }, () => createChain(store, { now: Date.now(), random: Math.random, settings: { requests } }));
  return (await Promise.all(made)).map(({ id }) => id);
}

/**
 * Verifies every block and link. Bodies are left out: packs that a hundred chains share would be
 * read a hundred times.
 */
async function verify(store: Store, mesh: Mesh): Promise<void> {
  const [events, made] = [await verifyAll(store, 'blocks'), await mesh.metric(IN_BLOCKS, 'next-field')];
  if (events !== made) throw new Error(`${events} events in blocks, ${made} were put there`);
}

async function inTime(condition: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  await until(async () => {
    if (performance.now() > end) throw new Error('events do not get into blocks in time');
    return condition();
  }, 200);
}
