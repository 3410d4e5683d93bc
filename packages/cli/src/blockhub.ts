/** For tests: runs the command as a process of its own, its output piped. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

export const mainFile: string = join(import.meta.dirname, 'main.ts');

export function start(args: readonly string[], env: Record<string, string> = {}): { child: ChildProcess; ran: Promise<Ran> } {
  const child = spawn(process.execPath, [mainFile, ...args], { stdio: 'pipe', env: { ...process.env, ...env } });
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve));
  const ran = Promise.all([closed, text(child.stdout), text(child.stderr)]).then(([code, stdout, stderr]) => ({ code, stdout, stderr }));
  return { child, ran };
}

/** Runs it to its end. */
export async function blockhub(
  args: readonly string[],
  options: { stdin?: string | Buffer; env?: Record<string, string> } = {},
): Promise<Ran> {
  const { child, ran } = start(args, options.env);
  child.stdin?.end(options.stdin ?? '');
  return ran;
}

/** The lines of NDJSON. */
// biome-ignore lint/suspicious/noExplicitAny: a test says what it expects
export const linesOf = ({ stdout }: Ran): any[] =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
