import { type BlobItem, blobKey, buildBlock, type Crypt, hashOf, type Meta, packKey, type Receipt } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import type { Store } from '@blockhub/store';
import { blockStore, findTail, getChain } from '@blockhub/walker';

/** A blob from this size on is an object of its own, as in the mesh. */
const OWN_OBJECT_BYTES = 256 * 1024;
const PACK_BYTES = 4 * 1024 * 1024;
/** Losing means that the chain grew, so this many losses in a row are another fault. */
const MAX_LOSSES = 1_000;

export interface NewBlob {
  bytes: Buffer;
  /** Descriptive only, e.g. `{ mime: 'text/plain' }`. */
  meta?: Meta;
}

export interface AppendOptions {
  /** A new event id, a UUIDv7 of now; called once per blob. Its time is believed: far ahead, it makes the mesh read all blocks since, again and again. */
  newEvent: () => string;
}

/** Where the blobs are now. */
export interface Appended {
  chain: string;
  id: string;
  prev: string;
  height: number;
  /** ms since 1970. */
  time: number;
  /** In the order of the blobs given. */
  receipts: Receipt[];
}

/**
 * Appends one block with these blobs without the mesh, and beside it when it runs: the create of the height entry decides, and whoever loses
 * builds again behind the new tail. When it throws before the end, the blobs may lie in the store, but in no block.
 * @param chain id or name
 * @throws CHAIN_NOT_FOUND, CHAIN_DAMAGED; OBJECT_EXISTS where a damaged object lies in the way; USAGE without blobs
 */
export async function append(store: Store, chain: string, blobs: readonly NewBlob[], options: AppendOptions): Promise<Appended> {
  if (blobs.length === 0) throw new BlockhubError('USAGE', 'a block needs at least one blob');
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
  throw new BlockhubError('NEXT_FIELD_IS_SET', `${MAX_LOSSES} blocks of others were faster`, { details: { chain: chainId } });
}

/** Small blobs go into packs of up to 4 MB, large ones are objects of their own. */
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

/** On md5 chains the key is still the sha256: two blobs with one md5 must not meet at one key. */
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
