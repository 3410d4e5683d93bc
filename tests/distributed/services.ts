import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { pipeline } from '@blockhub/standalone';
import { freePort, until } from '../standalone/standalone.ts';

const services = join(import.meta.dirname, '../../services');

/** One process of a mesh, started again whenever it was killed. */
export interface Instance {
  /** Place in the pipeline, and number. */
  readonly name: string;
  readonly url: string;
  /** kill -9, and a new process at once. */
  kill(): Promise<void>;
  /** Resolves with the exit code after SIGTERM. */
  stop(): Promise<number | null>;
}

/** The places of the pipeline, capture before them, and the variables that differ from the defaults. */
export function places(partitions: number): { readonly name: string; readonly service: string; readonly env: Record<string, string> }[] {
  const behind = pipeline({ partitions }).map(({ name, settings }) => ({
    name,
    service: name.replace(/^deploy-.*/, 'deploy'),
    env: Object.fromEntries(Object.entries(settings).map(([setting, value]) => [variableOf(setting), String(value)])),
  }));
  return [...behind, { name: 'web-to-msg', service: 'web-to-msg', env: {} }];
}

const variableOf = (setting: string): string => `BLOCKHUB_${setting.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;

/** Starts it and resolves when it is ready; rejects with what it wrote when it ends before. */
export async function startInstance(name: string, service: string, given: Readonly<Record<string, string>>): Promise<Instance> {
  const [port, probePort] = [await freePort(), await freePort()];
  const env = { ...process.env, ...given, BLOCKHUB_PORT: String(port), BLOCKHUB_PROBE_PORT: String(probePort) };
  let log = '';
  const start = (): ChildProcess => {
    const child = spawn(process.execPath, [join(services, service, 'src/main.ts')], { stdio: ['ignore', 'pipe', 'pipe'], env });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        log += chunk;
      });
    return child;
  };
  let child = start();
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}: ${log}`);
    const answer = await fetch(`http://127.0.0.1:${probePort}/readyz`).catch(() => undefined);
    return answer?.status === 200;
  });
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode !== null) return child.exitCode;
    child.kill(signal);
    const [code] = await once(child, 'exit');
    return code;
  };
  return {
    name,
    url: `http://127.0.0.1:${port}`,
    async kill() {
      await end('SIGKILL');
      child = start();
    },
    stop: () => end('SIGTERM'),
  };
}
