import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { importsOf } from '../architecture/imports.ts';

/**
 * What a suite costs:
 *
 * | layer     | which suites                                                                         |
 * | --------- | ------------------------------------------------------------------------------------ |
 * | `fast`    | all others                                                                           |
 * | `long`    | its first lines say `@group long`, or it starts processes                            |
 * | `servers` | it starts containers                                                                 |
 *
 * The last two follow from the imports of the suite and of the files beside it that it imports, so
 * that there is no list to keep.
 */
export type Layer = 'fast' | 'long' | 'servers';

const layers: readonly Layer[] = ['fast', 'long', 'servers'];

const top = resolve(import.meta.dirname, '../..');
/** What test-servers exports that starts a container. */
const starters = new Set(['minio', 'rabbitmq', 'redis', 'redisCluster', 'sharedRabbitmq']);
const fromTestServers = /^import \{([^}]*)\} from '@blockhub\/test-servers';$/gm;
const groupLong = /^\/\*\* @group long[ :.]/m;
/** Marks a suite that starts containers by `docker`. */
const docker = join(top, 'tests/image/docker.ts');

/** The absolute paths of all suites of these layers. */
export const suitesOf = (wanted: readonly Layer[]): string[] =>
  globSync('{packages,services,mesh,tests}/**/*.test.ts', { cwd: top, exclude: (name) => name.includes('node_modules') })
    .filter((path) => wanted.includes(layerOf(join(top, path))))
    .toSorted();

/** Gives the source of a file; `undefined` if there is no such file. */
type Read = (path: string) => string | undefined;

const readFile: Read = (path) => (existsSync(path) ? readFileSync(path, 'utf8') : undefined);

/** The layer of the suite at this absolute path. */
export function layerOf(suite: string, read: Read = readFile): Layer {
  const files = testCodeOf(suite, read);
  const sources = [...files.values()];
  if (files.has(docker) || sources.some(startsServer)) return 'servers';
  return groupLong.test(files.get(suite) ?? '') || sources.some(startsProcess) ? 'long' : 'fast';
}

const startsServer = (source: string): boolean =>
  [...source.matchAll(fromTestServers)].some(([, names = '']) => names.split(',').some((name) => starters.has(name.trim())));

const startsProcess = (source: string): boolean =>
  importsOf(source).some(({ specifier, typeOnly }) => specifier === 'node:child_process' && !typeOnly);

/** The suite and what it imports by a relative path, directly or not, with their sources. */
function testCodeOf(suite: string, read: Read): Map<string, string> {
  const found = new Map<string, string>();
  const waiting = [suite];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (found.has(path)) continue;
    const source = read(path);
    // Some tests have imports inside of strings; only those of files that exist count.
    if (source === undefined) continue;
    found.set(path, source);
    for (const { specifier } of importsOf(source))
      if (specifier.startsWith('.') && specifier.endsWith('.ts')) waiting.push(resolve(dirname(path), specifier));
  }
  return found;
}

/** The layers that a variable names, separated by commas. */
export function parseLayers(text: string): Layer[] {
  const names = text.split(',');
  for (const name of names)
    if (!layers.some((layer) => layer === name))
      throw new Error(`BLOCKHUB_TEST_LAYERS=${text}: expected ${layers.join(', ')}, got ${name}`);
  return names as Layer[];
}
