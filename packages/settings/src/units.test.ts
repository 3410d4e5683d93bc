import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatDuration, formatSize, parseDuration, parseSize } from './units.ts';

const hostile = [
  '',
  ' ',
  '4 kb',
  ' 4kb',
  '4kb ',
  '4kb\n',
  '-1',
  '-4kb',
  '+4',
  'NaN',
  'Infinity',
  '1e3',
  '0x10',
  '.5kb',
  '1.',
  '1,5kb',
  '4kib',
  '4Ki',
  '4x',
  'kb',
  '4kbkb',
  '１',
  '1_000',
  '9007199254740992',
  '8193tb',
  '9'.repeat(31),
  '9'.repeat(500),
  '1.5.5kb',
  '__proto__',
];

describe('sizes', () => {
  test.each([
    ['0', 0],
    ['500', 500],
    ['500b', 500],
    ['4kb', 4096],
    ['4k', 4096],
    ['4KB', 4096],
    ['1mb', 1_048_576],
    ['1.2gb', 1_288_490_188],
    ['4t', 4 * 1024 ** 4],
    ['8191tb', 8191 * 1024 ** 4],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ])('%s is %d bytes', (text, bytes) => expect(parseSize(text)).toBe(bytes));

  test.each([...hostile, '1.5', '1.5b', '5s'])('%j is refused', (text) => {
    expect(() => parseSize(text)).toThrow(expect.objectContaining({ code: 'SETTINGS_INVALID', message: expect.stringContaining('1.2gb') }));
  });

  test('are written exactly', () => {
    fc.assert(fc.property(fc.maxSafeNat(), (bytes) => parseSize(formatSize(bytes)) === bytes));
    expect([0, 1, 1024, 1_048_576, 1_000_000].map(formatSize)).toEqual(['0', '1', '1kb', '1mb', '1000000']);
  });
});

describe('durations', () => {
  test.each([
    ['0', 0],
    ['250', 250],
    ['250ms', 250],
    ['5s', 5000],
    ['1.5s', 1500],
    ['2m', 120_000],
    ['1h', 3_600_000],
    ['1d', 86_400_000],
  ])('%s is %d ms', (text, ms) => expect(parseDuration(text)).toBe(ms));

  test.each([...hostile, '1.5', '1.5ms', '4kb', '5S', '2M', '5sec', '104249992d'])('%j is refused', (text) => {
    expect(() => parseDuration(text)).toThrow(
      expect.objectContaining({ code: 'SETTINGS_INVALID', message: expect.stringContaining('250ms') }),
    );
  });

  test('are written exactly', () => {
    fc.assert(fc.property(fc.maxSafeNat(), (ms) => parseDuration(formatDuration(ms)) === ms));
    expect([0, 250, 1500, 60_000, 86_400_000].map(formatDuration)).toEqual(['0', '250ms', '1500ms', '1m', '1d']);
  });
});

test('a message shows only the beginning of a long text', () => {
  expect(() => parseSize('x'.repeat(100_000))).toThrow(/^.{0,250}$/);
});
