import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore, type Store } from '@blockhub/store';
import { findTail, listChains, type VerifyLevel, verifyChain } from '@blockhub/walker';
import { createChain } from '@blockhub/writer';
import { freePort, type Standalone, startStandalone, until } from '../standalone/standalone.ts';
import { quantile, waitsOf } from './latency.ts';
import { cpuSeconds, load, metric, peakMb, residentMb } from './processes.ts';
import type { Row } from './table.ts';

const AMOUNT = 120_000;

/**
 * Sustained load until every event is in a verified block; then the memory, requests and CPU time
 * of the run.
 */
export async function benchPipeline(chains: number, requests: boolean): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'blockhub-bench-'));
  const store = await openStore(`file://${folder}/store`);
  const names = Array.from({ length: chains }, (_, n) => `chain-${n}`);
  for (const name of names) await createChain(store, { name, now: Date.now(), random: Math.random, settings: { requests } });
  const mesh = await startStandalone(folder, { port: await freePort(), probePort: await freePort() });
  const pid = mesh.process.pid as number;
  const urls = names.map((name) => `${mesh.url}/append/chain/${name}`);
  const each = requests ? 2 : 1;
  // A chain's first event costs a search for its tail; what is counted is what comes after it.
  await load({ urls, connections: 1, amount: chains, bytes: 500 });
  await until(async () => metric(await metrics(mesh), 'blockhub_next_field_events_total') >= chains * each);
  const items = (AMOUNT + chains) * each;
  const blocksBefore = metric(await metrics(mesh), 'blockhub_next_field_blocks_total');
  const before = { cpu: cpuSeconds(pid), store: await storeRequests(mesh) };
  const started = performance.now();
  const sent = await load({ urls, connections: 64, amount: AMOUNT, bytes: 500 });
  await until(async () => metric(await metrics(mesh), 'blockhub_next_field_events_total') >= items);
  const seconds = (performance.now() - started) / 1000;
  const cpu = cpuSeconds(pid) - before.cpu;
  const stored = (await storeRequests(mesh)) - before.store;
  const text = await metrics(mesh);
  const blocks = metric(text, 'blockhub_next_field_blocks_total') - blocksBefore;
  const peak = peakMb(pid);
  mesh.process.kill('SIGTERM');
  await mesh.ended;
  const events = await verifyAll(store);
  if (sent.failed > 0 || events !== items) throw new Error(`${sent.failed} failed, ${events} of ${items} items in blocks`);
  rmSync(folder, { recursive: true });
  const what = `${chains} chain${chains > 1 ? 's' : ''}${requests ? '' : ', no request documents'}`;
  return [
    { name: `end to end, ${what}: into verified blocks`, value: AMOUNT / seconds, unit: 'events/s', target: '≥ 6,000; goal 12,000' },
    { name: `end to end, ${what}: capture meanwhile`, value: sent.perSecond, unit: '201/s' },
    { name: `end to end, ${what}: CPU`, value: (cpu * 1e6) / AMOUNT, unit: 'µs/event' },
    { name: `end to end, ${what}: blocks`, value: blocks, unit: 'blocks' },
    chains === 1
      ? { name: `end to end, ${what}: store requests`, value: (stored / AMOUNT) * 1000, unit: '/1,000 events', target: '≤ 10' }
      : { name: `end to end, ${what}: store requests`, value: stored / blocks, unit: '/block', target: '≤ 2.2' },
    { name: `end to end, ${what}: most memory`, value: peak, unit: 'MB RSS', target: '≤ 220' },
  ];
}

const metrics = async (mesh: Standalone): Promise<string> => (await fetch(`${mesh.probes}/metrics`)).text();
const storeRequests = async (mesh: Standalone): Promise<number> => metric(await metrics(mesh), 'blockhub_store_requests_total');

