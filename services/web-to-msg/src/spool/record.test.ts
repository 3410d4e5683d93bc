import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { formatRecord, type Parsed, parseRecords, type SpoolEntry } from './record.ts';

const mark = Buffer.from('0123456789abcdef', 'hex');
const entryOf = (at: number, ...bodies: Buffer[]): SpoolEntry => ({
  at,
  messages: bodies.map((body, n) => ({ queue: 'ingress', id: `${at}-${n}`, meta: { chain: 'c', length: body.length, flag: true }, body })),
});
const entries = [
  entryOf(1, Buffer.from('hello'), Buffer.from('{"a":1}')),
  entryOf(2, Buffer.alloc(0)),
  entryOf(3, Buffer.from([0, 255, 1])),
];
const records = entries.map((entry) => Buffer.concat(formatRecord(mark, entry)));
const all = Buffer.concat(records);
const plain = ({ entries: found }: Parsed): SpoolEntry[] => found.map(({ at, messages }) => ({ at, messages }));

test('what is written is read again, byte by byte', () => {
  const found = parseRecords(mark, all);
  expect(found).toMatchObject({ torn: 0, damaged: 0 });
  expect(plain(found)).toEqual(entries);
  expect(found.entries.map(({ size }) => size)).toEqual(records.map(({ length }) => length));
});

test.each([0, 1, 100_000])('bodies of %d bytes of all values', (length) => {
  const entry = entryOf(7, randomBytes(length), randomBytes(length));
  expect(plain(parseRecords(mark, Buffer.concat(formatRecord(mark, entry))))).toEqual([entry]);
});

test('cut off at any byte, the records before it are whole and the rest is a torn tail, not damage', () => {
  for (let length = 0; length <= all.length; length++) {
    const found = parseRecords(mark, all.subarray(0, length));
    const ends = records.map((_, n) => Buffer.concat(records.slice(0, n + 1)).length);
    const whole = ends.filter((end) => end <= length);
    expect([length, plain(found)]).toEqual([length, entries.slice(0, whole.length)]);
    expect([length, found.torn, found.damaged]).toEqual([length, length - (whole.at(-1) ?? 0), 0]);
  }
});

test('a length that was written before its bytes, which are zeros, is a torn tail', () => {
  for (const zeros of [1, 53, 54, 5000])
    expect(parseRecords(mark, Buffer.concat([all, Buffer.alloc(zeros)]))).toMatchObject({ torn: zeros, damaged: 0 });
});

describe('damage', () => {
  test('any bit that flips costs its own record, which is reported, and no other', () => {
    for (let bit = 0; bit < all.length * 8; bit++) {
      const damaged = Buffer.from(all);
      damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
      const hit = records.findIndex((_, n) => bit >> 3 < Buffer.concat(records.slice(0, n + 1)).length);
      const found = parseRecords(mark, damaged);
      expect([bit, plain(found)]).toEqual([bit, entries.toSpliced(hit, 1)]);
      expect([bit, found.torn, found.damaged]).toEqual([bit, 0, records[hit]?.length]);
    }
  });

  test('of the lengths is damage, even if they point behind the end', () => {
    const damaged = Buffer.from(all);
    const last = all.length - (records[2]?.length ?? 0);
    damaged.writeUIntBE(2 ** 40, last + 12, 6);
    expect(parseRecords(mark, damaged)).toMatchObject({ torn: 0, damaged: records[2]?.length });
  });

  test('does not let a sender put records into a body', () => {
    const forged = Buffer.concat(formatRecord(randomBytes(8), entryOf(666, Buffer.from('forged'))));
    const publisher = Buffer.concat(formatRecord(mark, entryOf(5, forged)));
    publisher[20] = (publisher[20] as number) ^ 1;
    const found = parseRecords(mark, Buffer.concat([publisher, all]));
    expect(plain(found)).toEqual(entries);
    expect(found.damaged).toBe(publisher.length);
  });
});
