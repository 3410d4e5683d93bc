import { BlockhubError } from '@blockhub/errors';

/** Leaves room for a bucket prefix below the 1,024 bytes of S3. */
const MAX_KEY_BYTES = 900;
/** The longest file name of common file systems. */
const MAX_PART_BYTES = 255;

const key = /^[^\p{Cc}\\/.][^\p{Cc}\\/]*(?:\/[^\p{Cc}\\/.][^\p{Cc}\\/]*)*$/u;

const refuse = (text: string, why: string): never => {
  throw new BlockhubError('STORE_KEY_INVALID', `key ${JSON.stringify(text)} ${why}`, { details: { key: text } });
};

/**
 * A key is parts joined by `/`. A part is not empty, does not start with a dot (so `..` and `.tmp`
 * are impossible), and has no control character or backslash. Readers check keys too, because keys
 * come from templates and from blocks of other writers.
 * @throws STORE_KEY_INVALID
 */
export function checkKey(text: string): void {
  if (!key.test(text) || !text.isWellFormed()) refuse(text, 'has a part that is empty, starts with a dot, or holds a forbidden character');
  if (text.length * 3 <= MAX_PART_BYTES) return;
  if (Buffer.byteLength(text) > MAX_KEY_BYTES) refuse(text, `is longer than ${MAX_KEY_BYTES} bytes`);
  if (text.split('/').some((part) => Buffer.byteLength(part) > MAX_PART_BYTES))
    refuse(text, `has a part that is longer than ${MAX_PART_BYTES} bytes`);
}

/** Empty, or a key that may end anywhere, also behind a `/`. @throws STORE_KEY_INVALID */
export function checkPrefix(text: string): void {
  if (text !== '') checkKey(text.endsWith('/') ? text.slice(0, -1) : text);
}

/** True if a listing may show it. */
export function isKey(text: string): boolean {
  return key.test(text);
}

/** Orders by UTF-8 bytes, as UTF-16 does, but for surrogates: they come before U+E000 there. */
export function compareKeys(a: string, b: string): number {
  if (a === b) return 0;
  const shorter = Math.min(a.length, b.length);
  for (let at = 0; at < shorter; at++) {
    const left = a.charCodeAt(at);
    const right = b.charCodeAt(at);
    if (left === right) continue;
    const surrogates = (left & 0xf800) === 0xd800 ? 1 : 0;
    return surrogates === ((right & 0xf800) === 0xd800 ? 1 : 0) || left < 0xd800 || right < 0xd800 ? left - right : surrogates * 2 - 1;
  }
  return a.length - b.length;
}

/**
 * The `after` of a listing that leaves out everything below the folder (no `/` at its end): `0` is
 * the character after `/`. With it the folders of a level are found without reading what is in
 * them.
 */
export const afterFolder = (folder: string): string => `${folder}0`;
