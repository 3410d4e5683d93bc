import { isUtf8 } from 'node:buffer';
import { closeSync, openSync, readSync } from 'node:fs';
import { BlockhubError } from '@blockhub/errors';

/** Enough for a list of thousands of tokens. A larger file is probably the wrong file. */
export const MAX_SECRET_BYTES = 2 ** 20;

interface SecretOptions {
  /** A list has line breaks or commas between its secrets. */
  readonly list?: boolean;
}

/**
 * Characters that are never typed on purpose: controls, line breaks of Unicode, invisible characters,
 * marks of direction, and U+FFFD, which replaces bytes that were lost.
 */
const REFUSED = /[\p{Cc}\u00ad\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffd]/gu;

/**
 * The rule for the bytes of every secret from a file, a variable or a flag. A byte order mark, blanks
 * and line breaks around it are removed. Anything else that is not printable UTF-8 text is refused,
 * and so is an empty secret.
 * @param subject the begin of a message, such as `the file "/run/secrets/tokens"`
 * @throws SETTINGS_INVALID with the subject, the position in bytes and what is there, never the secret
 */
export function readSecret(subject: string, bytes: Uint8Array, { list = false }: SecretOptions = {}): string {
  if (bytes.length > MAX_SECRET_BYTES) throw refuse(`${subject} has more than ${MAX_SECRET_BYTES} bytes, which is too large for a secret`);
  const utf16 = findUtf16(bytes);
  if (utf16) throw refuse(`${subject} is text in ${utf16.name}, as byte ${utf16.at} shows: save it as UTF-8`);
  if (!isUtf8(bytes)) {
    const at = findWrongByte(bytes);
    throw refuse(`${subject} is not text in UTF-8: byte ${at} is ${hex(bytes[at] ?? 0)}; save it as UTF-8`);
  }
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  // Blanks, line breaks and marks around a secret, and around each secret of a list, do not count.
  for (const { 0: part, index } of text.matchAll(list ? /[^\r\n,]+/g : /^.+$/gs)) {
    const begin = index + part.length - part.trimStart().length;
    // A NUL at an end is not a blank, because it may show where a program cut the secret.
    const [found] = part.trim().matchAll(REFUSED);
    if (found)
      throw refuse(`${subject} contains ${nameOf(found[0])} at byte ${Buffer.byteLength(text.slice(0, begin + found.index))}: remove it`);
  }
  const secret = text.trim();
  if (secret === '' || (list && /^[\s,\ufeff]*$/.test(secret))) {
    const only = list ? 'blanks, line breaks and commas' : 'blanks and line breaks';
    throw new BlockhubError('SETTINGS_INVALID', `${subject} is empty${text === '' ? '' : ` (it contains only ${only})`}`, {
      details: { empty: true },
    });
  }
  return secret;
}

/** Reads at most one byte more than `MAX_SECRET_BYTES`. Throws the error of the system. */
export function readSecretBytes(path: string): Buffer {
  const file = openSync(path, 'r');
  try {
    const parts: Buffer[] = [];
    for (let left = MAX_SECRET_BYTES + 1; left > 0; ) {
      const part = Buffer.alloc(Math.min(left, 2 ** 16));
      const length = readSync(file, part);
      if (length === 0) break;
      parts.push(part.subarray(0, length));
      left -= length;
    }
    return Buffer.concat(parts);
  } finally {
    closeSync(file);
  }
}

const refuse = (message: string): BlockhubError => new BlockhubError('SETTINGS_INVALID', message);

const hex = (byte: number): string => `0x${byte.toString(16).padStart(2, '0')}`;

function nameOf(found: string): string {
  const code = found.codePointAt(0) ?? 0;
  if (code === 0) return 'a NUL (0x00)';
  if (found === '\n' || found === '\r') return `a line break (${hex(code)})`;
  if (found === '\t') return 'a tab (0x09)';
  if (code < 0x20 || code === 0x7f) return `the control character ${hex(code)}`;
  if (code === 0xfffd) return 'U+FFFD, which replaces bytes that are not UTF-8,';
  const point = `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
  if (code === 0xfeff) return `a byte order mark (${point})`;
  if (code === 0x2028 || code === 0x2029 || code === 0x85) return `a line break (${point})`;
  return code < 0xa0 ? `the control character ${point}` : `the invisible character ${point}`;
}

/**
 * Found by its byte order mark, or by the zero byte of each ASCII letter. UTF-32 is found too, because
 * it begins in the same ways.
 */
function findUtf16(bytes: Uint8Array): { readonly name: string; readonly at: number } | undefined {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return { name: 'UTF-16 (little endian, with a byte order mark)', at: 0 };
  if (first === 0xfe && second === 0xff) return { name: 'UTF-16 (big endian, with a byte order mark)', at: 0 };
  if (bytes.length < 4) return undefined;
  // More than a quarter of the first bytes are zero, all at odd or all at even positions.
  const start = bytes.subarray(0, 256);
  const zeros = [0, 0];
  for (const [at, byte] of start.entries()) if (byte === 0) zeros[at % 2] = (zeros[at % 2] ?? 0) + 1;
  const [even = 0, odd = 0] = zeros;
  if (even + odd <= start.length / 4) return undefined;
  if (odd > even && even === 0) return { name: 'UTF-16 (little endian, without a byte order mark)', at: bytes.indexOf(0) };
  if (even > odd && odd === 0) return { name: 'UTF-16 (big endian, without a byte order mark)', at: bytes.indexOf(0) };
  return undefined;
}

/** The position of the first character that is not UTF-8. */
function findWrongByte(bytes: Uint8Array): number {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let begin = 0;
  for (const [at, byte] of bytes.entries()) {
    try {
      if (decoder.decode(Uint8Array.of(byte), { stream: true }) !== '') begin = at + 1;
    } catch {
      return begin;
    }
  }
  return begin;
}
