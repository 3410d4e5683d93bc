import fc from 'fast-check';
import { buildRoot } from './build.ts';
import { newEvent } from './event.ts';
import { hashOf } from './hash.ts';
import { reservedMeta } from './item.ts';
import { tailOf } from './parse.ts';
import type { BuiltBlock, Crypt, Meta, Receipt, Tail } from './types.ts';

/** Blocks and receipts for tests. */

export const START = Date.UTC(2026, 0, 1);

export function sampleReceipt(crypt: Crypt, number: number, meta: Meta = { mime: 'text/plain' }): Receipt {
  const body = Buffer.from(`body ${number}`);
  const event = newEvent(START + number, Buffer.alloc(10, number));
  const at = { key: `packs/${'ab'.repeat(32)}.pack`, offset: number * 100 };
  const item = { event, crypt, hash: hashOf(crypt, body), length: body.length };
  return crypt === 'md5' ? { ...item, sha256: hashOf('sha256', body), at, meta } : { ...item, at, meta };
}

export const sampleRoot = (crypt: Crypt): BuiltBlock =>
  buildRoot({
    crypt,
    salt: '00112233445566778899aabbccddeeff',
    time: START,
    name: 'orders',
    payload: { by: 'é', n: [1, -2] },
    settings: { requests: false },
  });

export const sampleTail = (crypt: Crypt): Tail => tailOf(sampleRoot(crypt));

export const crypts = fc.constantFrom<Crypt>('sha256', 'md5');

const metaName = fc.string({ unit: 'grapheme' }).filter((name) => !reservedMeta.has(name));
const metaValue = fc.oneof(fc.string({ unit: 'binary' }), fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean());

const bytesOf = (length: number): fc.Arbitrary<string> =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => Buffer.from(bytes).toString('hex'));

export const events = fc
  .tuple(fc.integer({ min: 0, max: 2 ** 48 - 1 }), fc.uint8Array({ minLength: 10, maxLength: 10 }))
  .map(([time, random]) => newEvent(time, random));

const lengths = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

const receipts: fc.Arbitrary<Receipt> = fc
  .record({
    event: events,
    crypt: crypts,
    digests: fc.record({ sha256: bytesOf(32), md5: bytesOf(16) }),
    length: lengths,
    at: fc.record({ key: fc.string({ unit: 'grapheme', minLength: 1 }), offset: lengths }, { requiredKeys: ['key'] }),
    meta: fc.dictionary(metaName, metaValue),
  })
  .map(({ digests, ...rest }) => ({ ...rest, hash: digests[rest.crypt], ...(rest.crypt === 'md5' && { sha256: digests.sha256 }) }));

export const groups = fc.uniqueArray(receipts, { minLength: 1, maxLength: 8, selector: ({ event }) => event });
