import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore } from '@blockhub/store';
import { createChain } from '@blockhub/writer';
import { freePort, nodeFlags, startStandalone, until } from '../standalone/standalone.ts';
import { cpuSeconds, load, startScript } from './processes.ts';
import type { Row } from './table.ts';

const webToMsg = join(import.meta.dirname, '../../services/web-to-msg/src/main.ts');
const CONNECTIONS = 64;
const AMOUNT = 60_000;
const plan = { connections: CONNECTIONS, amount: AMOUNT, bytes: 500 };

/**
 * Receipts per second of bare fastify with one SQLite commit per turn, and of capture. Both get the
 * same load in turn, three times.
 */
export async function benchCapture(): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'blockhub-bench-'));
  const rows: Row[] = [];
  const ratios: number[] = [];
  const alone: number[] = [];
  const ratiosAlone: number[] = [];
  const [bare, real] = [[] as number[], [] as number[]];
  let cpu = 0;
  for (let round = 0; round < 3; round++) {
    const port = await freePort();
    const script = await startScript('bare-capture.ts', [join(folder, `bare-${round}.sqlite`), String(port)]);
    const baseline = await load({ ...plan, urls: [`http://127.0.0.1:${port}/append/chain/default`] });
    await script.stop();
    const single = await aloneRound(join(folder, `alone-${round}`));
    const ports = { port: await freePort(), probePort: await freePort() };
    const mesh = await startStandalone(join(folder, `data-${round}`), ports);
    const before = cpuSeconds(mesh.process.pid as number);
    const result = await load({ ...plan, urls: [`${mesh.url}/append/chain/default`] });
    cpu = ((cpuSeconds(mesh.process.pid as number) - before) * 1e6) / AMOUNT;
    mesh.process.kill('SIGKILL');
    await mesh.ended;
    alone.push(single.perSecond);
    ratiosAlone.push(single.perSecond / baseline.perSecond);
    if (baseline.failed + single.failed + result.failed > 0) throw new Error(`failed requests: ${baseline.failed} and ${result.failed}`);
    bare.push(baseline.perSecond);
    real.push(result.perSecond);
    ratios.push(result.perSecond / baseline.perSecond);
  }
  rmSync(folder, { recursive: true });
  rows.push(
    { name: 'capture: bare fastify + SQLite, two rows', value: median(bare), unit: '201/s' },
    { name: 'capture: web-to-msg as a process of its own', value: median(alone), unit: '201/s' },
    { name: 'capture: ratio of that to bare', value: median(ratiosAlone), unit: '', target: '≥ 0.6' },
    { name: 'capture: standalone, the whole pipeline at work in the same process', value: median(real), unit: '201/s' },
    { name: 'capture: ratio of that to bare', value: median(ratios), unit: '' },
    { name: 'capture: CPU of the whole process meanwhile', value: cpu, unit: 'µs/event' },
  );
  return rows;
}

/** The capture service alone, on the same drivers. */
async function aloneRound(folder: string): Promise<Awaited<ReturnType<typeof load>>> {
  mkdirSync(folder);
  const store = await openStore(`file://${folder}/store`);
  await createChain(store, { name: 'default', now: Date.now(), random: Math.random });
  const [port, probePort] = [await freePort(), await freePort()];
  const urls = [
    '--broker',
    `sqlite://${folder}/broker.sqlite`,
    '--store',
    `file://${folder}/store`,
    '--registry',
    `sqlite://${folder}/registry.sqlite`,
  ];
  const args = [...nodeFlags, webToMsg, ...urls, '--port', String(port), '--probe-port', String(probePort), '--log-level', 'error'];
  const child = spawn(process.execPath, args, { stdio: 'inherit' });
  await until(async () => (await fetch(`http://127.0.0.1:${probePort}/readyz`).catch(() => undefined))?.status === 200);
  const result = await load({ ...plan, urls: [`http://127.0.0.1:${port}/append/chain/default`] });
  child.kill('SIGKILL');
  await once(child, 'exit');
  return result;
}

export const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
