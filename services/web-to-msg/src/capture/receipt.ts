import { type Crypt, eventTime, hashOf, type Meta } from '@blockhub/chain';
import type { Capture } from '@blockhub/message';
import type { ChainRecord } from '@blockhub/registry';

/** The answer to a sender: the blob is durable and will be in the chain exactly once. */
export interface CaptureReceipt {
  readonly event: string;
  readonly chain: string;
  readonly hash: string;
  readonly crypt: Crypt;
  readonly length: number;
  /** ISO 8601, UTC. */
  readonly receivedAt: string;
}

/** One body as an event of a chain, with the hash that the chain uses. */
export function captureOf(chain: ChainRecord, event: string, body: Buffer, meta: Meta): Capture {
  const { crypt } = chain;
  const capture = {
    event,
    chain: chain.id,
    createdAt: eventTime(event),
    crypt,
    hash: hashOf(crypt, body),
    length: body.length,
    meta,
    body,
  };
  return crypt === 'md5' ? { ...capture, sha256: hashOf('sha256', body) } : capture;
}

export const receiptOf = ({ event, chain, hash, crypt, length, createdAt }: Capture): CaptureReceipt => ({
  event,
  chain,
  hash,
  crypt,
  length,
  receivedAt: new Date(createdAt).toISOString(),
});
