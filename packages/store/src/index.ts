export { type BlockForm, BlockStore, type Linked, type SetNext, type SetNextOptions } from './block-store.ts';
export {
  type ByteRange,
  type FailureClass,
  failureClasses,
  type OnUnseen,
  type StoreCredentials,
  type StoreDriver,
  type StoredObject,
} from './driver.ts';
export { type MemoryDriver, type MemoryDriverOptions, MemoryStore } from './drivers/memory.ts';
export { afterFolder } from './keys.ts';
export { type OpenDriver, type OpenStoreOptions, openStore } from './open.ts';
export type { ProbeCheck, ProbeReport } from './probe.ts';
export { credentialsOf, storeSecrets, storeUserinfo } from './secrets.ts';
export { Store, type StoreOperation, type StoreOptions, storeOperations } from './store.ts';
