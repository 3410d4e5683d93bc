import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');
export const standaloneMain = join(root, 'services/standalone/src/main.ts');
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: { start: string } };
/** The flags of Node in `pnpm start`. */
export const nodeFlags: readonly string[] = scripts.start.split(' ').filter((word) => word.startsWith('--'));
const blockhubMain = join(root, 'packages/cli/src/main.ts');

/** A standalone process as a user would start it. */
export interface Standalone {
  readonly process: ChildProcess;
  readonly url: string;
  readonly probes: string;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Resolves with the exit code, or the signal's name. */
  readonly ended: Promise<number | string>;
}

/** A free port that no outgoing connection takes: those begin above 32,767. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 32_768);
    const server = createServer().listen(port, '127.0.0.1');
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}

/**
 * Starts a process. Resolves when it prints its address; rejects with its output if it ends before.
 * @param openFiles maximum number of files that the process may have open
 */
export async function startStandalone(
  data: string,
  ports: { port: number; probePort: number },
  more: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
  openFiles?: number,
): Promise<Standalone> {
  const args = ['--data', data, '--port', String(ports.port), '--probe-port', String(ports.probePort), ...more];
  const command = [process.execPath, ...nodeFlags, standaloneMain, ...args];
  const [program = '', ...words] = openFiles === undefined ? command : ['sh', '-c', `ulimit -n ${openFiles}; exec "$@"`, 'sh', ...command];
  const child = spawn(program, words, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let stdout = '';
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = once(child, 'exit').then(([code, signal]) => (code as number | null) ?? (signal as string));
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
      if (stdout.includes('/append/chain/')) resolve();
    });
    ended.then((code) => reject(new Error(`ended with ${code}: ${stdout}${stderr}`)));
  });
  return {
    process: child,
    url: `http://127.0.0.1:${ports.port}`,
    probes: `http://127.0.0.1:${ports.probePort}`,
    stdout: () => stdout,
    stderr: () => stderr,
    ended,
  };
}

/** Runs `blockhub …` and gives its output. */
export async function blockhub(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [blockhubMain, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const [code] = await once(child, 'close');
  return { code: code as number, stdout, stderr };
}

/** Polls until the condition holds. The time-out of the test is the limit. */
export async function until(condition: () => Promise<boolean> | boolean, pauseMs = 50): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, pauseMs));
}

/** Resolves when no queue of the pipeline holds a message. Kept dead letters do not count. */
export async function quiet(data: string): Promise<void> {
  await until(async () => {
    const { stdout } = await blockhub('queues', '--data', data, '--output', 'ndjson');
    const queues = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { name: string; ready: number; delayed: number });
    return queues.length > 0 && queues.every((queue) => queue.name === 'dead-letter.kept' || queue.ready + queue.delayed === 0);
  }, 200);
}
