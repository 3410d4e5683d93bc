import { isCount, isObject } from './canonical.ts';
import { isEvent } from './event.ts';
import { isHash } from './hash.ts';
import type { At, BlobItem, Meta } from './types.ts';

/** What is wrong: a JSON pointer below the checked value, and words. */
export type Wrong = readonly [path: string, message: string];

/** Names that meta must not use, because they are fields of the receipt or of its message. */
export const reservedMeta: ReadonlySet<string> = new Set(['event', 'crypt', 'hash', 'length', 'sha256', 'chain', 'createdAt']);

/** Checks only the fields in a block's id. A reader finds extra fields by encoding again. */
export function wrongItem(item: BlobItem): Wrong | undefined {
  if (!isObject(item)) return ['', 'must be an object'];
  if (item.crypt !== 'sha256' && item.crypt !== 'md5') return ['/crypt', 'must be sha256 or md5'];
  if (!isEvent(item.event)) return ['/event', 'must be a UUIDv7 in lower case'];
  if (!isHash(item.hash, item.crypt)) return ['/hash', `must be a ${item.crypt} in lower-case hex`];
  if (!isCount(item.length)) return ['/length', 'must be a number of bytes'];
  if (item.crypt === 'sha256') return item.sha256 === undefined ? undefined : ['/sha256', 'is allowed only beside md5'];
  return isHash(item.sha256, 'sha256') ? undefined : ['/sha256', 'must be beside md5, in lower-case hex'];
}

export function wrongAt(at: At): Wrong | undefined {
  if (!isObject(at)) return ['/at', 'must be an object'];
  if (typeof at.key !== 'string' || at.key === '') return ['/at/key', 'must be a key'];
  return at.offset === undefined || isCount(at.offset) ? undefined : ['/at/offset', 'must be a number of bytes'];
}

export function wrongMeta(meta: Meta): Wrong | undefined {
  if (!isObject(meta)) return ['/meta', 'must be an object'];
  for (const name in meta) {
    const value = meta[name];
    const type = typeof value;
    if (type !== 'string' && type !== 'boolean' && !Number.isFinite(value))
      return [`/meta/${name}`, 'must be a string, a finite number or a boolean'];
    if (reservedMeta.has(name)) return [`/meta/${name}`, 'is a reserved name'];
  }
  return undefined;
}
