import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { type Meta, newEvent } from '@blockhub/chain';
import { openStore } from '@blockhub/store';
import { append, createChain } from '@blockhub/writer';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { blockhubHere, linesOf } from './blockhub.fixture.ts';

const text = 'grüße, and more\n';
const latin1 = Buffer.from(text, 'latin1');
const bomb = gzipSync(Buffer.alloc(3_000_000, 'x'));
const samples: readonly (readonly [name: string, meta: Meta, bytes: Buffer, inside: string | undefined])[] = [
  ['plain', { mime: 'text/plain' }, Buffer.from(text), text],
  ['gzip', { mime: 'text/plain', coding: 'gzip' }, gzipSync(text), text],
  ['x-gzip in capitals', { mime: 'text/plain', coding: 'X-GZIP' }, gzipSync(text), text],
  ['deflate', { coding: 'deflate' }, deflateSync(text), text],
  ['deflate without its frame', { coding: 'deflate' }, deflateRawSync(text), text],
  ['br', { coding: 'br' }, brotliCompressSync(text), text],
  ['zstd', { coding: 'zstd' }, zstdCompressSync(text), text],
  ['two codings', { coding: 'deflate, gzip' }, gzipSync(deflateSync(text)), text],
  ['identity', { coding: 'identity' }, Buffer.from(text), text],
  ['a charset', { mime: 'text/plain', charset: 'iso-8859-1' }, latin1, text],
  ['a coding and a charset', { charset: 'iso-8859-1', coding: 'gzip' }, gzipSync(latin1), text],
  ['an unknown charset', { charset: 'x-nothing' }, Buffer.from(text), text],
  ['UTF-16', { charset: 'utf-16le' }, Buffer.from(text, 'utf16le'), text],
  ['bytes', { coding: 'gzip' }, gzipSync(Buffer.from([0, 1, 2, 255])), undefined],
  ['nothing', { coding: 'gzip' }, Buffer.alloc(0), ''],
];

let data: string;
let events: string[];
const run = (...args: string[]) => blockhubHere([...args, '--data', data]);

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'blockhub-media-'));
  const store = await openStore(join(data, 'store'));
  const { id } = await createChain(store, { name: 'default', now: 1_700_000_000_000, random: Math.random });
  const rest = [
    { bytes: bomb, meta: { coding: 'gzip' } },
    { bytes: gzipSync(text).subarray(0, 20), meta: { coding: 'gzip' } },
    { bytes: Buffer.from(text), meta: { coding: 'compress' } },
  ];
  const blobs = [...samples.map(([, meta, bytes]) => ({ bytes, meta })), ...rest];
  const appended = await append(store, id, blobs, { newEvent: () => newEvent(1_800_000_000_000, randomBytes(10)) });
  const order = new Map(appended.receipts.map(({ hash, meta, event }) => [hash + JSON.stringify(meta), event]));
  const { hashOf } = await import('@blockhub/chain');
  events = blobs.map(({ bytes, meta }) => order.get(hashOf('sha256', bytes) + JSON.stringify(meta)) ?? '');
  await store.close();
});
afterAll(() => rm(data, { recursive: true }));

describe.each(samples.map(([name, meta, bytes, inside], at) => ({ name, meta, bytes, inside, at })))(
  'a blob of $name',
  ({ meta, bytes, inside, at }) => {
    test('is shown by info, with its meta', async () => {
      const [facts] = linesOf(await run('info', events[at] ?? ''));
      expect(facts).toMatchObject({ kind: 'blob', length: bytes.length, content: inside ?? '<blob>', ...meta });
      expect(facts).not.toHaveProperty('undecoded');
    });

    test('is decoded by cat --decode, and given as stored without', async () => {
      const decoded = await run('cat', events[at] ?? '', '--decode');
      expect(decoded.code).toBe(0);
      if (inside !== undefined && meta.charset === undefined) expect(decoded.stdout).toBe(inside);
      const stored = (await run('cat', events[at] ?? '')).stdout;
      expect(stored).toBe(new TextDecoder().decode(bytes));
    });
  },
);

test('walk shows the text inside', async () => {
  const { stdout } = await run('walk', '--output', 'table');
  expect(stdout.split(text).length - 1).toBeGreaterThanOrEqual(samples.filter(([, , , inside]) => inside === text).length);
  expect(stdout).toContain(' CODING:gzip\n');
  expect(stdout).toContain('The body cannot be decoded as gzip');
  expect(stdout).toContain('The content coding "compress" is unknown');
});

test.each([
  [0, [], 'CODING_TOO_LARGE: The decoded body has more than 200 times'],
  [0, ['--decode-ratio', '5000', '--decode-limit', '2mb'], 'CODING_TOO_LARGE: The decoded body has more than 2097152 bytes'],
  [1, [], 'CODING_BROKEN: The body cannot be decoded as gzip: unexpected end of file'],
  [2, [], 'CODING_UNKNOWN: The content coding "compress" is unknown: expected gzip'],
])('cat --decode of a bad blob (%i, %j) writes nothing, and says why', async (which, options, expected) => {
  const { code, stdout, stderr } = await run('cat', events[samples.length + which] ?? '', '--decode', ...options);
  expect([code, stdout]).toEqual([3, '']);
  expect(stderr).toContain(expected);
});

test('cat --decode takes what its caps allow, and refuses caps that are none', async () => {
  const bombEvent = events[samples.length] ?? '';
  expect((await run('cat', bombEvent, '--decode', '--decode-ratio', '5000')).stdout.length).toBe(3_000_000);
  for (const ratio of ['0', '-1', 'x', '1.5']) expect((await run('cat', bombEvent, '--decode', '--decode-ratio', ratio)).code).toBe(2);
  expect((await run('cat', bombEvent, '--decode', '--decode-limit', 'much')).code).toBe(2);
});

test('info shows the start of what is long, and why a blob is not decoded', async () => {
  const [long] = linesOf(await run('info', events[samples.length] ?? ''));
  expect(long).toMatchObject({ content: 'x'.repeat(4096), contentCut: 'the first 4096 bytes' });
  const [broken] = linesOf(await run('info', events[samples.length + 1] ?? ''));
  expect(broken).toMatchObject({ content: '<blob>', undecoded: expect.stringContaining('cannot be decoded as gzip') });
});
