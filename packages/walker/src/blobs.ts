import { type Block, blobMatches, type Receipt } from '@blockhub/chain';
import type { Store } from '@blockhub/store';
import { pipeline } from './in-order.ts';
import { chunksOf, fetchAll } from './ranges.ts';
import type { FoundReceipt } from './receipt.ts';
import type { Fault } from './types.ts';

export interface HydratedBlob extends FoundReceipt {
  /** Absent if the object is missing, or if its bytes do not have the blob's hash. */
  bytes?: Buffer;
  /** BLOB_MISSING or BLOB_CORRUPT, if `bytes` is absent. */
  fault?: Fault;
}

export type WantedBlob = Pick<FoundReceipt, 'block' | 'receipt'>;

export interface ReadBlobsOptions {
  /** Maximum number of chunks of 8 MB in flight. Default 4. */
  concurrency?: number;
  signal?: AbortSignal;
  /** Which blobs to read. Default: all. */
  only?: (receipt: Receipt) => boolean;
}

/**
 * Reads blobs in order and checks every hash. Neighbours in a pack are read in one request.
 * @throws the store's error if an object cannot be read
 */
export async function* readBlobs(
  store: Store,
  blocks: Iterable<Block> | AsyncIterable<Block>,
  options: ReadBlobsOptions = {},
): AsyncGenerator<HydratedBlob> {
  const { concurrency = 4, signal, only } = options;
  const read = async (wanted: readonly FoundReceipt[]): Promise<HydratedBlob[]> => {
    const receipts = wanted.map(({ receipt }) => receipt);
    return hydrate(wanted, await fetchAll(store, receipts));
  };
  for await (const chunk of pipeline(wantedBlobs(blocks, only), concurrency, read)) {
    for (const blob of chunk) {
      signal?.throwIfAborted();
      yield blob;
    }
  }
}

async function* wantedBlobs(
  blocks: Iterable<Block> | AsyncIterable<Block>,
  only: ReadBlobsOptions['only'],
): AsyncGenerator<FoundReceipt[]> {
  for await (const block of blocks) {
    const wanted = block.blobs.map((receipt, index) => ({ block, index, receipt }));
    yield* chunksOf(only ? wanted.filter((want) => only(want.receipt)) : wanted);
  }
}

function hydrate(wanted: readonly FoundReceipt[], fetched: Awaited<ReturnType<typeof fetchAll>>): HydratedBlob[] {
  return wanted.map((want, at) => {
    const { bytes, error } = fetched[at] ?? {};
    if (error !== undefined) throw error;
    const fault = blobFault(want, bytes);
    return fault ? { ...want, fault } : { ...want, ...(bytes ? { bytes } : {}) };
  });
}

/** The fault of the bytes of a blob, if they are wrong. */
export function blobFault(want: WantedBlob, bytes: Buffer | undefined): Fault | undefined {
  return bytes && blobMatches(want.receipt, bytes) ? undefined : wrongBlob(want, bytes?.length);
}

/** @param found how many bytes there are; undefined if the object does not exist */
export function wrongBlob({ block, receipt }: WantedBlob, found: number | undefined): Fault {
  const { key, offset } = receipt.at;
  const what = `blob ${receipt.hash} of event ${receipt.event}`;
  const where = offset === undefined ? key : `${key} at ${offset}`;
  const length = found === receipt.length ? '' : `, has ${found} bytes of ${receipt.length}`;
  const message = found === undefined ? `${key} with ${what} is missing` : `${where} is not ${what}${length}`;
  return {
    code: found === undefined ? 'BLOB_MISSING' : 'BLOB_CORRUPT',
    chain: block.chain,
    height: block.height,
    id: block.id,
    event: receipt.event,
    key,
    message,
  };
}
