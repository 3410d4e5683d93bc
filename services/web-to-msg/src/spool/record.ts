/**
 * The bytes of a spool file: records one after another, one for each request.
 *
 * | offset | bytes | what                                                                        |
 * | ------ | ----- | --------------------------------------------------------------------------- |
 * | 0      | 8     | mark: drawn by the process that wrote the file, in hex in the file's name    |
 * | 8      | 4     | length of the head, big-endian                                              |
 * | 12     | 6     | length of all bodies, big-endian                                            |
 * | 18     | 4     | CRC-32 of the 18 bytes before: lengths can be trusted before what they cover |
 * | 22     | 32    | SHA-256 of head and bodies                                                  |
 * | 54     |       | head: JSON `{at, messages: [{queue, id, meta, length}]}`                    |
 * |        |       | bodies, in the order of the messages                                        |
 *
 * A file is only appended to, and a request is answered after the sync. So a crash leaves complete
 * records and at most one that is cut off, the *torn* end, whose requests were not answered.
 * Anything else that is not a record is *damage*: it may hold requests that were answered. After
 * damage the next record is found by the mark. Senders cannot write the mark into a body, because
 * they cannot see it.
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Outgoing } from '@blockhub/broker';

/** One request. Its messages are published together. */
export interface SpoolEntry {
  /** When the request was spooled, ms since 1970. */
  readonly at: number;
  readonly messages: readonly Outgoing[];
}

/** An entry as it was read, with the length of its record. */
export interface FoundEntry extends SpoolEntry {
  readonly size: number;
}

export interface Parsed {
  readonly entries: FoundEntry[];
  /** Length of the record that is cut off at the end. */
  readonly torn: number;
  /** Number of bytes that are neither a record nor the torn end. */
  readonly damaged: number;
}

export const MARK_BYTES = 8;
const LENGTHS_END = 18;
const HASH_AT = 22;
const HEADER_BYTES = 54;

type Described = Omit<Outgoing, 'body'> & { readonly length: number };

/** The record of an entry, in parts, so that bodies are not copied. */
export function formatRecord(mark: Buffer, { at, messages }: SpoolEntry): Buffer[] {
  const described = messages.map(({ body, ...rest }): Described => ({ ...rest, length: body.length }));
  const head = Buffer.from(JSON.stringify({ at, messages: described }));
  const bodies = messages.map(({ body }) => body).filter(({ length }) => length > 0);
  const header = Buffer.alloc(HEADER_BYTES);
  mark.copy(header);
  header.writeUInt32BE(head.length, MARK_BYTES);
  const bodyBytes = bodies.reduce((sum, { length }) => sum + length, 0);
  header.writeUIntBE(bodyBytes, MARK_BYTES + 4, 6);
  header.writeUInt32BE(crc32(header.subarray(0, LENGTHS_END)), LENGTHS_END);
  hashOf([head, ...bodies]).copy(header, HASH_AT);
  return [header, head, ...bodies];
}

/** Reads a file, or a part of it that begins at a record. Bodies are views of `bytes`. */
export function parseRecords(mark: Buffer, bytes: Buffer): Parsed {
  const entries: FoundEntry[] = [];
  let damaged = 0;
  for (let at = 0; at < bytes.length; ) {
    const end = endOfRecord(mark, bytes, at);
    if (end === undefined ? isCutOff(mark, bytes.subarray(at)) : end > bytes.length) return { entries, torn: bytes.length - at, damaged };
    const entry = end === undefined ? undefined : parseEntry(bytes.subarray(at, end));
    const next = end ?? findMark(mark, bytes, at + 1);
    if (entry) entries.push(entry);
    else damaged += next - at;
    at = next;
  }
  return { entries, torn: 0, damaged };
}

/** The end of the record at `at`, also if it is not complete. Undefined without a valid header. */
function endOfRecord(mark: Buffer, bytes: Buffer, at: number): number | undefined {
  const header = bytes.subarray(at, at + HEADER_BYTES);
  if (header.length < HEADER_BYTES || !header.subarray(0, MARK_BYTES).equals(mark)) return undefined;
  if (crc32(header.subarray(0, LENGTHS_END)) !== header.readUInt32BE(LENGTHS_END)) return undefined;
  return at + HEADER_BYTES + header.readUInt32BE(MARK_BYTES) + header.readUIntBE(MARK_BYTES + 4, 6);
}

/** A part of a header, or zeros: the file system has stored the file's length but not its bytes. */
function isCutOff(mark: Buffer, rest: Buffer): boolean {
  const known = rest.subarray(0, MARK_BYTES);
  return (rest.length < HEADER_BYTES && known.equals(mark.subarray(0, known.length))) || rest.every((byte) => byte === 0);
}

function parseEntry(record: Buffer): FoundEntry | undefined {
  const content = record.subarray(HEADER_BYTES);
  if (!hashOf([content]).equals(record.subarray(HASH_AT, HEADER_BYTES))) return undefined;
  let from = record.readUInt32BE(MARK_BYTES);
  const { at, messages } = JSON.parse(content.toString('utf8', 0, from)) as { at: number; messages: Described[] };
  const read = messages.map(({ length, ...rest }): Outgoing => {
    const body = content.subarray(from, from + length);
    from += length;
    return { ...rest, body };
  });
  return { at, messages: read, size: record.length };
}

function findMark(mark: Buffer, bytes: Buffer, from: number): number {
  const found = bytes.indexOf(mark, from);
  return found < 0 ? bytes.length : found;
}

function hashOf(parts: readonly Buffer[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}
