import type { Transform } from 'node:stream';
import { constants, createBrotliDecompress, createGunzip, createInflate, createInflateRaw, createZstdDecompress } from 'node:zlib';
import { BlockhubError } from '@blockhub/errors';

/**
 * Bounds of decoded bytes. A body over one of them is refused. Memory is bounded in any case,
 * because the bytes are not kept.
 */
export interface DecodeCaps {
  /** Most bytes that any of the codings may give. */
  readonly maxBytes: number;
  /**
   * How many times as many bytes as were sent. It counts from `RATIO_FROM_BYTES` on: few bytes do
   * no harm, however few they were before.
   */
  readonly maxRatio: number;
}

/** Decoded bytes up to here are taken at any ratio. */
export const RATIO_FROM_BYTES = 1024 * 1024;
/** Codings of one body; each more multiplies what a few bytes can cost. */
const MAX_CODINGS = 5;
const CHUNK_BYTES = 64 * 1024;

type Decoding = Transform & { readonly bytesWritten: number };
type Decoder = (start: Buffer) => Decoding;
const EMPTY: Buffer = Buffer.alloc(0);

/** RFC 9110 says that deflate is zlib; some senders leave its frame out. */
const isZlib = ([first = 0, second = 0]: Buffer): boolean => (first & 0x0f) === 8 && first >> 4 <= 7 && (first * 256 + second) % 31 === 0;

const decoders: Readonly<Record<string, Decoder>> = {
  gzip: () => createGunzip(),
  deflate: (start) => (isZlib(start) ? createInflate() : createInflateRaw()),
  br: () => createBrotliDecompress(),
  // A window of 8 MB is the most that RFC 9659 allows for HTTP; without the bound a frame may ask
  // for 128 MB.
  zstd: () => createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: 23 } }),
};

const list = (coding: string): string[] => coding.split(', ');

/**
 * The first of the codings, as `parseCodings` gives them, that cannot be undone here; undefined
 * where all can be.
 */
export const unknownCoding = (coding: string): string | undefined => list(coding).find((name) => !Object.hasOwn(decoders, name));

/** What can be undone, for messages. */
export const knownCodings: readonly string[] = Object.keys(decoders);

/**
 * Undoes content codings, the last one first, and gives the bytes piece by piece.
 * @param coding as `parseCodings` gives it
 * @throws CODING_UNKNOWN; CODING_BROKEN where the bytes are not of the coding, or end too early;
 * CODING_TOO_LARGE, which names the cap
 */
export async function* decode(bytes: Buffer, coding: string, caps: DecodeCaps): AsyncGenerator<Buffer> {
  const codings = list(coding);
  const unknown = unknownCoding(coding);
  if (unknown !== undefined)
    throw new BlockhubError(
      'CODING_UNKNOWN',
      `The content coding ${JSON.stringify(unknown)} is unknown: expected ${knownCodings.join(', ')}.`,
    );
  if (codings.length > MAX_CODINGS)
    throw new BlockhubError('CODING_TOO_LARGE', `The body has ${codings.length} content codings: at most ${MAX_CODINGS} are undone.`);
  if (bytes.length === 0) return;
  let source: AsyncIterable<Buffer> | Iterable<Buffer> = chunks(bytes);
  for (const name of codings.reverse()) source = bounded(undo(source, name), bytes.length, caps);
  yield* source;
}

function* chunks(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
}

/** Pieces to be decoded; what a decoder did not take is given to the next one. */
class Input {
  readonly #pieces: AsyncIterator<Buffer> | Iterator<Buffer>;
  #first: Buffer | undefined;

