import type { Receipt } from '@blockhub/chain';
import type { Store } from '@blockhub/store';

/** The bytes of one blob. If both are absent, the object does not exist. */
export interface Fetched {
  bytes?: Buffer;
  error?: unknown;
}

/** A store, or a cache in front of it. */
export type ReadableStore = Pick<Store, 'find'>;

interface Range {
  key: string;
  /** Absent: the whole object. */
  offset?: number;
  end: number;
  /** How many of its bytes belong to blobs; the rest is between them. */
  wanted: number;
  /** Indexes of its receipts. */
  members: number[];
}

/** Two blobs with at most this many bytes between them are read in one request. */
const GAP_BYTES = 64 * 1024;
/** Maximum bytes of the blobs that are read together, except for a single larger one. */
export const CHUNK_BYTES = 8 * 1024 * 1024;
const CHUNK_ITEMS = 4096;
/** Ranges of a chunk that are read at a time. Each may have many bytes between its blobs. */
const READS = 4;

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

/** Passes the bytes of each receipt to `take` as they arrive. Throws only what `take` throws. */
export async function fetchEach(
  store: ReadableStore,
  receipts: readonly Receipt[],
  take: (index: number, fetched: Fetched) => void,
): Promise<void> {
  const ranges = rangesOf(receipts).values();
  // All readers share this iterator.
  const reader = async (): Promise<void> => {
    for (const range of ranges) {
      const fetched = await read(store, range);
      const { bytes } = fetched;
      for (const index of range.members) take(index, bytes ? { bytes: cut(bytes, range, receipts[index] as Receipt) } : fetched);
    }
  };
  await Promise.all(Array.from({ length: READS }, reader));
}

export async function fetchAll(store: ReadableStore, receipts: readonly Receipt[]): Promise<Fetched[]> {
  const fetched: Fetched[] = receipts.map(() => ({}));
  await fetchEach(store, receipts, (index, one) => {
    fetched[index] = one;
  });
  return fetched;
}

async function read(store: ReadableStore, { key, offset, end }: Range): Promise<Fetched> {
  try {
    const bytes = await (offset === undefined ? store.find(key) : store.find(key, { offset, length: Math.max(1, end - offset) }));
    return bytes ? { bytes } : {};
  } catch (error) {
    return { error };
  }
}

/** Copies a small part of a range, so that it does not keep the whole range in memory. */
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
