import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Manifest, SourceFile } from './rules.ts';

/** The root folder of the repository. */
const top = resolve(import.meta.dirname, '../..');

const find = (pattern: string): string[] => globSync(pattern, { cwd: top, exclude: (name) => name.includes('node_modules') }).toSorted();
const read = (path: string): string => readFileSync(join(top, path), 'utf8');

/** Every source file of packages and services. */
export const sourceFiles = (): SourceFile[] => find('{packages,services}/*/src/**/*.ts').map((path) => ({ path, source: read(path) }));

/** Every package.json of packages and services, by its path. */
export const manifests = (): Map<string, Manifest> =>
  new Map(find('{packages,services}/*/package.json').map((path) => [path, JSON.parse(read(path)) as Manifest]));

/** The names of all services. */
export const serviceNames = (): Set<string> => new Set(find('services/*/package.json').map((path) => path.split('/')[1] ?? ''));

/** Entries of production code: what each package.json exports as `.`, and `main.ts`. Other exports are for tests. */
export const entries = (): string[] =>
  [...manifests()].flatMap(([path, { exports = {} }]) => {
    const folder = path.slice(0, -'package.json'.length);
    return [`${folder}${exports['.']?.slice('./'.length)}`, `${folder}src/main.ts`];
  });
