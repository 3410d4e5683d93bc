import { isUtf8 } from 'node:buffer';
import { isProven, SAMPLE_BYTES } from './proof.ts';
import { decodeText, hasBinary } from './text.ts';
import { sniffText } from './text-formats.ts';

/**
 * What the first bytes of any format lie in; more is not looked at, so that the cost of a body is
 * bounded.
 */
const SNIFFED_BYTES = 4100;
/** Text is parsed as JSON up to here. */
const MAX_JSON = 1024 * 1024;

/**
 * Formats whose signature has bytes over 0x7f, three or more: short files of them may have no
 * control byte, but they are no UTF-8 either.
 */
const HIGH = new Set(['jpg', 'jls', 'zst', 'rpm', 'macho', 'pcap', 'cfb', 'bpg', 'j2c']);

/**
 * The MIME type that the bytes prove, such as `image/png`; undefined for plain text and for unknown
 * formats. A few letters prove nothing: a binary format needs control bytes in its first 512 bytes,
 * and what follows its signature must be a header of the format (`proof.ts`).
 */
export async function sniff(bytes: Buffer): Promise<string | undefined> {
  const start = bytes.subarray(0, SNIFFED_BYTES);
  const isBinary = hasBinary(start, 0, SAMPLE_BYTES);
  if (!isBinary && isUtf8(start.subarray(0, charEnd(start)))) return sniffText(start);
  const { fileTypeFromBuffer } = await import('file-type');
  // The library may guess wrong for bytes that were cut or made to mislead it, so its errors say
  // nothing about the type.
  const known = await fileTypeFromBuffer(start).catch(() => undefined);
  if (known && (isBinary || HIGH.has(known.ext)) && isProven(known.ext, bytes)) return mimeOf(known.mime);
  return sniffText(start);
}

/** `image/svg+xml` and similar types are found by the text, not by the XML around it. */
const mimeOf = (mime: string): string => mime.split(';', 1)[0] as string;

/** Where the last whole character of UTF-8 ends, should the bytes be the start of more. */
function charEnd(bytes: Buffer): number {
  for (let at = bytes.length - 1; at >= Math.max(0, bytes.length - 3); at--) {
    const byte = bytes[at] as number;
    if (byte >= 0xc0) return bytes.length - at < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? at : bytes.length;
    if (byte < 0x80) break;
  }
  return bytes.length;
}

/**
 * What bytes seem to be: what they prove, else JSON or text where they are, else
 * `application/octet-stream`.
 */
export async function describe(bytes: Buffer, charset?: string): Promise<string> {
  const known = await sniff(bytes);
  if (known !== undefined) return known;
  const text = decodeText(bytes, charset);
  if (text === undefined) return 'application/octet-stream';
  return isJson(text) ? 'application/json' : 'text/plain';
}

function isJson(text: string): boolean {
  if (!/^\s*[[{]/.test(text) || text.length > MAX_JSON) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
