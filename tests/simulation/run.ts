import { createHash } from 'node:crypto';
import { hashOf } from '@blockhub/chain';
import { seededRandom } from '@blockhub/faults';
import { declarations, writeIngress } from '@blockhub/message';
import { pipeline, type Stage } from '@blockhub/standalone';
import { openStore } from '@blockhub/store';
import { createHealth, createMetrics, silentLogger } from '@blockhub/telemetry';
import { drawEvent } from '@blockhub/worker';
import { createChain } from '@blockhub/writer';
import { isClean, judge, type Sent, type Verdict } from './judge.ts';
import { drawHardness } from './rates.ts';
import { createWorld, type Process, startProcess, type World } from './world.ts';

const MINUTE = 60_000;
/** How long the time of faults may last at most, and how long a mesh may take to become quiet after it; virtual time. */
const LONGEST_STORM_MS = 30 * MINUTE;
const LONGEST_REST_MS = 60 * MINUTE;

export interface RunResult {
  readonly seed: number;
  readonly clean: boolean;
  readonly verdict: Verdict;
  /** The mesh became quiet within bounded virtual time. */
  readonly quiet: boolean;
  /** What was still under way when it did not. */
  readonly restless: string[];
  readonly deadLetters: string[];
  readonly faults: number;
  readonly crashes: number;
  /** Virtual time of the whole run. */
  readonly virtualMs: number;
  /** Hash of the whole bucket: the same seed gives the same bytes. */
  readonly digest: string;
}

/** One run: real services, memory drivers, virtual time; everything follows from the seed. */
export async function run(seed: number): Promise<RunResult> {
  const { rates, chains: chainCount, events, partitions, instances } = drawHardness(seededRandom(seed));
  const world = createWorld(seed, rates);
  const start = world.clock.now();
  const calm = await openStore('memory:', { clock: world.clock, random: world.random, drivers: { memory: () => world.store.driver({}) } });
  const setUp = world.broker.connect({ name: 'set-up' });
  const sent = new Map<string, Sent>();
  let chains: string[] = [];
  let ready = false;
  let sending = true;
  void (async () => {
    await setUp.declare(declarations(partitions));
    chains = await createChains(world, calm, chainCount);
    for (const stage of pipeline({ partitions })) for (let n = 0; n < instances; n++) keepRunning(world, stage, `${stage.name}-${n}`);
    ready = true;
    await Promise.all(Array.from({ length: 3 }, (_, n) => sendAll(world, `sender-${n}`, chains, Math.ceil(events / 3), sent)));
    sending = false;
  })();
  await world.clock.run(() => ready && !sending, LONGEST_STORM_MS);
  world.calmDown();
  await world.clock.run(() => ready && !sending, LONGEST_STORM_MS);
  const quiet = await becomeQuiet(world, setUp);
  const restless = quiet
    ? []
    : (await pending(world, setUp)).map(({ name, ready: waiting, unacked, delayed }) => `${name}: ${waiting}/${unacked}/${delayed}`);
  const verdict = await onClock(world, judge(calm, chains, sent));
  const deadLetters = await onClock(world, listDeadLetters(setUp));
  return {
    seed,
    clean: quiet && !sending && deadLetters.length === 0 && isClean(verdict),
    verdict,
    quiet: quiet && !sending,
    restless,
    deadLetters,
    faults: world.faults.count,
    crashes: world.faults.crashes,
    virtualMs: world.clock.now() - start,
    digest: await onClock(world, digestOf(calm)),
  };
}

type Connection = ReturnType<World['broker']['connect']>;

async function createChains(world: World, store: Awaited<ReturnType<typeof openStore>>, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n++) {
    const { id } = await createChain(store, {
      name: `chain-${n}`,
      crypt: n % 5 === 4 ? 'md5' : 'sha256',
      now: world.clock.now(),
      random: world.random,
    });
    ids.push(id);
  }
  return ids;
}

