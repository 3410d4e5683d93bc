import type { Meta } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import { decodeStart, decodeText, describe, parseCodings } from '@blockhub/media';

/** What a person sees of a blob. */
export interface Preview {
  /** The start of it as text, its content codings undone, in its charset; absent if it is not text. */
  readonly text?: string;
  /** There is more of it than the text. */
  readonly more: boolean;
  /** What the bytes inside of the codings seem to be. */
  readonly type: string;
  /** Why the codings could not be undone. The bytes are shown as they are then. */
  readonly problem?: string;
}

/** The type is found from at most this many bytes. */
const SNIFFED_BYTES = 64 * 1024;

/** The content codings that the meta of a blob name; undefined where there are none. Writers other than capture may have spelt them otherwise. */
export const codingOf = (meta: Meta): string | undefined => (typeof meta.coding === 'string' ? parseCodings(meta.coding) : undefined);

/** The start of a blob; costs no more than the start, whatever the blob decodes to. */
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
  // An unknown charset may be a mistake for UTF-8.
  const text = decodeText(start, charset, more) ?? decodeText(start, undefined, more);
  const type = await describe(inside.bytes, charset);
  return { more, type, ...(text === undefined ? {} : { text }), ...(problem === undefined ? {} : { problem }) };
}
