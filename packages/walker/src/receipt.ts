import { type Block, eventTime, isEvent, parseBlock, type Receipt } from '@blockhub/chain';
import type { Store } from '@blockhub/store';
import { readEntries } from './entries.ts';
import { findHeight } from './position.ts';

/** A blob's place in its chain. */
export interface FoundReceipt {
  block: Block;
  /** Position in the block. */
  index: number;
  receipt: Receipt;
}

export interface FindReceiptOptions {
  signal?: AbortSignal;
  onProgress?: (height: number) => void;
}

const PREFETCH = 32;

/**
 * Finds a blob by its event id, or by its hash. An event of a time can only be in blocks of that time or later, so the search starts there;
 * a hash tells no time, so the whole chain is read until the first such blob.
 * @param chain chain id
 */
export async function findReceipt(
  store: Store,
  chain: string,
  eventOrHash: string,
  options: FindReceiptOptions = {},
): Promise<FoundReceipt | undefined> {
  const { signal, onProgress } = options;
  const byEvent = isEvent(eventOrHash);
  const from = byEvent ? await findHeight(store, chain, { time: eventTime(eventOrHash) }, 'from') : 0;
  for await (const reads of readEntries(store, chain, { from, to: Number.MAX_SAFE_INTEGER - 1, prefetch: PREFETCH, signal })) {
    for (const { height, bytes, error } of reads) {
      if (error !== undefined) throw error;
      if (!bytes) return undefined;
      onProgress?.(height);
      // Looking at the bytes first is much cheaper than parsing each block.
      if (bytes.includes(eventOrHash)) {
        const found = receiptIn(parseBlock(bytes), eventOrHash);
        if (found) return found;
      }
    }
  }
  return undefined;
}

function receiptIn(block: Block, eventOrHash: string): FoundReceipt | undefined {
  const index = block.blobs.findIndex(({ event, hash, sha256 }) => event === eventOrHash || hash === eventOrHash || sha256 === eventOrHash);
  const receipt = block.blobs[index];
  return receipt ? { block, index, receipt } : undefined;
}
