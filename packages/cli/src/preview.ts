import type { Meta } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import { decodeStart, decodeText, describe, parseCodings } from '@blockhub/media';

export interface Preview {
  /** Decoded by its content codings and its charset; absent if it is not text. */
  readonly text?: string;
  readonly more: boolean;
  /** Media type, detected from the decoded bytes. */
  readonly type: string;
  /** Why the content codings could not be undone. The stored bytes are shown then. */
  readonly problem?: string;
}

/** The type is detected from at most this many bytes. */
const SNIFFED_BYTES = 64 * 1024;

/** The content codings in the meta fields of a blob, normalized; undefined if there are none. */
export const codingOf = (meta: Meta): string | undefined => (typeof meta.coding === 'string' ? parseCodings(meta.coding) : undefined);

/** Decodes only the start of a blob. */
export async function previewOf(bytes: Buffer, meta: Meta, length: number): Promise<Preview> {
  const coding = codingOf(meta);
  const limit = Math.max(length, SNIFFED_BYTES);
  let inside = { bytes: bytes.subarray(0, limit), more: bytes.length > limit };
  let problem: string | undefined;
  if (coding !== undefined) {
    try {
      inside = await decodeStart(bytes, coding, limit);
    } catch (error) {
      if (!(error instanceof BlockhubError)) throw error;
      problem = error.message;
    }
  }
  const start = inside.bytes.subarray(0, length);
  const more = inside.more || inside.bytes.length > length;
  const charset = typeof meta.charset === 'string' ? meta.charset : undefined;
  // If the charset is wrong or unknown, UTF-8 is tried.
  const text = decodeText(start, charset, more) ?? decodeText(start, undefined, more);
  const type = await describe(inside.bytes, charset);
  return { more, type, ...(text === undefined ? {} : { text }), ...(problem === undefined ? {} : { problem }) };
}
