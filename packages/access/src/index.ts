export { type Address, AddressSet, parseAddress, parsePeer } from './addresses.ts';
export { isSecretOf, parseKey } from './key.ts';
export {
  createKey,
  findKey,
  type KeyOptions,
  type KeyRecord,
  type KnownKey,
  keyIdOf,
  listKeys,
  type Revocation,
  revokeKey,
} from './keys.ts';