/** Events in blocks; throws where a chain has a fault. */
export async function verifyAll(store: Store, level: VerifyLevel = 'full'): Promise<number> {
  let events = 0;
  for await (const { id } of listChains(store)) {
    const report = await verifyChain(store, id, { level });
    if (report.faults.length > 0) throw new Error(`${id}: ${JSON.stringify(report.faults[0])}`);
    events += report.events;
  }
  return events;
}

/** Time from a receipt to its event in a block, at a steady 500 events per second. */
export async function benchLatency(): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'blockhub-bench-'));
  const mesh = await startStandalone(folder, { port: await freePort(), probePort: await freePort() });
  const pid = mesh.process.pid as number;
  const store = await openStore(`file://${folder}/store`);
  try {
    const waits = await waitsOf({ url: mesh.url, store, chain: 'default', perSecond: 500, seconds: 10, pollMs: 3 });
    return [
      { name: '201 → in a block at 500 events/s: p50', value: quantile(waits, 0.5), unit: 'ms', target: '< 150' },
      { name: '201 → in a block at 500 events/s: p99', value: quantile(waits, 0.99), unit: 'ms', target: '< 500' },
      { name: 'memory after it', value: residentMb(pid), unit: 'MB RSS' },
    ];
  } finally {
    mesh.process.kill('SIGKILL');
    await mesh.ended;
    rmSync(folder, { recursive: true });
  }
}

/** Memory of an idle process, and of one that knows of 10,000 idle chains. */
export async function benchIdle(): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'blockhub-bench-'));
  const mesh = await startStandalone(folder, { port: await freePort(), probePort: await freePort() });
  const pid = mesh.process.pid as number;
  await new Promise((resolve) => setTimeout(resolve, 3000));
  const idle = residentMb(pid);
  const url = (id: string): string => `${mesh.url}/append/chain/${id}`;
  const done = (events: number): Promise<void> =>
    until(async () => metric(await metrics(mesh), 'blockhub_next_field_events_total') >= events, 200);
  // The same events on one chain first: what a process keeps of any load is not the chains' doing.
  await load({ urls: [url('default')], connections: 1, amount: 10_000, bytes: 100 });
  await done(20_000);
  const worked = residentMb(pid);
  const store = await openStore(`file://${folder}/store`);
  const chains = await Promise.all(
    Array.from({ length: 10_000 }, (_, n) =>
      createChain(store, { name: `c${n}`, now: Date.now(), random: Math.random, settings: { requests: false } }),
    ),
  );
  for (let from = 0; from < chains.length; from += 500)
    await load({ urls: chains.slice(from, from + 500).map(({ id }) => url(id)), connections: 1, amount: 500, bytes: 100 });
  await done(20_000 + chains.length);
  const before = { taken: metric(await metrics(mesh), 'blockhub_messages_taken_total'), cpu: cpuSeconds(pid) };
  await new Promise((resolve) => setTimeout(resolve, 10_000));
  const after = { taken: metric(await metrics(mesh), 'blockhub_messages_taken_total'), cpu: cpuSeconds(pid) };
  const many = residentMb(pid);
  mesh.process.kill('SIGTERM');
  await mesh.ended;
  const tail = await findTail(store, chains[0]?.id ?? '');
  if (tail.height !== 1) throw new Error('the first chain has no block');
  rmSync(folder, { recursive: true });
  return [
    { name: 'idle: memory', value: idle, unit: 'MB RSS', target: '≤ 110' },
    { name: 'after 10,000 events on one chain: memory', value: worked, unit: 'MB RSS' },
    { name: '10,000 more chains that had an event each and are idle: memory more', value: many - worked, unit: 'MB RSS', target: '< 50' },
    { name: '10,000 idle chains: messages in 10 s', value: after.taken - before.taken, unit: 'messages', target: '0' },
    { name: '10,000 idle chains: CPU', value: ((after.cpu - before.cpu) / 10) * 100, unit: '% of a core' },
  ];
}
