import { entryKey } from '@blockhub/chain';
import type { Store } from '@blockhub/store';
import { inOrder } from './in-order.ts';

/** What lies at a height: bytes, nothing, or an error of the store. */
export interface EntryRead {
  height: number;
  bytes?: Buffer;
  error?: unknown;
}

export interface ReadEntriesOptions {
  from: number;
  /** Last height, inclusive. */
  to: number;
  /** Most requests in flight. */
  prefetch: number;
  signal?: AbortSignal | undefined;
}

/** Bytes of entries in flight or waiting to be taken, as far as their mean size tells. */
const AHEAD_BYTES = 2 * 1024 * 1024;
/** Requests in flight at first: a short chain must not cost many reads beyond its tail. */
const SLOW_START = 4;

/** Reads heights in order, several at a time; the caller stops at what it does not like. Starts slowly and doubles as heights turn out to exist. */
export async function* readEntries(
  store: Store,
  chain: string,
  { from, to, prefetch, signal }: ReadEntriesOptions,
): AsyncGenerator<EntryRead[]> {
  let height = from;
  let entries = 0;
  let bytes = 0;
  const next = (): number | undefined => (height <= to ? height++ : undefined);
  const width = (): number => {
    const byBytes = entries === 0 ? prefetch : Math.max(2, Math.floor((AHEAD_BYTES * entries) / (bytes + 1)));
    return Math.max(1, Math.min(prefetch, SLOW_START + entries, byBytes));
  };
  for await (const reads of inOrder(next, (at) => readEntry(store, chain, at), { width, signal })) {
    entries += reads.length;
    for (const read of reads) bytes += read.bytes?.length ?? 0;
    yield reads;
  }
}

async function readEntry(store: Store, chain: string, height: number): Promise<EntryRead> {
  try {
    const bytes = await store.find(entryKey(chain, height));
    return bytes ? { height, bytes } : { height };
  } catch (error) {
    return { height, error };
  }
}
