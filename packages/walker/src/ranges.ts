import type { Receipt } from '@blockhub/chain';
import type { Store } from '@blockhub/store';

/** Bytes of one blob; without both, no object lies there. */
export interface Fetched {
  bytes?: Buffer;
  error?: unknown;
}

/** Gives an object's bytes, or those of the range that exist; undefined where no object lies. */
export type Source = (key: string, range?: { offset: number; length: number }) => Promise<Buffer | undefined>;

interface Range {
  key: string;
  /** Absent: the whole object. */
  offset?: number;
  end: number;
  /** Which of the receipts it serves. */
  members: number[];
}

/** Bytes between two blobs that are rather read than asked for separately. */
const GAP_BYTES = 64 * 1024;
/** Receipts that are fetched together hold at most so many bytes, or are one. */
export const CHUNK_BYTES = 8 * 1024 * 1024;
const CHUNK_ITEMS = 4096;

/** Cuts a list into runs of bounded size. */
export function* chunksOf<T extends { receipt: Receipt }>(items: Iterable<T>): Generator<T[]> {
  let chunk: T[] = [];
  let bytes = 0;
  for (const item of items) {
    if (chunk.length > 0 && (bytes + item.receipt.length > CHUNK_BYTES || chunk.length >= CHUNK_ITEMS)) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(item);
    bytes += item.receipt.length;
  }
  if (chunk.length > 0) yield chunk;
}

/** Reads the bytes of all receipts, neighbours in one object together. Never throws; the order is that of the receipts. */
export async function fetchAll(source: Source, receipts: readonly Receipt[]): Promise<Fetched[]> {
  const fetched: Fetched[] = receipts.map(() => ({}));
  await Promise.all(
    rangesOf(receipts).map(async (range) => {
      try {
        const bytes = await read(source, range);
        if (bytes) for (const index of range.members) (fetched[index] as Fetched).bytes = cut(bytes, range, receipts[index] as Receipt);
      } catch (error) {
        for (const index of range.members) (fetched[index] as Fetched).error = error;
      }
    }),
  );
  return fetched;
}

export const sourceOf =
  (store: Store): Source =>
  (key, range) =>
    store.find(key, range);

function read(source: Source, { key, offset, end }: Range): Promise<Buffer | undefined> {
  if (offset === undefined) return source(key);
  return source(key, { offset, length: Math.max(1, end - offset) });
}

function cut(bytes: Buffer, { offset }: Range, receipt: Receipt): Buffer {
  if (offset === undefined) return bytes;
  const start = (receipt.at.offset ?? 0) - offset;
  return bytes.subarray(start, start + receipt.length);
}

function rangesOf(receipts: readonly Receipt[]): Range[] {
  const ranges: Range[] = [];
  const packs = new Map<string, number[]>();
  for (const [index, { at, length }] of receipts.entries()) {
    if (at.offset === undefined) ranges.push({ key: at.key, end: length, members: [index] });
    else {
      const members = packs.get(at.key);
      if (members) members.push(index);
      else packs.set(at.key, [index]);
    }
  }
  const offsetOf = (index: number): number => receipts[index]?.at.offset ?? 0;
  for (const [key, members] of packs) {
    members.sort((a, b) => offsetOf(a) - offsetOf(b));
    let range: Range | undefined;
    for (const index of members) {
      const offset = offsetOf(index);
      const end = offset + (receipts[index]?.length ?? 0);
      if (range && offset <= range.end + GAP_BYTES && end - (range.offset ?? 0) <= CHUNK_BYTES) {
        range.end = Math.max(range.end, end);
        range.members.push(index);
      } else {
        range = { key, offset, end, members: [index] };
        ranges.push(range);
      }
    }
  }
  return ranges;
}
