import { MemoryBroker } from '@blockhub/broker';
import { blobKey, hashOf, newEvent, parseBlock } from '@blockhub/chain';
import { type Clock, VirtualClock } from '@blockhub/clock';
import { type FaultPlan, type FaultRates, type Random, seededPlan, seededRandom } from '@blockhub/faults';
import { groups, type Place, place, placesOf } from '@blockhub/mesh';
import { declarations, queues, writeIngress } from '@blockhub/message';
import { MemoryRegistry } from '@blockhub/registry';
import { MemoryStore, Store } from '@blockhub/store';
import { createHealth, createMetrics, silentLogger } from '@blockhub/telemetry';
import { verifyChain } from '@blockhub/walker';
import type { Worker } from '@blockhub/worker';
import { createChain } from '@blockhub/writer';

/**
 * The pipeline behind capture on memory drivers and virtual time. Every service runs in several
 * processes, which the plan crashes and which start again.
 */

const SECOND = 1000;
const PARTITIONS = 2;

// biome-ignore lint/suspicious/noExplicitAny: a list of workers with different settings
type AnyWorker = Worker<any, any>;

export interface MeshOptions {
  readonly seed: number;
  readonly chains?: number;
  readonly events?: number;
  readonly instances?: number;
  /** If absent, there are no faults. */
  readonly rates?: FaultRates;
  /** Replaces a service by a broken one, for tests that must find it. */
  readonly replace?: Readonly<Record<string, AnyWorker>>;
}

export interface Verdict {
  lost: number;
  doubled: number;
  unexpected: number;
  forked: string[];
  quiet: boolean;
  dead: number;
  blocks: number;
  crashes: number;
  virtualMs: number;
  requests: number;
}

/**
 * The places behind capture, with short waits: many small groups meet more faults than few large
 * ones.
 */
const places = placesOf(groups, {
  partitions: PARTITIONS,
  of: {
    'deploy-blobs': { packTtl: 5, ownObject: 300 },
    grouper: { ttl: 10 },
    'msg-merge': { prefetch: 20 },
    builder: { windowEvents: 60 },
    shoveltomany: { to: ['{msg.meta.chain}_chain'] },
    'dead-letter': { delay: 5 * SECOND },
  },
}).filter(({ listens }) => !listens);

class Mesh {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly broker: MemoryBroker;
  readonly objects: MemoryStore;
  readonly registry = new MemoryRegistry();
  readonly plan: FaultPlan | undefined;
  faulty = true;
  crashes = 0;
  requests = 0;
  readonly #options: MeshOptions;
  #serial = 0;

  constructor(options: MeshOptions) {
    this.#options = options;
    this.random = seededRandom(options.seed);
    this.broker = new MemoryBroker({ clock: this.clock, random: seededRandom(options.seed + 1) });
    this.objects = new MemoryStore({ clock: this.clock });
    this.plan = options.rates && seededPlan(seededRandom(options.seed + 2), options.rates, () => this.faulty);
  }

  /**
   * Runs a service in a process of its own. If the plan crashes it, another process starts a little
   * later.
   */
  async spawn(one: Place): Promise<void> {
    const { name } = one;
    const process = new Mortal(this.clock);
    const crash = (): void => {
      if (!process.alive) return;
      this.crashes++;
      process.alive = false;
      connection.kill();
      driver.kill();
      this.clock.after(50 + 300 * this.random(), () => void this.spawn(one));
    };
    const faults = this.plan && { plan: this.plan, crash };
    const connection = this.broker.connect({ ...faults, name });
    const driver = this.objects.driver(faults);
    const random = seededRandom(Math.floor(this.random() * 2 ** 32));
    const store = new Store(driver, { clock: process, random, onRequest: () => this.requests++ });
    const parts = { broker: connection, store, registry: this.registry, clock: process, random, storeIsSafe: true };
    const watch = { log: silentLogger, metrics: createMetrics(), health: createHealth() };
    const replacement = this.#options.replace?.[name];
    const running = (replacement ? place(replacement, one.settings, { name }) : one).start({
      ...parts,
      ...watch,
      instance: `${name}-${this.#serial++}`,
    });
    // If a process crashes during its start, `running` never settles.
    await Promise.race([running, new Promise((resolve) => this.clock.after(SECOND, () => resolve(undefined)))]);
  }
}

/** The clock of one process. After a crash, none of its timers runs. */
class Mortal implements Clock {
  alive = true;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  ticks(): number {
    return this.#clock.ticks();
  }

