export { AddressSet, networkOf, parsePeer } from './addresses.ts';
export { type ForwardingHeader, hopsOfForwarded, hopsOfXForwardedFor, parseHop } from './forwarded.ts';
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
