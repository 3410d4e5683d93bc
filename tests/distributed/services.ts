import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
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
