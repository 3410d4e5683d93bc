import { type Block, blobMatches, type Receipt } from '@blockhub/chain';
import type { Store } from '@blockhub/store';
import { pipeline } from './in-order.ts';
import { chunksOf, fetchAll, sourceOf } from './ranges.ts';
import type { Fault } from './types.ts';

/** A blob of a block with its bytes. */
export interface HydratedBlob {
  block: Block;
  /** Position in the block. */
  index: number;
  receipt: Receipt;
  /** Absent when the object is missing. Never bytes that do not match: those are absent too. */
  bytes?: Buffer;
  /** BLOB_MISSING or BLOB_CORRUPT when there are no bytes. */
  fault?: Fault;
}

export interface ReadBlobsOptions {
  /** Chunks of up to 8 MB in flight. Default 4. */
  concurrency?: number;
  signal?: AbortSignal;
  /** Which blobs are wanted; default all. */
  only?: (receipt: Receipt) => boolean;
}

interface Want {
  block: Block;
  index: number;
  receipt: Receipt;
}

/**
 * Reads the blobs of blocks, in the order of the blocks and of the blobs in them; neighbours in a pack cost one range read.
 * Every hash is checked.
 * @throws the error of the store when an object cannot be read
 */
export async function* readBlobs(
  store: Store,
  blocks: Iterable<Block> | AsyncIterable<Block>,
  options: ReadBlobsOptions = {},
): AsyncGenerator<HydratedBlob> {
  const { concurrency = 4, signal, only } = options;
  const source = sourceOf(store);
  for await (const chunk of pipeline(wantsOf(blocks, only), concurrency, async (wants) =>
    hydrate(
      wants,
      await fetchAll(
        source,
        wants.map((want) => want.receipt),
      ),
    ),
  )) {
    for (const blob of chunk) {
      signal?.throwIfAborted();
      yield blob;
    }
  }
}

async function* wantsOf(blocks: Iterable<Block> | AsyncIterable<Block>, only: ReadBlobsOptions['only']): AsyncGenerator<Want[]> {
  for await (const block of blocks) {
    const wants = block.blobs.map((receipt, index) => ({ block, index, receipt }));
    yield* chunksOf(only ? wants.filter((want) => only(want.receipt)) : wants);
  }
}

function hydrate(wants: readonly Want[], fetched: Awaited<ReturnType<typeof fetchAll>>): HydratedBlob[] {
  return wants.map((want, at) => {
    const { bytes, error } = fetched[at] ?? {};
    if (error !== undefined) throw error;
    const fault = blobFault(want, bytes);
    return fault ? { ...want, fault } : { ...want, ...(bytes ? { bytes } : {}) };
  });
}

/** What is wrong with the bytes of a blob, if anything. */
export function blobFault(want: { block: Block; receipt: Receipt }, bytes: Buffer | undefined): Fault | undefined {
  return bytes && blobMatches(want.receipt, bytes) ? undefined : wrongBlob(want, bytes?.length);
}

/** The fault of a blob whose bytes are not right; `found` is how many there are, undefined when there is no object. */
export function wrongBlob({ block, receipt }: { block: Block; receipt: Receipt }, found: number | undefined): Fault {
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
