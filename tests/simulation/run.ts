import { createHash } from 'node:crypto';
import { seededRandom } from '@blockhub/faults';
import { groups, type Place, placesOf } from '@blockhub/mesh';
import { declarations } from '@blockhub/message';
import { openStore } from '@blockhub/store';
import { createHealth, createMetrics, silentLogger } from '@blockhub/telemetry';
import { createChain } from '@blockhub/writer';
import { Front } from './front.ts';
import { isClean, judge, type Verdict } from './judge.ts';
import { drawHardness } from './rates.ts';
import { type SampleChain, type Sent, sendAll } from './senders.ts';
import { createWorld, MOST_FAR_STEP_MS, type Process, startProcess, type World } from './world.ts';

const MINUTE = 60_000;
const SENDERS = 6;
/**
 * Limits in virtual time: for the time with faults, and for the mesh to become quiet after it.
 * Events may wait for clocks, so the second one contains the largest step of a clock.
 */
const LONGEST_STORM_MS = 30 * MINUTE;
const LONGEST_REST_MS = 10 * MINUTE + MOST_FAR_STEP_MS;

export interface RunResult {
  readonly seed: number;
  readonly clean: boolean;
  readonly verdict: Verdict;
  /** The mesh became quiet within bounded virtual time. */
  readonly quiet: boolean;
  /** What was still in queues and spools if it did not. */
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
  const { rates, chains: chainCount, requests, partitions, instances } = drawHardness(seededRandom(seed));
  const world = createWorld(seed, rates);
  const start = world.clock.now();
  const calm = await openStore('memory:', { clock: world.clock, random: world.random, drivers: { memory: () => world.store.driver({}) } });
  const setUp = world.broker.connect({ name: 'set-up' });
  const front = new Front(world);
  const sent: Sent[] = [];
  let chains: SampleChain[] = [];
  let ready = false;
  let sending = true;
  void (async () => {
    await setUp.declare(declarations(partitions));
    chains = await createChains(world, calm, chainCount);
    for (const place of placesOf(groups, { partitions })
      .toReversed()
      .map((one) => front.serve(one)))
      for (let n = 0; n < instances; n++) keepRunning(world, place, `${place.name}-${n}`, (instance) => front.crash(instance));
    ready = true;
    await Promise.all(
      Array.from({ length: SENDERS }, (_, n) => sendAll(world, front, `sender ${n}`, chains, Math.ceil(requests / SENDERS), sent)),
    );
    sending = false;
  })();
  await world.clock.run(() => ready && !sending, LONGEST_STORM_MS);
  world.calmDown();
  await world.clock.run(() => ready && !sending, LONGEST_STORM_MS);
  const quiet = await becomeQuiet(world, setUp, front);
  const restless = quiet
    ? []
    : [
        ...(await pending(world, setUp)).map(({ name, ready: waiting, unacked, delayed }) => `${name}: ${waiting}/${unacked}/${delayed}`),
        ...front.spooling.map((instance) => `spool of ${instance}`),
      ];
  const verdict = await onClock(world, judge(calm, chains, sent));
  const deadLetters = await onClock(world, listDeadLetters(setUp));
  const digest = await onClock(world, digestOf(calm));
  for (const kill of world.kills) kill();
  await calm.close();
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
    digest,
  };
}

type Connection = ReturnType<World['broker']['connect']>;

async function createChains(world: World, store: Awaited<ReturnType<typeof openStore>>, count: number): Promise<SampleChain[]> {
  const chains: SampleChain[] = [];
  for (let n = 0; n < count; n++) {
    const name = `chain-${n}`;
    const crypt = n % 5 === 4 ? 'md5' : 'sha256';
    const requests = n % 3 === 0;
    const { id } = await createChain(store, {
      name,
      crypt,
      settings: { requests },
      now: world.clock.now(),
      random: world.random,
    });
    chains.push({ id, name, crypt, requests });
  }
  return chains;
}

/** Runs an instance of a place. After a crash, another process starts a little later. */
function keepRunning(world: World, place: Place, name: string, onCrash: (instance: string) => void): void {
  let life = 0;
  const spawn = async (): Promise<void> => {
    const instance = `${name}.${life++}`;
    const process: Process = await startProcess(world, instance, () => {
      onCrash(instance);
      world.clock.after(50 + world.random() * 2000, () => void spawn());
    });
    await place.start({
      broker: process.broker,
      store: process.store,
      registry: world.registry,
      clock: process.clock,
      random: process.random,
      instance,
      log: silentLogger,
      metrics: createMetrics(),
      health: createHealth(),
      storeIsSafe: true,
    });
  };
  void spawn();
}

const countsAsPending = (name: string): boolean => name !== 'dead-letter.kept' && !name.startsWith('tails.i');

async function pending(world: World, broker: Connection): Promise<Awaited<ReturnType<Connection['queues']>>> {
  const queues = await onClock(world, broker.queues());
  return queues.filter(({ name, ready, unacked, delayed }) => countsAsPending(name) && ready + unacked + delayed > 0);
}

/** Resolves with true when spools and queues are empty twice, 15 s of virtual time apart. */
async function becomeQuiet(world: World, broker: Connection, front: Front): Promise<boolean> {
  const end = world.clock.now() + LONGEST_REST_MS;
  for (let still = 0; still < 2; ) {
    if (world.clock.now() > end) return false;
    await world.clock.advance(15_000);
    still = front.spooling.length + (await pending(world, broker)).length === 0 ? still + 1 : 0;
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