  after(ms: number, run: () => void): () => void {
    return this.#clock.after(ms, () => {
      if (this.alive) run();
    });
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.after(ms, resolve);
      signal?.addEventListener('abort', () => {
        cancel();
        resolve();
      });
    });
  }
}

/** Runs the whole pipeline and judges the bucket. */
export async function runMesh(options: MeshOptions): Promise<Verdict> {
  const { chains: count = 3, events = 60, instances = 2 } = options;
  const mesh = new Mesh(options);
  const { clock, random } = mesh;
  const sender = mesh.broker.connect({ name: 'sender' });
  const store = new Store(mesh.objects.driver(), { clock });
  await sender.declare(declarations(PARTITIONS));
  const chains: string[] = [];
  for (let at = 0; at < count; at++) {
    const crypt = at === 1 ? 'md5' : 'sha256';
    const chain = await createChain(store, { name: `chain-${at}`, crypt, now: clock.now(), random });
    chains.push(chain.id);
    await sender.declare([{ name: `${chain.id}_chain`, kind: 'durable' }]);
  }
  for (const one of places) for (let at = 0; at < instances; at++) void mesh.spawn(one);
  const sent = new Map<string, string>();
  for (let at = 0; at < events; at++) {
    clock.after(at * 40 * random(), () => {
      const chain = chains[Math.floor(random() * count)] as string;
      const message = capture(chain, clock.now() - Math.floor(random() * 500), random, at);
      sent.set(message.id, chain);
      const twice = random() < 0.1;
      if (at % 17 === 5) void store.create(blobKey(String(message.meta.hash)), message.body);
      const stored =
        at % 17 === 5 ? { ...message, meta: { ...message.meta, at: blobKey(String(message.meta.hash)) }, body: Buffer.alloc(0) } : message;
      void sender.publish(twice ? [stored, stored] : [stored]);
    });
  }
  const start = clock.now();
  clock.after(Math.max(events * 40, 5 * SECOND), () => {
    mesh.faulty = false;
  });
  await clock.run(() => !mesh.faulty, 3600 * SECOND);
  const idle = (): boolean =>
    sent.size === events && mesh.broker.info().every(({ name, ready, unacked, delayed }) => isEnd(name) || ready + unacked + delayed === 0);
  const quiet = await clock.run(idle, 1800 * SECOND);
  return {
    ...(await judge(store, chains, sent)),
    quiet,
    dead: depth(mesh.broker, queues.kept.name),
    crashes: mesh.crashes,
    virtualMs: clock.now() - start,
    requests: mesh.requests,
  };
}

const isEnd = (name: string): boolean => name.endsWith('_chain') || name === queues.kept.name;

const depth = (broker: MemoryBroker, name: string): number => {
  const queue = broker.info().find((one) => one.name === name);
  return queue ? queue.ready + queue.unacked + queue.delayed : 0;
};

const bytesOf =
  (random: Random) =>
  (size: number): Buffer =>
    Buffer.from(Array.from({ length: size }, () => Math.floor(random() * 256)));

function capture(chain: string, createdAt: number, random: Random, at: number) {
  const body = Buffer.from(`event ${at} ${'x'.repeat(Math.floor(random() * 400))}`);
  const event = newEvent(createdAt, bytesOf(random)(10));
  const crypt = chain.length === 32 ? 'md5' : 'sha256';
  const hashes = crypt === 'md5' ? { hash: hashOf('md5', body), sha256: hashOf('sha256', body) } : { hash: hashOf('sha256', body) };
  return writeIngress({ event, chain, createdAt, crypt, ...hashes, length: body.length, meta: { mime: 'text/plain' }, body });
}

async function judge(store: Store, chains: readonly string[], sent: ReadonlyMap<string, string>) {
  const verdict = { lost: 0, doubled: 0, unexpected: 0, forked: [] as string[], blocks: 0 };
  const seen = new Set<string>();
  for (const chain of chains) {
    const report = await verifyChain(store, chain, { level: 'full' });
    // A block that lost the race for its height remains without an entry.
    for (const fault of report.faults)
      if (fault.code !== 'BLOCK_DETACHED') verdict.forked.push(`${fault.code} ${fault.key}: ${fault.message}`);
    for await (const { key } of store.list(`chains/${chain}/`)) {
      const block = parseBlock(await store.get(key));
      if (block.height > 0) verdict.blocks++;
      for (const { event } of block.blobs) {
        if (sent.get(event) !== chain) verdict.unexpected++;
        if (seen.has(event)) verdict.doubled++;
        seen.add(event);
      }
    }
  }
  for (const event of sent.keys()) if (!seen.has(event)) verdict.lost++;
  return verdict;
}
