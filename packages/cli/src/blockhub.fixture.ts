/** For tests: runs the command, its output piped. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { systemClock } from '@blockhub/clock';
import { run } from './run.ts';
import type { Io } from './session.ts';

export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

export const mainFile: string = join(import.meta.dirname, 'main.ts');

/** In the folder `cwd`, or in that of this process. */
export function start(args: readonly string[], env: Record<string, string> = {}, cwd?: string): { child: ChildProcess; ran: Promise<Ran> } {
  const child = spawn(process.execPath, [mainFile, ...args], { stdio: 'pipe', env: { ...process.env, ...env }, cwd });
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve));
  const ran = Promise.all([closed, text(child.stdout), text(child.stderr)]).then(([code, stdout, stderr]) => ({ code, stdout, stderr }));
  return { child, ran };
}

/** Runs it to its end, as a process of its own. */
export async function blockhub(
  args: readonly string[],
  options: { stdin?: string | Buffer; env?: Record<string, string>; cwd?: string } = {},
): Promise<Ran> {
  const { child, ran } = start(args, options.env, options.cwd);
  child.stdin?.end(options.stdin ?? '');
  return ran;
}

/** Runs it to its end in this process, with what is given instead of the process's own. */
export async function blockhubHere(args: readonly string[], given: Partial<Io> & { input?: string } = {}): Promise<Ran> {
  const { input = '', ...io } = given;
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const output = Promise.all([text(stdout), text(stderr)]);
  const code = await run(args, { stdin: Readable.from([Buffer.from(input)]), stdout, stderr, ...io });
  stdout.end();
  stderr.end();
  const [out, err] = await output;
  return { code, stdout: out, stderr: err };
}

/** A clock on which everything takes three seconds, and waiting no time. */
export function slowClock(): typeof systemClock {
  let ticks = 0;
  return {
    ...systemClock,
    ticks: () => (ticks += 3_000),
    sleep: async () => {},
  };
}

// biome-ignore lint/suspicious/noExplicitAny: a test says what it expects
export const linesOf = ({ stdout }: Ran): any[] =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
