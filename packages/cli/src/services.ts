import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BlockhubError } from '@blockhub/errors';
import { errorText, exitCodeOf } from './exit.ts';

/** Services are loaded by path, so the command depends on none and starts without them. */
const folder = new URL('../../../services/', import.meta.url);
const mainOf = (name: string): URL => new URL(`${name}/src/main${extname(import.meta.filename)}`, folder);

export interface Service {
  readonly service: string;
  readonly summary: string;
}

export function listServices(): Service[] {
  const names = readdirSync(folder).filter((name) => existsSync(mainOf(name)));
  return names.toSorted().map((service) => ({ service, summary: summaryOf(service) }));
}

const summaryOf = (name: string): string =>
  (JSON.parse(readFileSync(new URL(`${name}/package.json`, folder), 'utf8')) as { description: string }).description;

/**
 * Makes this process a service, as the service's `main.ts` does. The service parses its settings.
 * Gives its exit code when it has ended: 0 stopped, 1 failed, 2 wrong settings.
 */
export async function runService(name: string, settings: readonly string[]): Promise<number> {
  try {
    const main = findMain(name);
    process.argv.splice(1, Number.POSITIVE_INFINITY, fileURLToPath(main), ...settings);
    await import(main.href);
    return Number(process.exitCode ?? 0);
  } catch (error) {
    process.stderr.write(`${errorText(error)}\n`);
    return exitCodeOf(error);
  }
}

function findMain(name: string): URL {
  const names = listServices().map(({ service }) => service);
  if (names.includes(name)) return mainOf(name);
  throw new BlockhubError('USAGE', `unknown service ${name}; expected one of ${names.join(', ')}`);
}
