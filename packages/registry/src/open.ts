import { invalidUrl } from './invalid-url.ts';
import { MemoryRegistry } from './memory.ts';
import type { Registry, RegistryLog } from './registry.ts';

/** Opens the registry behind a URL of its scheme. */
type OpenRegistry = (url: string, options: Omit<RegistryOptions, 'schemes'>) => Promise<Registry>;

export interface RegistryOptions {
  /** For a server that asks for one; never in the URL. */
  readonly password?: string | undefined;
  readonly log?: RegistryLog | undefined;
  /** Further schemes, by name without colon; they win over those that are built in. */
  readonly schemes?: Readonly<Record<string, OpenRegistry>>;
}

/** Drivers are loaded when their scheme is used, so that nobody pays for the others. */
const builtIn: Readonly<Record<string, OpenRegistry>> = {
  async memory(url) {
    if (url !== 'memory:') throw invalidUrl(url, 'takes nothing behind memory:');
    return new MemoryRegistry();
  },
  async sqlite(url) {
    const { SqliteRegistry } = await import('./sqlite.ts');
    return SqliteRegistry.open(sqlitePath(url));
  },
  redis: openRedis,
  rediss: openRedis,
};

async function openRedis(url: string, options: Omit<RegistryOptions, 'schemes'>): Promise<Registry> {
  const [{ RedisRegistry }, { parseRedisPlace }] = await Promise.all([import('./redis.ts'), import('./redis-place.ts')]);
  return RedisRegistry.open(parseRedisPlace(url), options);
}

function sqlitePath(url: string): string {
  const path = /^sqlite:\/\/(\/[^?#]*[^?#/])$/.exec(url)?.[1];
  if (path === undefined) {
    if (/[?#]/.test(url)) throw invalidUrl(url, 'has options behind ? or #; there are none for sqlite');
    throw invalidUrl(url, 'needs the absolute path of a file: write sqlite:///var/lib/blockhub/registry.sqlite');
  }
  try {
    const decoded = decodeURIComponent(path);
    if (!decoded.includes('\0')) return decoded;
  } catch (error) {
    throw invalidUrl(url, 'has a broken % escape; write %25 for a percent sign', error);
  }
  throw invalidUrl(url, 'holds a zero byte');
}

/**
 * Opens the registry at `memory:` (a new one each time), `sqlite:///absolute/path` (created when absent, its folder must exist) or
 * `redis://user@host:6379/0?prefix=name` and `rediss:` (see `parseRedisPlace`; opened also when nobody answers).
 * @throws REGISTRY_URL_INVALID, REGISTRY_CORRUPT, REGISTRY_UNAVAILABLE, REGISTRY_DENIED, DATA_FOLDER_UNUSABLE
 */
export async function openRegistry(url: string, { schemes = {}, ...options }: RegistryOptions = {}): Promise<Registry> {
  const scheme = /^([a-z][a-z0-9+.-]*):/.exec(url)?.[1] ?? '';
  const open = [schemes, builtIn].find((known) => Object.hasOwn(known, scheme))?.[scheme];
  if (open) return open(url, options);
  const known = [...new Set([...Object.keys(builtIn), ...Object.keys(schemes)])].map((name) => `${name}:`).join(', ');
  throw invalidUrl(url, `has no scheme that is known here: use ${known}`);
}
