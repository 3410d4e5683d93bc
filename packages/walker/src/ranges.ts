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
  /** Bytes of it that are asked for; the rest lies between them. */
  wanted: number;
  /** Which of the receipts it serves. */
  members: number[];
}

/** Bytes between two blobs that are rather read than asked for separately. */
const GAP_BYTES = 64 * 1024;
/** Receipts that are fetched together hold at most so many bytes, or are one. */
export const CHUNK_BYTES = 8 * 1024 * 1024;
const CHUNK_ITEMS = 4096;
/** Ranges of one chunk that are read at a time: each may hold a whole pack for the sake of a few bytes. */
const READS = 4;

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

/**
 * Reads the bytes of receipts, neighbours in one object together, and gives each to `take` as its range arrives, a few ranges at a time.
 * Whoever does not keep the bytes lets go of the range. Throws only what `take` throws.
 */
export async function fetchEach(
  source: Source,
  receipts: readonly Receipt[],
  take: (index: number, fetched: Fetched) => void,
): Promise<void> {
  const ranges = rangesOf(receipts).values();
  // All readers take from the same list.
  const reader = async (): Promise<void> => {
    for (const range of ranges) {
      const fetched = await read(source, range);
      const { bytes } = fetched;
      for (const index of range.members) take(index, bytes ? { bytes: cut(bytes, range, receipts[index] as Receipt) } : fetched);
    }
  };
  await Promise.all(Array.from({ length: READS }, reader));
}

/** The bytes of all receipts, in their order. */
export async function fetchAll(source: Source, receipts: readonly Receipt[]): Promise<Fetched[]> {
  const fetched: Fetched[] = receipts.map(() => ({}));
  await fetchEach(source, receipts, (index, one) => {
    fetched[index] = one;
  });
  return fetched;
}

export const sourceOf =
  (store: Store): Source =>
  (key, range) =>
    store.find(key, range);

async function read(source: Source, { key, offset, end }: Range): Promise<Fetched> {
  try {
    const bytes = await (offset === undefined ? source(key) : source(key, { offset, length: Math.max(1, end - offset) }));
    return bytes ? { bytes } : {};
  } catch (error) {
    return { error };
  }
}

/** A copy where most of the range was not asked for: else a few bytes that are kept would keep all of it. */
function cut(bytes: Buffer, { offset, wanted }: Range, receipt: Receipt): Buffer {
  if (offset === undefined) return bytes;
  const start = (receipt.at.offset ?? 0) - offset;
  const part = bytes.subarray(start, start + receipt.length);
  return wanted * 2 < bytes.length ? Buffer.from(part) : part;
}

function rangesOf(receipts: readonly Receipt[]): Range[] {
  const ranges: Range[] = [];
  const packs = new Map<string, number[]>();
  for (const [index, { at, length }] of receipts.entries()) {
    if (at.offset === undefined) ranges.push({ key: at.key, end: length, wanted: length, members: [index] });
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
      const length = receipts[index]?.length ?? 0;
      const end = offset + length;
      if (range && offset <= range.end + GAP_BYTES && end - (range.offset ?? 0) <= CHUNK_BYTES) {
        range.end = Math.max(range.end, end);
        range.wanted += length;
        range.members.push(index);
      } else {
        range = { key, offset, end, wanted: length, members: [index] };
        ranges.push(range);
      }
    }
  }
  return ranges;
}
