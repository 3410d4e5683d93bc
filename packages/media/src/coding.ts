import type { Transform } from 'node:stream';
import { constants, createBrotliDecompress, createGunzip, createInflate, createInflateRaw, createZstdDecompress } from 'node:zlib';
import { BlockhubError } from '@blockhub/errors';

/** Limits of decoded bytes. A body over a limit is refused. Memory is bounded in any case. */
export interface DecodeCaps {
  /** Maximum number of bytes that each coding may give. */
  readonly maxBytes: number;
  /** Decoded length divided by sent length. It counts from `RATIO_FROM_BYTES` on. */
  readonly maxRatio: number;
}

/** Up to this length any ratio is accepted. */
const RATIO_FROM_BYTES = 1024 * 1024;
/** Maximum number of codings of a body. Each multiplies the cost of a few bytes. */
const MAX_CODINGS = 5;
const CHUNK_BYTES = 64 * 1024;

type Decoding = Transform & { readonly bytesWritten: number };
type Decoder = (start: Buffer) => Decoding;
const EMPTY: Buffer = Buffer.alloc(0);

/** By RFC 9110 deflate has a zlib frame, but some senders leave it out. */
const isZlib = ([first = 0, second = 0]: Buffer): boolean => (first & 0x0f) === 8 && first >> 4 <= 7 && (first * 256 + second) % 31 === 0;

const decoders: Readonly<Record<string, Decoder>> = {
  gzip: () => createGunzip(),
  deflate: (start) => (isZlib(start) ? createInflate() : createInflateRaw()),
  br: () => createBrotliDecompress(),
  // RFC 9659 allows a window of 8 MB for HTTP. Without this limit a frame may need 128 MB.
  zstd: () => createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: 23 } }),
};

const list = (coding: string): string[] => coding.split(', ');

/** The first coding (of those that `parseCodings` gives) that cannot be decoded; else undefined. */
export const unknownCoding = (coding: string): string | undefined => list(coding).find((name) => !Object.hasOwn(decoders, name));

export const knownCodings: readonly string[] = Object.keys(decoders);

/**
 * Decodes content codings, the last one first, and yields the bytes in pieces.
 * @param coding as `parseCodings` gives it
 * @throws CODING_UNKNOWN; CODING_BROKEN if the bytes are not of the coding, or end too early;
 * CODING_TOO_LARGE with the limit
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
    throw new BlockhubError('CODING_TOO_LARGE', `The body has ${codings.length} content codings; expected at most ${MAX_CODINGS}.`);
  if (bytes.length === 0) return;
  let source: AsyncIterable<Buffer> | Iterable<Buffer> = chunks(bytes);
  for (const name of codings.reverse()) source = bounded(undo(source, name), bytes.length, caps);
  yield* source;
}

function* chunks(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
}

/** Pieces to be decoded. Bytes that a decoder did not take are given to the next one. */
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

  /** The first bytes, which can be read again. Empty at the end. */
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

  /** As `start(1)`, after zeros, with which tapes and some tools pad. */
  async startBehindZeros(): Promise<Buffer> {
    for (let piece = await this.next(); piece; piece = await this.next()) {
      const at = piece.findIndex((byte) => byte !== 0);
      if (at >= 0) return piece.subarray(at);
    }
    return EMPTY;
  }

  /** Ends the decoders before it. */
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
      // zstd frames may follow each other (RFC 8878, 3.1); Node decodes one, but all gzip members.
      if (start.length > 0 && name !== 'zstd') throw new Error('bytes follow its end');
    } while (start.length > 0);
  } catch (cause) {
    if (cause instanceof BlockhubError) throw cause;
    throw new BlockhubError('CODING_BROKEN', `The body cannot be decoded as ${name}: ${(cause as Error).message}.`, { cause });
  } finally {
    await input.close();
  }
}

/** Writes pieces until the input or the coding ends. Errors are thrown by reading the decoder. */
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

export interface DecodedStart {
  readonly bytes: Buffer;
  /** True if the body is longer. */
  readonly more: boolean;
}

/** As `decode`, but only the first bytes, at no more cost than theirs. */
export async function decodeStart(bytes: Buffer, coding: string, length: number): Promise<DecodedStart> {
  const pieces: Buffer[] = [];
  let total = 0;
  // The codings before the last may give more bytes than the start has.
  for await (const piece of decode(bytes, coding, { maxBytes: 1024 * length, maxRatio: Number.POSITIVE_INFINITY })) {
    pieces.push(piece);
    total += piece.length;
    if (total > length) break;
  }
  return { bytes: Buffer.concat(pieces).subarray(0, length), more: total > length };
}