  constructor(source: AsyncIterable<Buffer> | Iterable<Buffer>) {
    this.#pieces = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  }

  async next(): Promise<Buffer | undefined> {
    const first = this.#first;
    this.#first = undefined;
    if (first) return first;
    const { value, done } = await this.#pieces.next();
    return done ? undefined : value;
  }

  giveBack(piece: Buffer): void {
    if (piece.length > 0) this.#first = piece;
  }

  /** The first bytes, which stay. Empty at the end. */
  async start(length: number): Promise<Buffer> {
    let start = EMPTY;
    while (start.length < length) {
      const piece = await this.next();
      if (!piece) break;
      start = start.length === 0 ? piece : Buffer.concat([start, piece]);
    }
    this.giveBack(start);
    return start;
  }

  /** As `start(1)`, behind zeros, with which tapes and some tools fill up. */
  async startBehindZeros(): Promise<Buffer> {
    for (let piece = await this.next(); piece; piece = await this.next()) {
      const at = piece.findIndex((byte) => byte !== 0);
      if (at >= 0) return piece.subarray(at);
    }
    return EMPTY;
  }

  /** Ends everything before it. */
  async close(): Promise<void> {
    await this.#pieces.return?.();
  }
}

async function* undo(source: AsyncIterable<Buffer> | Iterable<Buffer>, name: string): AsyncGenerator<Buffer> {
  const input = new Input(source);
  try {
    let start = await input.start(2);
    do {
      const decoder = (decoders[name] as Decoder)(start);
      const feeding = feed(decoder, input);
      yield* decoder;
      await feeding;
      start = name === 'gzip' ? await input.startBehindZeros() : await input.start(1);
      // Frames of zstd may follow one another (RFC 8878, 3.1); members of gzip do inside of its
      // decoder. Node would drop what follows.
      if (start.length > 0 && name !== 'zstd') throw new Error('bytes follow its end');
    } while (start.length > 0);
  } catch (cause) {
    if (cause instanceof BlockhubError) throw cause;
    throw new BlockhubError('CODING_BROKEN', `The body cannot be decoded as ${name}: ${(cause as Error).message}.`, { cause });
  } finally {
    await input.close();
  }
}

/**
 * Writes one piece after the other until the end of the input, or of the coding. Errors are those
 * of reading the decoder.
 */
async function feed(decoder: Decoding, input: Input): Promise<void> {
  try {
    for (let piece = await input.next(); piece; piece = await input.next()) {
      const before = decoder.bytesWritten;
      await new Promise<void>((resolve, reject) => decoder.write(piece, (error) => (error ? reject(error) : resolve())));
      const taken = decoder.bytesWritten - before;
      if (taken < piece.length) return input.giveBack(piece.subarray(taken));
    }
    decoder.end();
  } catch (error) {
    decoder.destroy(error as Error);
  }
}

async function* bounded(source: AsyncIterable<Buffer>, sent: number, { maxBytes, maxRatio }: DecodeCaps): AsyncGenerator<Buffer> {
  const byRatio = Math.max(RATIO_FROM_BYTES, sent * maxRatio);
  let total = 0;
  for await (const piece of source) {
    total += piece.length;
    if (total > maxBytes) throw tooLarge(`more than ${maxBytes} bytes`);
    if (total > byRatio) throw tooLarge(`more than ${maxRatio} times the ${sent} bytes that were sent`);
    yield piece;
  }
}

const tooLarge = (what: string): BlockhubError => new BlockhubError('CODING_TOO_LARGE', `The decoded body has ${what}.`);

/** The start of a decoded body. */
export interface DecodedStart {
  readonly bytes: Buffer;
  /** There is more of it. */
  readonly more: boolean;
}

/** As `decode`, but no more than the first bytes, which costs no more than they do. */
export async function decodeStart(bytes: Buffer, coding: string, length: number): Promise<DecodedStart> {
  const pieces: Buffer[] = [];
  let total = 0;
  // Codings before the last may give more than the start needs.
  for await (const piece of decode(bytes, coding, { maxBytes: 1024 * length, maxRatio: Number.POSITIVE_INFINITY })) {
    pieces.push(piece);
    total += piece.length;
    if (total > length) break;
  }
  return { bytes: Buffer.concat(pieces).subarray(0, length), more: total > length };
}
