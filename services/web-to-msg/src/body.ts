import type { Readable } from 'node:stream';
import { BlockhubError } from '@blockhub/errors';
import { formatSize } from '@blockhub/settings';

/** A bound on the bytes of all bodies that are held at once (P8). */
export class ByteBudget {
  readonly limit: number;
  #used = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  take(bytes: number): boolean {
    if (this.#used + bytes > this.limit) return false;
    this.#used += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#used -= bytes;
  }
}

const tooLarge = (limit: number): BlockhubError =>
  new BlockhubError('BODY_TOO_LARGE', `The body is over the limit of ${formatSize(limit)} (${limit} bytes).`, { details: { limit } });
const busy = (): BlockhubError => new BlockhubError('CAPTURE_BUSY', 'Too many bytes of other requests are in flight.');

const EMPTY = Buffer.alloc(0);

/**
 * Reads a body whole. Fails with BODY_TOO_LARGE as soon as the limit is passed (never a shortened body), with BODY_INCOMPLETE when the
 * connection ends early, with CAPTURE_BUSY when the budget of all bodies is used up. What it took from the budget is `taken`, to be given back by the caller.
 */
export function readBody(
  stream: Readable,
  declared: number | undefined,
  limit: number,
  budget: ByteBudget,
  done: (error: BlockhubError | null, body: Buffer, taken: number) => void,
): void {
  let taken = declared ?? 0;
  const refusal = taken > limit ? tooLarge(limit) : budget.take(taken) ? undefined : busy();
  if (refusal) {
    refuse(stream, refusal, 0, done);
    return;
  }
  const chunks: Buffer[] = [];
  let length = 0;
  let settled = false;
  const settle = (error: BlockhubError | null, body: Buffer): void => {
    if (settled) return;
    settled = true;
    if (error) refuse(stream, error, taken, done);
    else done(null, body, taken);
  };
  stream.on('data', (chunk: Buffer) => {
    if (settled) return;
    length += chunk.length;
    if (length > limit) return settle(tooLarge(limit), EMPTY);
    if (length > taken) {
      if (!budget.take(length - taken)) return settle(busy(), EMPTY);
      taken = length;
    }
    chunks.push(chunk);
  });
  const incomplete = (): void => {
    if (!settled)
      settle(new BlockhubError('BODY_INCOMPLETE', `The connection ended after ${length} of ${declared ?? 'unknown'} bytes.`), EMPTY);
  };
  stream.on('end', () => {
    if (declared !== undefined && declared !== length) return incomplete();
    settle(null, chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, length));
  });
  stream.on('error', incomplete);
  stream.on('close', incomplete);
}

/** What still comes is read and dropped, so that the sender gets to read the answer; the request time-out bounds how long. */
function refuse(
  stream: Readable,
  error: BlockhubError,
  taken: number,
  done: (error: BlockhubError, body: Buffer, taken: number) => void,
): void {
  stream.removeAllListeners('data');
  stream.resume();
  done(error, EMPTY, taken);
}
