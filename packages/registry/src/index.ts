export { MemoryRegistry } from './memory.ts';
export { openRegistry, type RegistryOptions } from './open.ts';
export type { ChainRecord, ClaimTimes, Registry } from './registry.ts';
export { registrySecrets, registryUserinfo } from './secrets.ts';
