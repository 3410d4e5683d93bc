import { MemoryStore, Store } from '@blockhub/store';
import { describe, expect, test } from '@jest/globals';
import { findHeight, heightText, parseHeight, parsePosition } from './position.ts';
import { writeSample } from './sample-chain.ts';
import type { Position } from './types.ts';

const id = 'ab12'.repeat(16);
const md5 = 'cd34'.repeat(8);
const noon = Date.UTC(2026, 4, 1, 12);

describe('a place is', () => {
  test.each<[string, Position]>([
    ['0', { height: 0 }],
    ['7', { height: 7 }],
    ['007', { height: 7 }],
    ['12345678', { height: 12_345_678 }],
    ['999999999', { height: 999_999_999 }],
    ['000000000012', { height: 12 }],
    ['001777636800', { height: 1_777_636_800 }],
    ['-1', { fromTail: 1 }],
    ['-10', { fromTail: 10 }],
    ['-999999999', { fromTail: 999_999_999 }],
    ['2026-05-01', { time: Date.UTC(2026, 4, 1) }],
    ['2026-05-01T12:00Z', { time: noon }],
    ['2026-05-01T12:00:00Z', { time: noon }],
    ['2026-05-01t12:00:00z', { time: noon }],
    ['2026-05-01 12:00:00Z', { time: noon }],
    ['2026-05-01T14:00:00+02:00', { time: noon }],
    ['2026-05-01T12:00:00.250Z', { time: noon + 250 }],
    [id, { id }],
    [id.toUpperCase(), { id }],
    [`sha256:${id}`, { id }],
    [`{${id}}`, { id }],
    [` ${id}\n`, { id }],
    [md5, { id: md5 }],
    ['1'.repeat(64), { id: '1'.repeat(64) }],
    ['1'.repeat(32), { id: '1'.repeat(32) }],
    ['ab12ab12', { idPrefix: 'ab12ab12' }],
    ['AB12AB12A', { idPrefix: 'ab12ab12a' }],
    // Digits alone are a height; the label makes them an id.
    ['sha256:12345678', { idPrefix: '12345678' }],
    ['1'.repeat(25), { idPrefix: '1'.repeat(25) }],
    [id.slice(1), { idPrefix: id.slice(1), wrong: 'has 63 hex digits, expected 64 (SHA-256) or 32 (MD5, event id)' }],
    ['12345678e', { idPrefix: '12345678e' }],
  ])('%j', (text, position) => {
    expect(parsePosition(text)).toEqual(position);
  });
});

