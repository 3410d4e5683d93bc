import { driverFor, parseDriverUrl, readUrlPath, refuseUrlParts } from '@blockhub/settings';
import { MemoryRegistry } from './memory.ts';
import type { DriverOptions, Registry } from './registry.ts';
import { registryUserinfo } from './secrets.ts';

type OpenRegistry = (url: URL, options: DriverOptions) => Promise<Registry>;

export interface RegistryOptions extends DriverOptions {
  /** Drivers by scheme, beside or instead of the built-in ones. */
  readonly drivers?: Readonly<Record<string, OpenRegistry>>;
}

/** A driver is loaded when its scheme is used, so that a process loads only one. */
const builtIn: Readonly<Record<string, OpenRegistry>> = {
  async memory(url) {
    refuseUrlParts(url, registryUserinfo);
    return new MemoryRegistry();
  },
  async sqlite(url) {
    const { SqliteRegistry } = await import('./sqlite.ts');
    return SqliteRegistry.open(readUrlPath(url, 'file', registryUserinfo));
  },
  redis: openRedis,
  rediss: openRedis,
};

async function openRedis(url: URL, options: DriverOptions): Promise<Registry> {
  const [{ RedisRegistry }, { parseRedisUrl }] = await Promise.all([import('./redis.ts'), import('./redis-url.ts')]);
  return RedisRegistry.open(parseRedisUrl(url), options);
}

/**
 * Opens the registry at `memory:` (a new one each time), `sqlite:///absolute/path` (created if
 * absent; its folder must exist), `redis://user@host:6379/0?prefix=name` or `rediss:` (see
 * `parseRedisUrl`; opened even if the server does not answer).
 * @throws REGISTRY_URL_INVALID, REGISTRY_CORRUPT, REGISTRY_UNAVAILABLE, REGISTRY_DENIED,
 * DATA_FOLDER_UNUSABLE
 */
export async function openRegistry(text: string, { drivers, ...options }: RegistryOptions = {}): Promise<Registry> {
  const url = parseDriverUrl(text, registryUserinfo);
  return driverFor(url, { ...builtIn, ...drivers }, registryUserinfo)(url, options);
}
