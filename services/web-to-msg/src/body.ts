import type { Readable } from 'node:stream';
import { BlockhubError } from '@blockhub/errors';
import { formatSize } from '@blockhub/settings';

/** Bodies up to this length may use the whole budget. */
const SMALL_BYTES = 64 * 1024;
/** Of the budget, for larger bodies: slow uploads must not keep everybody else out. */
const LARGE_SHARE = 0.75;
/** A chunk below this is joined with its neighbours: senders choose the size of chunks, and each costs a hundred bytes of memory beside its own. */
const WHOLE_CHUNK_BYTES = 4096;
const JOINED_CHUNKS = 256;

/** A bound on the bytes of all bodies that are held at once (P8). Bytes count when they arrive: what is only announced costs nothing. */
export class ByteBudget {
  readonly limit: number;
  readonly #limitOfLarge: number;
  #used = 0;

  /** @param largest length of the largest body, which always fits when no other one is held */
  constructor(limit: number, largest: number) {
    this.limit = limit;
    this.#limitOfLarge = Math.max(largest, Math.floor(limit * LARGE_SHARE));
  }

  get used(): number {
    return this.#used;
  }

  /** Whether there is room for `bytes` more of a body that is at least `length` long. */
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
export class Chunks {
  readonly #whole: Buffer[] = [];
  #small: Buffer[] = [];
  #length = 0;

  /** Buffers that are held. */
  get count(): number {
    return this.#whole.length + this.#small.length;
  }

  get length(): number {
    return this.#length;
  }

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
  new BlockhubError('BODY_TOO_LARGE', `The body is over the limit of ${formatSize(limit)} (${limit} bytes).`, { details: { limit } });
const busy = (): BlockhubError => new BlockhubError('CAPTURE_BUSY', 'Too many bytes of other requests are in flight.');

const EMPTY = Buffer.alloc(0);

/**
 * Reads a body whole. Fails with BODY_TOO_LARGE as soon as the limit is passed (never a shortened body), with BODY_INCOMPLETE when the
 * connection ends early, with CAPTURE_BUSY when the budget of all bodies is used up. What it took from the budget is `taken`, to be given back by the caller.
 * Gives what fails it from outside; undefined where what was announced is refused already.
 */
export function readBody(
  stream: Readable,
  declared: number | undefined,
  limit: number,
  budget: ByteBudget,
  done: (error: BlockhubError | null, body: Buffer, taken: number) => void,
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
    // Listeners live as long as the request, which may go on behind a refusal: what counts no more must not be held either.
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
