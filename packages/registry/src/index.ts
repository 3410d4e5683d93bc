export { MemoryRegistry } from './memory.ts';
export { openRegistry, type RegistryOptions } from './open.ts';
export type { ChainRecord, Registry } from './registry.ts';
export { registrySecrets } from './secrets.ts';
