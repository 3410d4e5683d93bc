import { type At, blobKey, blockKey, checkBlock, entryKey } from '@blockhub/chain';
import { BlockhubError, hasCode } from '@blockhub/errors';
import type { Store } from '@blockhub/store';
import { type FoundReceipt, readBlobs } from '@blockhub/walker';

/**
 * The bytes of a blob, with the right hash. Reads the location in its receipt, then that in the
 * other object of the block, then an object of the blob's own.
 * @throws CHAIN_DAMAGED if none has the bytes; the store's error if one cannot be read
 */
export async function blobBytes(store: Store, found: FoundReceipt): Promise<Buffer> {
  const { block, receipt } = found;
  const first = await tryAt(store, found, receipt.at);
  if (first.bytes) return first.bytes;
  const errors = [first.error];
  for await (const at of otherLocations(store, found)) {
    const next = await tryAt(store, found, at);
    if (next.bytes) return next.bytes;
    errors.push(next.error);
  }
  // An object that could not be read may have the right bytes, so its error comes first.
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

/** Entry and copy may name different locations, and a blob may have been stored again alone. */
async function* otherLocations(store: Store, { block, index, receipt }: FoundReceipt): AsyncGenerator<At> {
  const isFirst = ({ key, offset }: At): boolean => key === receipt.at.key && offset === receipt.at.offset;
  for (const key of [blockKey(block.id), entryKey(block.chain, block.height)]) {
    const bytes = await store.find(key).catch(() => undefined);
    const at = bytes && checkBlock(bytes, { id: block.id }).block?.blobs[index]?.at;
    if (at && !isFirst(at)) yield at;
  }
  const own = { key: blobKey(receipt.sha256 ?? receipt.hash) };
  if (!isFirst(own)) yield own;
}
