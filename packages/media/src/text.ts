/** Bytes that text cannot have (WHATWG, MIME sniffing, 3: binary data bytes). */
const isBinary = (byte: number): boolean =>
  byte <= 0x08 || byte === 0x0b || (byte >= 0x0e && byte <= 0x1a) || (byte >= 0x1c && byte <= 0x1f);

export function hasBinary(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to && at < bytes.length; at++) if (isBinary(bytes[at] as number)) return true;
  return false;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is meant
const NO_TEXT = /[\u0000-\u0008\u000e-\u001a\u001c-\u001f\ufffd]/;

/**
 * The bytes as text: by their byte order mark, else by the charset, else UTF-8. Undefined if they
 * are not text in it, or the charset is unknown.
 * @param cut the bytes are the start of more, so the last character may be incomplete
 */
export function decodeText(bytes: Uint8Array, charset = 'utf-8', cut = false): string | undefined {
  try {
    const text = new TextDecoder(markOf(bytes) ?? charset).decode(bytes, { stream: cut });
    return NO_TEXT.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

function markOf(bytes: Uint8Array): string | undefined {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return 'utf-8';
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  return bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : undefined;
}
