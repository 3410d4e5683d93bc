import type { Outgoing } from '@blockhub/broker';
import { type Block, type BuiltBlock, hashOf } from '@blockhub/chain';
import type { Message } from './message.ts';
import { metaHash, metaInteger, metaText } from './meta.ts';
import { queues } from './queues/catalogues.ts';

const BLOCK_MIME = 'application/vnd.blockhub.block';

export interface BlockMessage {
  /** Id of the block. */
  readonly id: string;
  readonly chain: string;
  readonly height: number;
  /** Id of the block before. */
  readonly prev: string;
  /** Queue for the tail that follows from it. */
  readonly tailsTo: string;
  /** The block object, both lines. */
  readonly bytes: Buffer;
}

/** Writes a block. The hash in meta is of the whole object; the block's id is of its first line. */
export function writeBlock(block: Pick<BuiltBlock, 'id' | 'chain' | 'height' | 'bytes'>, to: { prev: string; tailsTo: string }): Outgoing {
  const { id, chain, height, bytes } = block;
  const hash = hashOf('sha256', bytes);
  const meta = {
    chain,
    height,
    prev: to.prev,
    block: id,
    tailsTo: to.tailsTo,
    mime: BLOCK_MIME,
    length: bytes.length,
    crypt: 'sha256',
    hash,
  };
  return { queue: queues.created.name, id, meta, body: bytes };
}

/** Reads the meta of a block; its bytes are not parsed. Throws MESSAGE_INVALID. */
export function readBlock(message: Pick<Message, 'meta' | 'body'>): BlockMessage {
  return {
    id: metaHash(message, 'block'),
    chain: metaHash(message, 'chain'),
    height: metaInteger(message, 'height'),
    prev: metaHash(message, 'prev'),
    tailsTo: metaText(message, 'tailsTo'),
    bytes: message.body,
  };
}

/** The notice of a block that is in its chain. */
interface Committed {
  readonly chain: string;
  readonly id: string;
  readonly prev: string;
  readonly height: number;
  /** Time of the block, in ms. */
  readonly time: number;
  /** Number of its blobs. */
  readonly blobs: number;
}

export const writeCommitted = ({ chain, id, prev, height, time, blobs }: Committed): Outgoing => ({
  queue: queues.committed.name,
  id,
  meta: { chain, height, block: id },
  body: Buffer.from(JSON.stringify({ chain, id, prev, height, time, blobs })),
});

/** Receipts for the events of a block. The message id is the event id, so consumers see repeats. */
export const writeEventReceipts = (
  queue: string,
  { chain, id, height, blobs }: Pick<Block, 'chain' | 'id' | 'height' | 'blobs'>,
): Outgoing[] =>
  blobs.map(({ event }, position) => {
    // The position is that among the blobs of the block, from 0. It never changes.
    const receipt = { event, chain, block: id, height, position };
    return { queue, id: event, meta: { chain, height, block: id }, body: Buffer.from(JSON.stringify(receipt)) };
  });
