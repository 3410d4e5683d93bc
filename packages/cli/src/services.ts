import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BlockhubError } from '@blockhub/errors';

/** They are not imported by name: the command must start without them, and depends on none. */
const folder = new URL('../../../services/', import.meta.url);
const mainOf = (name: string): URL => new URL(`${name}/src/main${extname(import.meta.filename)}`, folder);

/** What `blockhub run` can start. */
export interface Service {
  readonly service: string;
  readonly summary: string;
}

/** Every service, by name. */
export function listServices(): Service[] {
  const names = readdirSync(folder).filter((name) => existsSync(mainOf(name)));
  return names.toSorted().map((service) => ({ service, summary: summaryOf(service) }));
}

/**
 * Makes this process the service, as its `main.ts` does: the settings are its own, `--help` too. Resolves when it has ended, with its exit code.
 * @throws USAGE for a name that no service has
 */
export async function runService(name: string, settings: readonly string[]): Promise<number> {
  const known = listServices().map(({ service }) => service);
  if (!known.includes(name)) throw new BlockhubError('USAGE', `there is no service ${name}; there are ${known.join(', ')}`);
  const main = mainOf(name);
  process.argv.splice(1, Number.POSITIVE_INFINITY, fileURLToPath(main), ...settings);
  await import(main.href);
  return Number(process.exitCode ?? 0);
}

const summaryOf = (name: string): string =>
  (JSON.parse(readFileSync(new URL(`${name}/package.json`, folder), 'utf8')) as { description: string }).description;