describe('what is not a position is refused, with what is wrong and what to write', () => {
  test.each<[string, RegExp]>([
    // Numbers that are times somewhere else.
    [
      '1777636800',
      /^"1777636800" is too large for a height.*at most 9 digits: if it is a time in seconds, write 2026-05-01T12:00:00\.000Z$/,
    ],
    ['1000000000', /seconds, write 2001-09-09T01:46:40\.000Z/],
    ['9999999999', /seconds, write 2286-11-20/],
    ['1777636800000', /milliseconds, write 2026-05-01T12:00:00\.000Z/],
    ['1777636800250', /milliseconds, write 2026-05-01T12:00:00\.250Z/],
    ['946684800000', /milliseconds, write 2000-01-01T00:00:00\.000Z/],
    ['1777636800000000', /microseconds, write 2026-05-01T12:00:00\.000Z/],
    ['1777636800000000000', /nanoseconds, write 2026-05-01T12:00:00\.000Z/],
    ['99999999999999999999', /too large for a height, which has at most 9 digits$/],
    ['0000001777636800', /too large for a height/],
    ['-1777636800', /too large for a count from the tail/],
    // Numbers of other notations.
    ['-0', /count of zero; expected -1 for the tail/],
    ['+5', /plus sign; expected 5/],
    ['--5', /is not a/],
    ['1e3', /is not a number in digits 0 to 9/],
    ['1E3', /is not a number in digits 0 to 9/],
    ['0x10', /is not a number in digits 0 to 9/],
    ['1_000', /is not a number in digits 0 to 9/],
    ['1,000', /is not a number in digits 0 to 9/],
    ["1'000", /is not a number in digits 0 to 9/],
    ['1.5', /is not a number in digits 0 to 9/],
    ['5.', /is not a number in digits 0 to 9/],
    [' 5', /is not a number in digits 0 to 9/],
    ['5 ', /is not a number in digits 0 to 9/],
    ['5\n', /is not a number in digits 0 to 9/],
    ['１２', /is not a number in digits 0 to 9/],
    ['٣', /is not a number in digits 0 to 9/],
    ['', /is empty/],
    [' ', /is empty/],
    // Times.
    ['2026-05-01T12:00', /has no time zone: write 2026-05-01T12:00Z/],
    ['2026-05-01 12:00:00', /has no time zone: write 2026-05-01 12:00:00Z/],
    ['2026-02-30', /day 30, but February 2026/],
    ['2025-02-29', /day 29, but February 2025/],
    ['2026-13-01', /month 13/],
    ['2026-05-01T24:00:00Z', /hour 24/],
    ['2026-05-01T25:00:00Z', /hour 25/],
    ['2026-12-31T23:59:60Z', /second 60/],
    ['2026-05-01T12:00:00+25:00', /offset \+25:00/],
    ['2026-05-01T12:00:00 UTC', /time zone " UTC"/],
    ['0000-01-01', /year 0000/],
    ['+12026-01-01', /year that is not four digits/],
    ['2026-05', /has no day/],
    ['2026-5-1', /two digits/],
    ['2026/05/01', /is not a time/],
    ['20260501T120000Z', /is not a time/],
    ['12:00', /is not a time/],
    ['yesterday', /is not a position; expected a height/],
    ['now', /is not a position/],
    ['NaN', /is not a position/],
    ['Infinity', /is not a position/],
    ['tail', /is not a position/],
    // Ids with a slip.
    [`${id}0`, /is not a block id: it has 65 hex digits/],
    [id.replace('1', 'l'), /is not a block id: it has the character "l" at position 3.*digit 1/],
    [`${id.slice(0, 12)}…`, /is not a block id: it is cut off/],
    [`md5:${id}`, /is not a block id: it has 64 hex digits, expected 32/],
    ['017f22e2-79b0-7cc3-98c4-dc0c0c07398f', /is an event id.*blockhub info/],
  ])('%j', (text, message) => {
    expect(() => parsePosition(text)).toThrow(expect.objectContaining({ code: 'USAGE', message: expect.stringMatching(message) }));
  });

  test.each(['-1', '+1', '1.0', '1e3', '0x1', '', ' 1', '12345678901', '1777636800000', 'ab12ab12', '2026-05-01'])(
    'nor a height: %j',
    (text) => {
      expect(() => parseHeight(text)).toThrow(expect.objectContaining({ code: 'USAGE' }));
    },
  );
});

test.each([0, 7, 999_999_999, 1_000_000_000, 99_999_999_999])('height %i is written as it is read', (height) => {
  expect(parseHeight(heightText(height))).toBe(height);
});

test.each([1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])('the number %p is not a position', async (number) => {
  const store = new Store(new MemoryStore().driver());
  const { chain } = await writeSample(store, { blocks: 1 });
  await expect(findHeight(store, chain, number, 'from')).rejects.toMatchObject({ code: 'USAGE' });
});

describe('the beginning of a block id', () => {
  test('stands for the only block of the chain that has it', async () => {
    const store = new Store(new MemoryStore().driver());
    const { chain, tails } = await writeSample(store, { blocks: 40, blobsPerBlock: 1 });
    const other = await writeSample(store, { blocks: 3, seed: 2 });
    for (const { id: block, height } of tails)
      expect(await findHeight(store, chain, { idPrefix: block.slice(0, 12) }, 'from')).toBe(height);
    for (const unknown of ['ffffffffffff', other.tails[1]?.id.slice(0, 12) ?? ''])
      await expect(findHeight(store, chain, { idPrefix: unknown }, 'from')).rejects.toMatchObject({ code: 'OBJECT_MISSING' });
    await expect(findHeight(store, chain, { idPrefix: '' }, 'from')).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(/beginning of several block ids: (?:[0-9a-f]{64}, ){10}and more$/),
    });
  });
});
