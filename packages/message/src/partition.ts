import { BlockhubError } from '@blockhub/errors';

/**
 * 0 to `of - 1`: FNV-1a (32 bit) over UTF-8, mixed, modulo `of`. It never changes: else messages of
 * a chain would be in another queue than the one that its consumer takes from.
 */
export function partition(text: string, of: number): number {
  if (!Number.isInteger(of) || of < 1)
    throw new BlockhubError('TEMPLATE_INVALID', `the number of partitions must be an integer from 1, got ${of}`);
  return of === 1 ? 0 : mix(fnv1a(text)) % of;
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit > 0x7f) return fnv1aBytes(Buffer.from(text, 'utf8'));
    hash = Math.imul(hash ^ unit, 0x01000193);
  }
  return hash;
}

function fnv1aBytes(bytes: Buffer): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash;
}

/** The finalizer of MurmurHash3. The low bits of FNV-1a alone depend on few bits of the text. */
function mix(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