/** Runs an instance of a stage; when it crashes, another one comes up a little later. */
function keepRunning(world: World, stage: Stage, name: string): void {
  let life = 0;
  const spawn = async (): Promise<void> => {
    const process: Process = await startProcess(world, `${name}.${life++}`, () => {
      world.clock.after(50 + world.random() * 2000, () => void spawn());
    });
    await stage.start({
      broker: process.broker,
      store: process.store,
      registry: world.registry,
      clock: process.clock,
      random: process.random,
      instance: `${name}.${life}`,
      log: silentLogger,
      metrics: createMetrics(),
      health: createHealth(),
      storeIsSafe: true,
    });
  };
  void spawn();
}

/**
 * A sender: publishes with its own faulty connection. An error leaves the outcome unknown: half of the senders try the same event again until it
 * is confirmed (as a spool does), the others give up, and such an event may be in the chain or not.
 */
async function sendAll(world: World, name: string, chains: readonly string[], count: number, sent: Map<string, Sent>): Promise<void> {
  let process = await startProcess(world, name, () => {});
  for (let n = 0; n < count; n++) {
    // Some chains are busy, most are not.
    const chain = chains[Math.floor(world.random() ** 3 * chains.length)] as string;
    // Clocks of senders differ by up to two seconds: events reach a chain out of their order.
    const createdAt = world.clock.now() - Math.floor(world.random() * 2000);
    const event = drawEvent(createdAt, world.random);
    const body = Buffer.from(`${event} ${'.'.repeat(Math.floor(world.random() * 40))}`);
    const crypt = chain.length === 32 ? ('md5' as const) : ('sha256' as const);
    const hashes = crypt === 'md5' ? { sha256: hashOf('sha256', body) } : {};
    const message = writeIngress({
      event,
      chain,
      createdAt,
      crypt,
      hash: hashOf(crypt, body),
      ...hashes,
      length: body.length,
      meta: { mime: 'text/plain' },
      body,
    });
    const entry: Sent = { chain, acknowledged: false };
    sent.set(event, entry);
    const tries = world.random() < 0.5 ? 1 : Number.POSITIVE_INFINITY;
    for (let attempt = 0; attempt < tries && !entry.acknowledged; attempt++) {
      if (process.dead) process = await startProcess(world, name, () => {});
      const crashed = new Promise<boolean>((resolve) => {
        world.clock.after(20_000, () => resolve(false));
      });
      const published = process.broker.publish([message]).then(
        () => true,
        () => false,
      );
      entry.acknowledged = await Promise.race([published, crashed]);
      if (!entry.acknowledged) await world.clock.sleep(world.random() * 200);
    }
    if (world.random() < 0.3) await world.clock.sleep(world.random() * 300);
  }
}

const countsAsPending = (name: string): boolean => name !== 'dead-letter.kept' && !name.startsWith('tails.i');

async function pending(world: World, broker: Connection): Promise<Awaited<ReturnType<Connection['queues']>>> {
  const queues = await onClock(world, broker.queues());
  return queues.filter(({ name, ready, unacked, delayed }) => countsAsPending(name) && ready + unacked + delayed > 0);
}

/** Quiet: nothing is ready, held or delayed in any queue, and half a virtual minute later that is still so. */
async function becomeQuiet(world: World, broker: Connection): Promise<boolean> {
  const end = world.clock.now() + LONGEST_REST_MS;
  for (let still = 0; still < 2; ) {
    if (world.clock.now() > end) return false;
    await world.clock.advance(15_000);
    still = (await pending(world, broker)).length === 0 ? still + 1 : 0;
  }
  return true;
}

async function listDeadLetters(broker: Connection): Promise<string[]> {
  const found: string[] = [];
  for await (const { id, meta } of broker.browse('dead-letter.kept'))
    found.push(`${id} ${meta['dead-code']} ${meta['dead-queue']}: ${meta['dead-message']}`);
  return found;
}

async function digestOf(store: Awaited<ReturnType<typeof openStore>>): Promise<string> {
  const hash = createHash('sha256');
  for await (const { key } of store.list('')) hash.update(`${key}\n`).update(await store.get(key));
  return hash.digest('hex');
}

/** Drives the clock until the promise settles. */
async function onClock<T>(world: World, work: Promise<T>): Promise<T> {
  let settled = false;
  const noted = work.finally(() => {
    settled = true;
  });
  noted.catch(() => {});
  await world.clock.run(() => settled, 24 * 60 * MINUTE);
  return noted;
}
