import { execFile } from 'node:child_process';
import { join } from 'node:path';

const top = join(import.meta.dirname, '../..');

/** How a program ended, and what it wrote. */
export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const run = (program: string, args: readonly string[]): Promise<Ran> =>
  new Promise((resolve) => {
    execFile(program, args, { cwd: top, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) || 1 : 0, stdout, stderr: stderr || (error?.message ?? '') });
    });
  });

/** Runs `docker …`; resolves for every exit code. */
export const docker = (...args: string[]): Promise<Ran> => run('docker', args);

/** Runs `docker …` and gives its output; rejects if it fails. */
export async function ask(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await docker(...args);
  if (code !== 0) throw new Error(`docker ${args.join(' ')} ended with ${code}: ${stdout}${stderr}`);
  return stdout.trim();
}

/**
 * Why no image can be built here; undefined if one can. An image that the environment names must
 * work.
 */
export async function whyNot(base: string, isNamed: boolean): Promise<string | undefined> {
  const found = await docker('image', 'inspect', base);
  const pulled = found.code === 0 ? found : await docker('pull', '--quiet', base);
  if (pulled.code === 0) return undefined;
  const reason = `${base}: ${pulled.stderr.trim().split('\n').at(-1)}`;
  if (isNamed) throw new Error(`BLOCKHUB_TEST_NODE_IMAGE=${reason}`);
  return reason;
}

/** Runs `pnpm images`. */
export async function buildImage(base: string, tag: string, ...more: string[]): Promise<Ran> {
  const built = await run(process.execPath, ['docker/images.ts', '--base', base, '--tag', tag, '--', ...more]);
  if (built.code !== 0) throw new Error(`the image could not be built: ${built.stderr.slice(-2000)}`);
  return built;
}
