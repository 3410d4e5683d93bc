import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { groups, type Place, placesOf, variablesOf } from '@blockhub/mesh';
import { readNodeStart } from '../image/flags.ts';
import { freePort, until } from '../standalone/standalone.ts';
import { median } from './capture.ts';
import { cpuSeconds, metric, peakMb, residentMb } from './processes.ts';

/** Bundled, as in the image. */
let bundled: string | undefined;
const { environment, flags } = readNodeStart();
const START_MS = 180_000;
const MEMORY_SAMPLE_MS = 500;

/** What places have in common: broker, store, registry, as variables of the environment. */
export type Environment = Readonly<Record<string, string>>;

/** One process of a mesh. */
export interface Replica {
  /** Of its place in the pipeline. */
  readonly name: string;
  readonly pid: number;
  readonly url: string;
  metrics(): Promise<string>;
  stop(): Promise<void>;
}

/** Every place of the pipeline, as many processes of each. */
export interface Mesh {
  readonly replicas: readonly Replica[];
  /** Where events are posted. */
  readonly urls: readonly string[];
  /** Summed over the processes of one place, or of all. */
  metric(name: string, place?: string): Promise<number>;
  /** CPU seconds so far, by place. */
  cpu(): ReadonlyMap<string, number>;
  /** The most memory that a process of a place ever had, its start included, in MB. */
  peaks(): ReadonlyMap<string, number>;
  /**
   * Starts to sample. The function that it returns gives the median memory of a process of each
   * place, in MB.
   */
  watchMemory(): () => ReadonlyMap<string, number>;
  stop(): Promise<void>;
}

export interface MeshOptions {
  readonly env: Environment;
  readonly replicas: number;
  readonly partitions: number;
}

export async function startMesh({ env, replicas, partitions }: MeshOptions): Promise<Mesh> {
  const places = placesOf(groups, { partitions });
  const [first] = places as [Place];
  const rest = Array.from({ length: replicas }, () => places).flat();
  rest.splice(rest.indexOf(first), 1);
  // The first process probes the store, and the others find its result.
  const started = [await startReplica(first, env)];
  started.push(...(await Promise.all(rest.map((place) => startReplica(place, env)))));
  const samplers: NodeJS.Timeout[] = [];
  const sumOf = (name: string, of: (replica: Replica) => number): number =>
    started.filter((replica) => replica.name === name).reduce((sum, replica) => sum + of(replica), 0);
  return {
    replicas: started,
    urls: started.filter(({ name }) => name === first.name).map(({ url }) => url),
    async metric(name, place) {
      const texts = await Promise.all(started.filter((replica) => !place || replica.name === place).map((replica) => replica.metrics()));
      return texts.reduce((sum, text) => sum + metric(text, name), 0);
    },
    cpu: () => new Map(places.map(({ name }) => [name, sumOf(name, ({ pid }) => cpuSeconds(pid))])),
    peaks: () =>
      new Map(places.map(({ name }) => [name, Math.max(...started.filter((one) => one.name === name).map(({ pid }) => peakMb(pid)))])),
    watchMemory() {
      const seen = new Map(places.map(({ name }) => [name, [] as number[]]));
      const sampler = setInterval(() => {
        for (const { name, pid } of started) seen.get(name)?.push(residentMb(pid));
      }, MEMORY_SAMPLE_MS);
      samplers.push(sampler);
      return () => {
        clearInterval(sampler);
        return new Map(Array.from(seen, ([name, values]) => [name, median(values)]));
      };
    },
    async stop() {
      for (const sampler of samplers) clearInterval(sampler);
      await Promise.all(started.map((replica) => replica.stop()));
    },
  };
}

/** Capture alone. */
export const startCapture = (env: Environment): Promise<Replica> => startReplica(placesOf(groups)[0] as Place, env);

const STOP_MS = 10_000;

/** None of them outlives the benchmark. */
const children = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  if (bundled !== undefined) rmSync(bundled, { recursive: true, force: true });
});

/** The command in a bundle of its own. */
function bundle(): string {
  if (bundled === undefined) {
    bundled = mkdtempSync(join(tmpdir(), 'blockhub-bench-code-'));
    execFileSync(process.execPath, [join(import.meta.dirname, '../../docker/bundle.ts'), bundled]);
  }
  return join(bundled, 'packages/cli/src/main.js');
}

async function startReplica(one: Place, env: Environment): Promise<Replica> {
  const { name, worker } = one;
  const [port, probePort] = [await freePort(), await freePort()];
  const ports = { BLOCKHUB_PORT: String(port), BLOCKHUB_PROBE_PORT: String(probePort) };
  const child: ChildProcess = spawn(process.execPath, [...flags, bundle(), 'run', worker.name], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      ...Object.fromEntries(environment.map((variable) => variable.split('='))),
      BLOCKHUB_LOG_LEVEL: 'error',
      BLOCKHUB_GRACE: '2s',
      ...env,
      ...variablesOf(one),
      ...ports,
    },
  });
  const ended = once(child, 'exit');
  children.add(child);
  const probes = `http://127.0.0.1:${probePort}`;
  const end = performance.now() + START_MS;
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`);
    if (performance.now() > end) throw new Error(`${name} is not ready in time`);
    return (await fetch(`${probes}/readyz`).catch(() => undefined))?.status === 200;
  }, 200);
  return {
    name,
    pid: child.pid as number,
    url: `http://127.0.0.1:${port}`,
    metrics: async () => (await fetch(`${probes}/metrics`)).text(),
    async stop() {
      child.kill('SIGTERM');
      const overdue = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      await ended;
      clearTimeout(overdue);
      children.delete(child);
    },
  };
}
