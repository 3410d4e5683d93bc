import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, startStandalone } from '../standalone/standalone.ts';
import { cpuSeconds, load, startScript } from './processes.ts';
import type { Row } from './table.ts';

const CONNECTIONS = 64;
const AMOUNT = 60_000;
const plan = { connections: CONNECTIONS, amount: AMOUNT, bytes: 500 };

/** Receipts per second of a bare fastify with one SQLite commit per turn, and of the real thing; the same load, in turn, three times. */
export async function benchCapture(): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'blockhub-bench-'));
  const rows: Row[] = [];
  const ratios: number[] = [];
  const [bare, real] = [[] as number[], [] as number[]];
  let cpu = 0;
  for (let round = 0; round < 3; round++) {
    const port = await freePort();
    const script = await startScript('bare-capture.ts', [join(folder, `bare-${round}.sqlite`), String(port)]);
    const baseline = await load({ ...plan, urls: [`http://127.0.0.1:${port}/append/chain/default`] });
    await script.stop();
    const ports = { port: await freePort(), probePort: await freePort() };
    const mesh = await startStandalone(join(folder, `data-${round}`), ports);
    const before = cpuSeconds(mesh.process.pid as number);
    const result = await load({ ...plan, urls: [`${mesh.url}/append/chain/default`] });
    cpu = ((cpuSeconds(mesh.process.pid as number) - before) * 1e6) / AMOUNT;
    mesh.process.kill('SIGKILL');
    await mesh.ended;
    if (baseline.failed + result.failed > 0) throw new Error(`failed requests: ${baseline.failed} and ${result.failed}`);
    bare.push(baseline.perSecond);
    real.push(result.perSecond);
    ratios.push(result.perSecond / baseline.perSecond);
  }
  rmSync(folder, { recursive: true });
  rows.push(
    { name: 'capture: bare fastify + SQLite, two rows', value: median(bare), unit: '201/s' },
    { name: 'capture: standalone, pipeline at work behind it', value: median(real), unit: '201/s' },
    { name: 'capture: ratio', value: median(ratios), unit: '', target: '≥ 0.6' },
    { name: 'capture: CPU of the whole process meanwhile', value: cpu, unit: 'µs/event' },
  );
  return rows;
}

export const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
