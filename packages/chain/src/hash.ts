import { hash } from 'node:crypto';
import type { BlobItem, Crypt } from './types.ts';

const sha256Form = /^[0-9a-f]{64}$/;
const md5Form = /^[0-9a-f]{32}$/;

/** Lower-case hex of the hash of these bytes. */
export const hashOf = (crypt: Crypt, bytes: Uint8Array): string => hash(crypt, bytes, 'hex');

/** 32 (md5) or 64 (sha256) lower-case hex digits; with `crypt`, only those of that function. */
export function isHash(text: unknown, crypt?: Crypt): text is string {
  if (typeof text !== 'string') return false;
  if (text.length === 64) return crypt !== 'md5' && sha256Form.test(text);
  return text.length === 32 && crypt !== 'sha256' && md5Form.test(text);
}

/** The hash function whose ids have this length. */
export const cryptOf = (id: string): Crypt => (id.length === 32 ? 'md5' : 'sha256');

/** True if the length and every hash of the item are those of the bytes. */
export function blobMatches(item: Pick<BlobItem, 'crypt' | 'hash' | 'length' | 'sha256'>, bytes: Uint8Array): boolean {
  if (bytes.length !== item.length || hashOf(item.crypt, bytes) !== item.hash) return false;
  return item.crypt === 'sha256' || hashOf('sha256', bytes) === item.sha256;
}
