/** @group long: it decodes bodies of many megabytes. */
import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { decode, decodeStart } from './index.ts';

const caps = { maxBytes: 8 * 1024 * 1024, maxRatio: 100 };
const body = Buffer.from(Array.from({ length: 20_000 }, (_, n) => `line ${n * 7919}\n`).join(''));

async function all(bytes: Buffer, coding: string, given = caps): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(decode(bytes, coding, given)));
}
const failure = async (bytes: Buffer, coding: string, given = caps): Promise<string> => {
  try {
    await all(bytes, coding, given);
    return 'decoded';
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return `${code}: ${message}`;
  }
};

const zstd = (bytes: Buffer | string): Buffer => zstdCompressSync(bytes);
const skippable = Buffer.from('502a4d1803000000616263', 'hex');

describe('a coding is undone', () => {
  test.each<[string, string, (bytes: Buffer) => Buffer]>([
    ['gzip', 'gzip', (bytes) => gzipSync(bytes)],
    ['gzip of two members', 'gzip', (bytes) => Buffer.concat([gzipSync(bytes.subarray(0, 99)), gzipSync(bytes.subarray(99))])],
    ['gzip with zeros behind it', 'gzip', (bytes) => Buffer.concat([gzipSync(bytes), Buffer.alloc(99)])],
    ['deflate', 'deflate', (bytes) => deflateSync(bytes)],
    ['deflate without its frame', 'deflate', (bytes) => deflateRawSync(bytes)],
    ['br', 'br', (bytes) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } })],
    ['zstd', 'zstd', zstd],
    ['zstd of two frames', 'zstd', (bytes) => Buffer.concat([zstd(bytes.subarray(0, 99)), zstd(bytes.subarray(99))])],
    [
      'zstd of a frame that is none, and many',
      'zstd',
      (bytes) => Buffer.concat([skippable, zstd(bytes), ...Array<Buffer>(50).fill(zstd(''))]),
    ],
    ['two in a row', 'deflate, gzip', (bytes) => gzipSync(deflateSync(bytes))],
    ['five in a row', 'zstd, gzip, br, gzip, deflate', (bytes) => deflateSync(gzipSync(brotliCompressSync(gzipSync(zstd(bytes)))))],
  ])('%s', async (_name, coding, encode) => {
    for (const bytes of [Buffer.alloc(0), Buffer.from('x'), body]) expect((await all(encode(bytes), coding)).equals(bytes)).toBe(true);
    const start = await decodeStart(encode(body), coding, 100);
    expect([start.bytes.toString(), start.more]).toEqual([body.toString('utf8', 0, 100), true]);
    expect(await decodeStart(encode(body.subarray(0, 50)), coding, 100)).toEqual({ bytes: body.subarray(0, 50), more: false });
  });

  test('of nothing, which is nothing', async () => {
    for (const coding of ['gzip', 'deflate', 'br', 'zstd']) expect((await all(Buffer.alloc(0), coding)).length).toBe(0);
  });
});

describe('bytes that are not of the coding are an error', () => {
  const encoded: [string, Buffer][] = [
    ['gzip', gzipSync(body)],
    ['deflate', deflateSync(body)],
    ['deflate', deflateRawSync(body)],
    ['br', brotliCompressSync(body)],
    ['zstd', zstd(body)],
  ];
  test.each(encoded)('%s that ends too early, or is damaged', async (coding, bytes) => {
    for (const length of [1, 5, bytes.length >> 1, bytes.length - 1])
      expect(await failure(bytes.subarray(0, length), coding)).toMatch(
        new RegExp(`^CODING_BROKEN: The body cannot be decoded as ${coding}: `),
      );
    expect(await failure(Buffer.from('hello, this is only text'), coding)).toMatch(/^CODING_BROKEN/);
  });

  test.each(encoded)('%s with other bytes behind it', async (coding, bytes) => {
    expect(await failure(Buffer.concat([bytes, Buffer.from('MZ and more')]), coding)).toMatch(/^CODING_BROKEN/);
  });

  test.each(['compress', 'utf-8', 'aws-chunked', 'gzip, lz4', 'constructor', 'GZIP', ''])('%j is unknown', async (coding) => {
    expect(await failure(gzipSync('x'), coding)).toMatch(/^CODING_UNKNOWN: .*expected gzip, deflate, br, zstd/);
  });
});

describe('a bomb is refused by a cap, which is named', () => {
  const zeros = Buffer.alloc(20_000_000);
  test.each([
    ['gzip', gzipSync(zeros)],
    ['deflate', deflateSync(zeros)],
    ['br', brotliCompressSync(zeros, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } })],
    ['zstd', zstd(zeros)],
    ['gzip, gzip', gzipSync(gzipSync(zeros))],
  ])('%s', async (coding, bomb) => {
    expect(await failure(bomb, coding)).toMatch(
      /^CODING_TOO_LARGE: The decoded body has more than 100 times the \d+ bytes that were sent\.$/,
    );
    expect(await failure(bomb, coding, { maxBytes: 10_000_000, maxRatio: 1e9 })).toBe(
      'CODING_TOO_LARGE: The decoded body has more than 10000000 bytes.',
    );
    expect((await all(bomb, coding, { maxBytes: 20_000_000, maxRatio: 1e9 })).length).toBe(20_000_000);
  });

  test('of few bytes every ratio is taken', async () => {
    expect((await all(gzipSync(Buffer.alloc(1_000_000)), 'gzip')).length).toBe(1_000_000);
  });

  test('that is large between its codings only', async () => {
    const inner = Buffer.concat(Array<Buffer>(400_000).fill(gzipSync('')));
    expect(await failure(gzipSync(inner), 'gzip, gzip')).toMatch(/^CODING_TOO_LARGE/);
  });

  test('a window that takes much memory', async () => {
    const bytes = zstdCompressSync(body, {
      params: { [constants.ZSTD_c_windowLog]: 27, [constants.ZSTD_c_contentSizeFlag]: 0 },
      pledgedSrcSize: undefined,
    } as object);
    const wide = Buffer.from(bytes);
    // The byte behind the magic and the descriptor is the size of the window: 128 MB.
    if (!((wide[4] ?? 0) & 0x20)) wide[5] = 0x88;
    expect(await failure(wide, 'zstd')).toMatch(/^CODING_BROKEN: .*(?:memory|window)/i);
  });

  test('too many codings', async () => {
    expect(await failure(gzipSync('x'), Array<string>(6).fill('gzip').join(', '))).toMatch(
      /^CODING_TOO_LARGE: The body has 6 content codings/,
    );
  });

  test('whose start is looked at costs no more than the start', async () => {
    expect((await decodeStart(gzipSync(zeros), 'gzip', 4096)).bytes.length).toBe(4096);
  });
});
