import { type At, blobKey, blockKey, checkBlock, entryKey } from '@blockhub/chain';
import { BlockhubError, hasCode } from '@blockhub/errors';
import type { Store } from '@blockhub/store';
import { type FoundReceipt, readBlobs } from '@blockhub/walker';

/**
 * The bytes of a blob, checked against its hash: from where its receipt says, else from where the block's other object says, or from an
 * object of its own.
 * @throws CHAIN_DAMAGED where none of them has the bytes; the store's error where one cannot be read
 */
export async function blobBytes(store: Store, found: FoundReceipt): Promise<Buffer> {
  const { block, receipt } = found;
  const first = await tryAt(store, found, receipt.at);
  if (first.bytes) return first.bytes;
  const errors = [first.error];
  for await (const at of otherPlaces(store, found)) {
    const next = await tryAt(store, found, at);
    if (next.bytes) return next.bytes;
    errors.push(next.error);
  }
  // What could not be read may have the right bytes, so it comes before what has wrong ones.
  const unread = errors.find((error) => error !== undefined && !hasCode(error, 'CHAIN_DAMAGED'));
  throw unread ?? first.error ?? new BlockhubError('CHAIN_DAMAGED', `block ${block.id} has no event ${receipt.event}`);
}

interface Tried {
  readonly bytes?: Buffer;
  readonly error?: unknown;
}

async function tryAt(store: Store, { block, receipt }: FoundReceipt, at: At): Promise<Tried> {
  try {
    for await (const { bytes, fault } of readBlobs(store, [{ ...block, blobs: [{ ...receipt, at }] }])) {
      if (bytes) return { bytes };
      return { error: new BlockhubError('CHAIN_DAMAGED', fault?.message ?? 'the blob is missing', { details: { fault } }) };
    }
  } catch (error) {
    return { error };
  }
  return {};
}

/** Entry and copy of a block may name different places, and a blob that was stored again may lie alone. */
async function* otherPlaces(store: Store, { block, index, receipt }: FoundReceipt): AsyncGenerator<At> {
  const isFirst = ({ key, offset }: At): boolean => key === receipt.at.key && offset === receipt.at.offset;
  for (const key of [blockKey(block.id), entryKey(block.chain, block.height)]) {
    const bytes = await store.find(key).catch(() => undefined);
    const at = bytes && checkBlock(bytes, { id: block.id }).block?.blobs[index]?.at;
    if (at && !isFirst(at)) yield at;
  }
  const own = { key: blobKey(receipt.sha256 ?? receipt.hash) };
  if (!isFirst(own)) yield own;
}
