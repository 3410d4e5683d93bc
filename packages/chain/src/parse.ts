import { BlockhubError } from '@blockhub/errors';
import { readBeside } from './beside.ts';
import { demand, Malformed } from './canonical.ts';
import { cryptOf, hashOf } from './hash.ts';
import { cryptOfLine, type Header, readLine } from './line.ts';
import type { Block, Receipt, Tail } from './types.ts';

/** The two lines of a block object: the first without its newline, the second as it is. */
export function splitLines(bytes: Uint8Array): { line: Buffer; beside: Buffer } {
  const object = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = object.indexOf(10);
  demand(end >= 0, '', 'must have two lines');
  return { line: object.subarray(0, end), beside: object.subarray(end + 1) };
}

/** Runs a reader. `place` is put before the path of what it finds malformed. */
function within<T>(place: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof Malformed) throw new Malformed(place + error.path, error.message);
    throw error;
  }
}

export function readHeader(line: Buffer): Header {
  const text = line.toString();
  // Bytes that are not UTF-8 become U+FFFD in the text, which looks like a real U+FFFD.
  demand(!text.includes('\ufffd') || Buffer.from(text).equals(line), '', 'is not UTF-8');
  return readLine(text, line);
}

export function joinLines({ items: _, ...header }: Header, blobs: Receipt[]): Block {
  return { ...header, blobs };
}

/**
 * Reads a block object: exactly two lines, each in its one valid form, the second with its hash.
 * @throws BLOCK_INVALID with `details.path`: a JSON pointer, below `/line1` or `/line2`
 */
export function parseBlock(bytes: Uint8Array): Block {
  try {
    const { line, beside } = splitLines(bytes);
    const header = within('/line1', () => readHeader(line));
    return joinLines(
      header,
      within('/line2', () => readBeside(beside, header.items)),
    );
  } catch (error) {
    throw blockInvalid(error);
  }
}

/** Malformed becomes BLOCK_INVALID. Any other error stays as it is. */
export function blockInvalid(error: unknown): unknown {
  if (!(error instanceof Malformed)) return error;
  return new BlockhubError('BLOCK_INVALID', `block${error.path}: ${error.message}`, { details: { path: error.path } });
}

/**
 * The id of the block in these bytes: the hash of the first line. It reads only what is needed to
 * find the hash function.
 * @throws BLOCK_INVALID if that cannot be found
 */
export function blockId(bytes: Uint8Array): string {
  try {
    const { line } = splitLines(bytes);
    const crypt = cryptOfLine(line);
    demand(crypt !== undefined, '/line1', 'is not the first line of a block');
    return hashOf(crypt, line);
  } catch (error) {
    throw blockInvalid(error);
  }
}

/** What `buildBlock` needs to build behind this block. */
export function tailOf({ chain, height, id, time, sha256 }: Pick<Block, 'chain' | 'height' | 'id' | 'time' | 'sha256'>): Tail {
  const tail: Tail = { chain, height, id, time, crypt: cryptOf(id) };
  return sha256 === undefined ? tail : { ...tail, sha256 };
}
