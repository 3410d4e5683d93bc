import { BlockhubError } from '@blockhub/errors';
import { MemoryRegistry } from './memory.ts';
import type { Registry } from './registry.ts';

/** Opens the registry behind a URL of its scheme. */
type OpenRegistry = (url: string) => Promise<Registry>;

export interface RegistryOptions {
  /** Further schemes, by name without colon; they win over those that are built in. */
  readonly schemes?: Readonly<Record<string, OpenRegistry>>;
}

/** Drivers are loaded when their scheme is used, so that nobody pays for the others. */
const builtIn: Readonly<Record<string, OpenRegistry>> = {
  async memory(url) {
    if (url !== 'memory:') throw invalid(url, 'takes nothing behind memory:');
    return new MemoryRegistry();
  },
  async sqlite(url) {
    const { SqliteRegistry } = await import('./sqlite.ts');
    return SqliteRegistry.open(sqlitePath(url));
  },
};

/** User and password never reach a message. */
const shown = (url: string): string => JSON.stringify(url.slice(0, 200).replace(/(\/\/|:|^)[^/\s]*@/, '$1[hidden]@'));

const invalid = (url: string, reason: string, cause?: unknown): BlockhubError =>
  new BlockhubError('REGISTRY_URL_INVALID', `the registry URL ${shown(url)} ${reason}`, { cause });

function sqlitePath(url: string): string {
  const path = /^sqlite:\/\/(\/[^?#]*[^?#/])$/.exec(url)?.[1];
  if (path === undefined) {
    if (/[?#]/.test(url)) throw invalid(url, 'has options behind ? or #; there are none for sqlite');
    throw invalid(url, 'needs the absolute path of a file: write sqlite:///var/lib/blockhub/registry.sqlite');
  }
  try {
    const decoded = decodeURIComponent(path);
    if (!decoded.includes('\0')) return decoded;
  } catch (error) {
    throw invalid(url, 'has a broken % escape; write %25 for a percent sign', error);
  }
  throw invalid(url, 'holds a zero byte');
}

/**
 * Opens the registry at `memory:` (a new one each time) or `sqlite:///absolute/path` (created when absent, its folder must exist).
 * @throws REGISTRY_URL_INVALID, REGISTRY_CORRUPT, REGISTRY_UNAVAILABLE, DATA_FOLDER_UNUSABLE
 */
export async function openRegistry(url: string, { schemes = {} }: RegistryOptions = {}): Promise<Registry> {
  const scheme = /^([a-z][a-z0-9+.-]*):/.exec(url)?.[1] ?? '';
  const open = [schemes, builtIn].find((known) => Object.hasOwn(known, scheme))?.[scheme];
  if (open) return open(url);
  const known = [...new Set([...Object.keys(builtIn), ...Object.keys(schemes)])].map((name) => `${name}:`).join(', ');
  throw invalid(url, `has no scheme that is known here: use ${known}`);
}
