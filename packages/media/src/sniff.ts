import { isUtf8 } from 'node:buffer';
import { isProven, SAMPLE_BYTES } from './proof.ts';
import { decodeText, hasBinary } from './text.ts';
import { sniffText } from './text-formats.ts';

/** Number of bytes that are read. Every format shows itself there, and the cost is bounded. */
const SNIFFED_BYTES = 4100;
/** Longer text is not parsed as JSON. */
const MAX_JSON = 1024 * 1024;

/** A short file of these may have no control byte, but its signature is not UTF-8. */
const HIGH = new Set(['jpg', 'jls', 'zst', 'rpm', 'macho', 'pcap', 'cfb', 'bpg', 'j2c']);

/**
 * The MIME type that the bytes prove, such as `image/png`. Undefined for plain text and unknown
 * formats. A few letters prove nothing: a binary format needs control bytes in its first 512 bytes,
 * and a valid header after its signature (`proof.ts`).
 */
export async function sniff(bytes: Buffer): Promise<string | undefined> {
  const start = bytes.subarray(0, SNIFFED_BYTES);
  const isBinary = hasBinary(start, 0, SAMPLE_BYTES);
  if (!isBinary && isUtf8(start.subarray(0, charEnd(start)))) return sniffText(start);
  const { fileTypeFromBuffer } = await import('file-type');
  // The library may fail on bytes that were cut off or made to mislead it.
  const known = await fileTypeFromBuffer(start).catch(() => undefined);
  if (known && (isBinary || HIGH.has(known.ext)) && isProven(known.ext, bytes)) return mimeOf(known.mime);
  return sniffText(start);
}

/** `image/svg+xml` and similar types are found in the text, because `file-type` gives only XML. */
const mimeOf = (mime: string): string => mime.split(';', 1)[0] as string;

/** The end of the last complete UTF-8 character, because the bytes may be the start of more. */
function charEnd(bytes: Buffer): number {
  for (let at = bytes.length - 1; at >= Math.max(0, bytes.length - 3); at--) {
    const byte = bytes[at] as number;
    if (byte >= 0xc0) return bytes.length - at < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? at : bytes.length;
    if (byte < 0x80) break;
  }
  return bytes.length;
}

/** The type that the bytes prove, else JSON or text, else `application/octet-stream`. */
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
