import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openBroker } from '@blockhub/broker';
import { systemClock } from '@blockhub/clock';
import { chain, type Place, placesOf, queuesOf } from '@blockhub/mesh';
import { declarations, queues, writeTail } from '@blockhub/message';
import { openRegistry } from '@blockhub/registry';
import { openStore } from '@blockhub/store';
import { createHealth, createMetrics, silentLogger } from '@blockhub/telemetry';
import { findTail, verifyAll } from '@blockhub/walker';
import { type RunningWorker, type StartOptions, systemRandom } from '@blockhub/worker';
import { createChain } from '@blockhub/writer';
import { freePort, nodeFlags, until } from '../standalone/standalone.ts';
import { load } from './processes.ts';
import type { Row } from './table.ts';

const CHAINS = 40;
/** Events of a round; those of the first one only warm up. */
const EVENTS = 20_000;
const PATIENCE_MS = 60_000;

/** Queues that an event does not pass on its way into a chain. */
const beside: ReadonlySet<string | undefined> = new Set([queues.wanted.name, queues.deadLetter.name]);
const [captureAt, ...behind] = placesOf([chain]) as [Place, ...Place[]];
/** The places that an event passes behind capture, and the queue that each empties. */
const stages = behind
  .filter((place) => !beside.has(queuesOf(place).takes[0]))
  .map((place) => ({ place, queue: queuesOf(place).takes[0]?.replace('{p}', '0') ?? '' }));

/**
 * CPU time of each stage. The stages run one after the other in a process of its own, each until
 * its queue is empty. The broker and the store are in that process, so their time counts as the
 * stage's. Blocks hold 500 events.
 */
export async function benchStages(): Promise<Row[]> {
  const { stdout } = await promisify(execFile)(process.execPath, [...nodeFlags, import.meta.filename]);
  return JSON.parse(stdout) as Row[];
}

type Parts = Omit<StartOptions, 'settings'> & Required<Pick<StartOptions, 'store' | 'registry'>>;

async function run(folder: string): Promise<Row[]> {
  const store = await openStore(`file://${folder}/store`);
  const broker = await openBroker(`sqlite://${folder}/broker.sqlite`, { log: silentLogger });
  const registry = await openRegistry(`sqlite://${folder}/registry.sqlite`);
  const parts: Parts = {
    store,
    broker,
    registry,
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    metrics: createMetrics(),
    health: createHealth(),
    storeIsSafe: true,
  };
  await broker.declare(declarations(1));
  const chains: string[] = [];
  for (let n = 0; n < CHAINS; n++) {
    const { id } = await createChain(store, { name: `chain-${n}`, now: Date.now(), random: Math.random, settings: { requests: false } });
    chains.push(id);
  }
  await round(parts, chains);
  const rows = await round(parts, chains);
  const reports = await verifyAll(store);
  const events = reports.reduce((sum, report) => sum + report.events, 0);
  if (events !== 2 * EVENTS) throw new Error(`${events} of ${2 * EVENTS} events in blocks`);
  for (const part of [broker, registry, store]) await part.close();
  return rows;
}

/** Takes so many events from the socket to the chains, stage by stage. */
async function round(parts: Parts, chains: readonly string[]): Promise<Row[]> {
  const rows = [await capture(parts, chains)];
  for (const { place, queue } of stages) {
    const { name } = place;
    const work = name === 'msg-merge' ? () => giveTails(parts, name, queue, chains) : undefined;
    const start = (): Promise<RunningWorker> => place.start({ ...parts, instance: name });
    rows.push(await measure(name, start, work, () => isEmpty(parts, queue)));
  }
  return rows;
}

async function capture(parts: Parts, chains: readonly string[]): Promise<Row> {
  const port = await freePort();
  const urls = chains.map((id) => `http://127.0.0.1:${port}/append/chain/${id}`);
  const start = (): Promise<RunningWorker> => captureAt.with({ port }).start(parts);
  const post = async (): Promise<void> => {
    const { failed } = await load({ urls, connections: 64, amount: EVENTS, bytes: 500 });
    if (failed > 0) throw new Error(`${failed} requests failed`);
  };
  return measure(captureAt.name, start, post, async () => true);
}

/** Each chain gets one blueprint for each tail, so the tails come when all groups are there. */
async function giveTails({ broker, store }: Parts, instance: string, queue: string, chains: readonly string[]): Promise<void> {
  await until(async () => (await depth(broker, queue)).ready === 0, 10);
  const tails = await Promise.all(chains.map((chain) => findTail(store, chain)));
  await broker.publish(tails.map((tail) => writeTail(queues.tails.name.replace('{instance}', instance), tail)));
}

async function measure(
  name: string,
  start: () => Promise<RunningWorker>,
  work: (() => Promise<void>) | undefined,
  isDone: () => Promise<boolean>,
): Promise<Row> {
  const before = process.cpuUsage();
  const end = performance.now() + PATIENCE_MS;
  const running = await start();
  await work?.();
  await until(async () => {
    if (performance.now() > end) throw new Error(`${name} does not come to an end`);
    return isDone();
  }, 10);
  await running.stop({ graceMs: PATIENCE_MS });
  const { user, system } = process.cpuUsage(before);
  return { name: `stage ${name}: CPU`, value: (user + system) / EVENTS, unit: 'µs/event' };
}

async function isEmpty({ broker }: Parts, queue: string): Promise<boolean> {
  const { ready, unacked, delayed } = await depth(broker, queue);
  return ready + unacked + delayed === 0;
}

async function depth(broker: Parts['broker'], queue: string): Promise<{ ready: number; unacked: number; delayed: number }> {
  const found = (await broker.queues()).find(({ name }) => name === queue);
  if (!found) throw new Error(`there is no queue ${queue}`);
  return { ready: found.ready, unacked: found.unacked ?? 0, delayed: found.delayed ?? 0 };
}

if (process.argv[1] === import.meta.filename) {
  const folder = await mkdtemp(join(tmpdir(), 'blockhub-bench-'));
  try {
    console.log(JSON.stringify(await run(folder)));
  } finally {
    await rm(folder, { recursive: true });
  }
}
