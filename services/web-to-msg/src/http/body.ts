import type { Readable } from 'node:stream';
import { BlockhubError } from '@blockhub/errors';
import { formatSize } from '@blockhub/settings';

/** Bodies up to this length may use the whole budget. */
const SMALL_BYTES = 64 * 1024;
/** Share of the budget for larger bodies: slow uploads must leave room for other senders. */
const LARGE_SHARE = 0.75;
/** Smaller chunks are joined, because each buffer costs about 100 bytes more than it holds. */
const WHOLE_CHUNK_BYTES = 4096;
const JOINED_CHUNKS = 256;

/** Limits the bytes of all bodies in memory (P8). Announced bytes do not count. */
export class ByteBudget {
  readonly limit: number;
  readonly #limitOfLarge: number;
  #used = 0;

  /** @param largest length of the largest body, which fits if no other body is in memory */
  constructor(limit: number, largest: number) {
    this.limit = limit;
    this.#limitOfLarge = Math.max(largest, Math.floor(limit * LARGE_SHARE));
  }

  get used(): number {
    return this.#used;
  }

  /** True if there is room for `bytes` more of a body that is at least `length` long. */
  fits(bytes: number, length: number): boolean {
    return this.#used + bytes <= (length > SMALL_BYTES ? Math.min(this.limit, this.#limitOfLarge) : this.limit);
  }

  take(bytes: number, length: number): boolean {
    if (!this.fits(bytes, length)) return false;
    this.#used += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#used -= bytes;
  }
}

/** Collects chunks of any size in few buffers. */
class Chunks {
  readonly #whole: Buffer[] = [];
  #small: Buffer[] = [];
  #length = 0;

  add(chunk: Buffer): void {
    this.#length += chunk.length;
    if (chunk.length < WHOLE_CHUNK_BYTES) {
      this.#small.push(chunk);
      if (this.#small.length === JOINED_CHUNKS) this.#join();
      return;
    }
    this.#join();
    this.#whole.push(chunk);
  }

  concat(): Buffer {
    const all = [...this.#whole, ...this.#small];
    return all.length === 1 ? (all[0] as Buffer) : Buffer.concat(all, this.#length);
  }

  #join(): void {
    if (this.#small.length > 0) this.#whole.push(Buffer.concat(this.#small));
    this.#small = [];
  }
}

const tooLarge = (limit: number): BlockhubError =>
  new BlockhubError('BODY_TOO_LARGE', `The body is larger than the limit of ${formatSize(limit)} (${limit} bytes).`, {
    details: { limit },
  });
const busy = (): BlockhubError => new BlockhubError('CAPTURE_BUSY', 'The bodies of other requests use all the memory for bodies.');

const EMPTY = Buffer.alloc(0);

/** The function must give back `taken` bytes to the budget. */
export type BodyRead = (error: BlockhubError | null, body: Buffer, taken: number) => void;

/**
 * Fails with BODY_TOO_LARGE as soon as the limit is passed, with BODY_INCOMPLETE if the connection
 * ends early, with CAPTURE_BUSY if the budget is used up. Returns a function that fails the read,
 * or undefined if the announced length is refused at once.
 */
export function readBody(
  stream: Readable,
  declared: number | undefined,
  limit: number,
  budget: ByteBudget,
  done: BodyRead,
): ((error: BlockhubError) => void) | undefined {
  const announced = declared ?? 0;
  const refusal = announced > limit ? tooLarge(limit) : budget.fits(announced, announced) ? undefined : busy();
  if (refusal) {
    refuse(stream, refusal, 0, done);
    return undefined;
  }
  let chunks = new Chunks();
  let taken = 0;
  let settled = false;
  const settle = (error: BlockhubError | null, body: Buffer): void => {
    if (settled) return;
    settled = true;
    // The listeners live on after a refusal, as long as the request. The chunks must not.
    chunks = new Chunks();
    if (error) refuse(stream, error, taken, done);
    else done(null, body, taken);
  };
  stream.on('data', (chunk: Buffer) => {
    if (settled) return;
    const length = taken + chunk.length;
    if (length > limit) return settle(tooLarge(limit), EMPTY);
    if (!budget.take(chunk.length, Math.max(length, announced))) return settle(busy(), EMPTY);
    taken = length;
    chunks.add(chunk);
  });
  const incomplete = (): void => {
    if (!settled)
      settle(new BlockhubError('BODY_INCOMPLETE', `The connection ended after ${taken} of ${declared ?? 'unknown'} bytes.`), EMPTY);
  };
  stream.on('end', () => {
    if (declared !== undefined && declared !== taken) return incomplete();
    settle(null, chunks.concat());
  });
  stream.on('error', incomplete);
  stream.on('close', incomplete);
  return (error) => settle(error, EMPTY);
}

/** The rest of the body is read and dropped, so that the sender can read the answer. */
function refuse(stream: Readable, error: BlockhubError, taken: number, done: BodyRead): void {
  stream.removeAllListeners('data');
  stream.resume();
  done(error, EMPTY, taken);
}
