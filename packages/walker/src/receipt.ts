import { type Block, isEvent, type Receipt } from '@blockhub/chain';
import type { OnUnseen, Store } from '@blockhub/store';
import { findHeight } from './position.ts';
import { readBlocks } from './read-blocks.ts';

/** A blob, and the block that holds it. */
export interface FoundReceipt {
  block: Block;
  index: number;
  receipt: Receipt;
}

export interface FindReceiptOptions {
  signal?: AbortSignal;
  onProgress?: (height: number) => void;
  /** Called for each skipped height. If it is never called, the chain was read completely. */
  onUnseen?: OnUnseen;
}

/** The blob to find. If both are set, a blob that has either of them. */
export interface WantedReceipt {
  event?: string | undefined;
  hash?: string | undefined;
  /** `event` and `hash` are only the beginnings of ids. */
  isPrefix?: boolean;
}

/**
 * Finds a blob by its event id or its hash. Blocks from the time of the event id on are read. A
 * hash has no time, so the chain is read from its root. Damaged and unreadable heights are skipped.
 * @param chain chain id
 * @throws CHAIN_NOT_FOUND for an event if there are no entries; the store's error if listing fails
 */
export async function findReceipt(
  store: Store,
  chain: string,
  eventOrHash: string,
  options: FindReceiptOptions = {},
): Promise<FoundReceipt | undefined> {
  const wanted = isEvent(eventOrHash) ? { event: eventOrHash } : { hash: eventOrHash };
  for await (const found of findReceipts(store, chain, wanted, options)) return found;
  return undefined;
}

/** All such receipts, in the order of the chain. @throws as `findReceipt` */
export async function* findReceipts(
  store: Store,
  chain: string,
  wanted: WantedReceipt,
  options: FindReceiptOptions = {},
): AsyncGenerator<FoundReceipt> {
  const { event, hash } = wanted;
  const { signal, onProgress, onUnseen } = options;
  const time = event === undefined || hash !== undefined ? undefined : firstTime(event);
  const from = time === undefined ? 0 : await findHeight(store, chain, { time }, 'from', onUnseen);
  for await (const block of readBlocks(store, chain, { from, signal, onProgress, onUnseen })) yield* receiptsIn(block, wanted);
}

export function* receiptsIn(block: Block, { event, hash, isPrefix = false }: WantedReceipt): Generator<FoundReceipt> {
  const fits = (given: string | undefined, want: string | undefined): boolean =>
    want !== undefined && given !== undefined && (isPrefix ? given.startsWith(want) : given === want);
  for (const [index, receipt] of block.blobs.entries())
    if (fits(receipt.event, event) || fits(receipt.hash, hash) || fits(receipt.sha256, hash)) yield { block, index, receipt };
}

/** The earliest time of an event whose id begins with `event`. */
const firstTime = (event: string): number => Number.parseInt(event.replaceAll('-', '').slice(0, 12).padEnd(12, '0'), 16);
