import { type BlobItem, blobKey, buildBlock, type Crypt, hashOf, type Meta, packKey, type Receipt } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import type { Store } from '@blockhub/store';
import { blockStore, findTail, getChain } from '@blockhub/walker';

/** A blob from this size on is an object of its own, as in the mesh. */
const OWN_OBJECT_BYTES = 256 * 1024;
const PACK_BYTES = 4 * 1024 * 1024;
/** Each loss means that the chain grew, so so many in a row have another cause. */
const MAX_LOSSES = 1_000;

export interface NewBlob {
  bytes: Buffer;
  /** Descriptive fields, e.g. `{ mime: 'text/plain' }`. */
  meta?: Meta;
}

export interface AppendOptions {
  /**
   * A new event id, a UUIDv7 of the present time. Called once per blob. A time far in the future
   * becomes the time of the block, and the mesh then reads too many blocks for each later one.
   */
  newEvent: () => string;
}

export interface Appended {
  chain: string;
  id: string;
  prev: string;
  height: number;
  /** ms since 1970. */
  time: number;
  receipts: Receipt[];
}

/**
 * Appends one block with these blobs, without the mesh. The mesh may run: if another writer creates
 * the entry first, the block is built again after the new tail. If an error is thrown, the store
 * may hold blobs that belong to no block.
 * @param chain id or name
 * @throws CHAIN_NOT_FOUND; CHAIN_DAMAGED; OBJECT_EXISTS for a damaged object; USAGE without blobs
 */
export async function append(store: Store, chain: string, blobs: readonly NewBlob[], options: AppendOptions): Promise<Appended> {
  if (blobs.length === 0) throw new BlockhubError('USAGE', 'a block must have at least one blob');
  const { id: chainId, crypt } = await getChain(store, chain);
  const receipts = await storeBlobs(store, blobs, crypt, options.newEvent);
  const blocks = blockStore(store);
  let hint = 0;
  for (let losses = 0; losses < MAX_LOSSES; losses++) {
    const tail = await findTail(store, chainId, hint);
    const block = buildBlock(tail, receipts);
    await blocks.create(block.bytes);
    const result = await blocks.setNext(tail, block.bytes, { known: true });
    if (result.mine) return { chain: chainId, id: block.id, prev: tail.id, height: block.height, time: block.time, receipts };
    hint = block.height;
  }
  throw new BlockhubError('NEXT_FIELD_IS_SET', `other writers created the next entry first, ${MAX_LOSSES} times in a row`, {
    details: { chain: chainId },
  });
}

/** Stores small blobs in packs of up to 4 MB, and each large one as an object of its own. */
async function storeBlobs(store: Store, blobs: readonly NewBlob[], crypt: Crypt, newEvent: () => string): Promise<Receipt[]> {
  const receipts = blobs.map((blob) => receiptOf(blob, crypt, newEvent()));
  let pack: number[] = [];
  let packed = 0;
  const flush = async (): Promise<void> => {
    if (pack.length > 0) await storePack(store, blobs, receipts, pack);
    pack = [];
    packed = 0;
  };
  for (const [index, { bytes }] of blobs.entries()) {
    if (bytes.length >= OWN_OBJECT_BYTES) {
      await store.keep((receipts[index] as Receipt).at.key, bytes);
      continue;
    }
    if (packed + bytes.length > PACK_BYTES) await flush();
    pack.push(index);
    packed += bytes.length;
  }
  await flush();
  return receipts;
}

/** The key has the sha256 even on md5 chains, because two blobs may have the same md5. */
function receiptOf({ bytes, meta }: NewBlob, crypt: Crypt, event: string): Receipt {
  const sha256 = hashOf('sha256', bytes);
  const item: BlobItem =
    crypt === 'sha256'
      ? { event, crypt, hash: sha256, length: bytes.length }
      : { event, crypt, hash: hashOf(crypt, bytes), length: bytes.length, sha256 };
  return { ...item, at: { key: blobKey(sha256) }, meta: meta ?? {} };
}

async function storePack(store: Store, blobs: readonly NewBlob[], receipts: Receipt[], indexes: readonly number[]): Promise<void> {
  const bytes = Buffer.concat(indexes.map((index) => (blobs[index] as NewBlob).bytes));
  const key = packKey(hashOf('sha256', bytes));
  let offset = 0;
  for (const index of indexes) {
    const receipt = receipts[index] as Receipt;
    receipt.at = { key, offset };
    offset += receipt.length;
  }
  await store.keep(key, bytes);
}
