import { chainPrefix, entryKey, heightOfKey } from '@blockhub/chain';
import type { OnUnseen, Store } from '@blockhub/store';
import { inOrder } from './in-order.ts';

/** What was read at a height: the bytes of its entry, nothing, or an error of the store. */
export interface EntryRead {
  height: number;
  bytes?: Buffer;
  error?: unknown;
}

export interface ReadEntriesOptions {
  from: number;
  /** Last height, inclusive. */
  to: number;
  prefetch: number;
  signal?: AbortSignal | undefined;
}

/** Maximum bytes of entries in flight or not yet taken, estimated from their mean size. */
const AHEAD_BYTES = 2 * 1024 * 1024;
/** Requests in flight at first: a short chain must not cost many reads beyond its tail. */
const SLOW_START = 4;

/** Reads heights in order until the caller stops, with one more request for each height read. */
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

/**
 * The first height at or above `from` that has an entry, even an unreadable one. One list request.
 * @throws the store's error if the entries cannot be listed
 */
export async function nextEntry(store: Store, chain: string, from: number): Promise<number | undefined> {
  const prefix = chainPrefix(chain);
  const after = from > 0 ? entryKey(chain, from - 1) : prefix;
  let unread = Number.POSITIVE_INFINITY;
  let failure: { error: unknown } | undefined;
  const onUnseen: OnUnseen = (key, error) => {
    if (key === prefix) failure = { error };
    // Other keys, such as a folder of the operating system, cannot hide an entry.
    const height = heightOfKey(key);
    if (height !== undefined && height >= from) unread = Math.min(unread, height);
  };
  for await (const { key } of store.list(prefix, { after, onUnseen })) {
    const height = heightOfKey(key);
    if (height !== undefined) return Math.min(height, unread);
    // Digits sort before letters, so no entry follows.
    if (key > `${prefix}:`) break;
  }
  if (failure) throw failure.error;
  return Number.isFinite(unread) ? unread : undefined;
}
