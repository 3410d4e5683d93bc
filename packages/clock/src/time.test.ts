import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readTime } from './time.ts';

const msOf = (text: string): unknown => {
  const read = readTime(text);
  return 'ms' in read ? read.ms : read.wrong;
};

describe('a time is taken', () => {
  test.each<[string, string]>([
    ['2026-05-01T12:00:00Z', '2026-05-01T12:00:00.000Z'],
    ['2026-05-01t12:00:00z', '2026-05-01T12:00:00.000Z'],
    ['2026-05-01 12:00:00Z', '2026-05-01T12:00:00.000Z'],
    ['2026-05-01T12:00Z', '2026-05-01T12:00:00.000Z'],
    ['2026-05-01T12:00:00+02:00', '2026-05-01T10:00:00.000Z'],
    ['2026-05-01T12:00:00-00:00', '2026-05-01T12:00:00.000Z'],
    ['2026-05-01T12:00:00+00:00', '2026-05-01T12:00:00.000Z'],
    ['2026-05-01T00:30:00+05:45', '2026-04-30T18:45:00.000Z'],
    ['2026-12-31T23:30:00-09:30', '2027-01-01T09:00:00.000Z'],
    ['2026-05-01T12:00:00+14:00', '2026-04-30T22:00:00.000Z'],
    ['2026-05-01T12:00:00-23:59', '2026-05-02T11:59:00.000Z'],
    ['2026-05-01T12:00:00.5Z', '2026-05-01T12:00:00.500Z'],
    ['2026-05-01T12:00:00.05Z', '2026-05-01T12:00:00.050Z'],
    ['2026-05-01T12:00:00.123Z', '2026-05-01T12:00:00.123Z'],
    ['2026-05-01T12:00:00.123456Z', '2026-05-01T12:00:00.123Z'],
    ['2026-05-01T12:00:00.999999999+01:00', '2026-05-01T11:00:00.999Z'],
    ['2026-05-01', '2026-05-01T00:00:00.000Z'],
    ['2024-02-29', '2024-02-29T00:00:00.000Z'],
    ['2000-02-29T23:59:59Z', '2000-02-29T23:59:59.000Z'],
    ['1970-01-01', '1970-01-01T00:00:00.000Z'],
    ['1969-12-31T23:59:59.999Z', '1969-12-31T23:59:59.999Z'],
    ['0099-12-31', '0099-12-31T00:00:00.000Z'],
    ['9999-12-31T23:59:59.999Z', '9999-12-31T23:59:59.999Z'],
  ])('%s', (text, iso) => {
    const read = readTime(text);
    expect('ms' in read ? new Date(read.ms).toISOString() : read.wrong).toBe(iso);
  });

  test('of every moment from year 1 to 9999, written with any offset', () => {
    const first = new Date(0).setUTCFullYear(2, 0, 1);
    const moments = fc.integer({ min: first, max: Date.UTC(9998, 0, 1) });
    fc.assert(
      fc.property(moments, fc.integer({ min: -1439, max: 1439 }), (ms, minutes) => {
        const there = new Date(ms + minutes * 60_000).toISOString().slice(0, -1);
        const two = (value: number): string => String(value).padStart(2, '0');
        const [sign, size] = [minutes < 0 ? '-' : '+', Math.abs(minutes)];
        expect(msOf(`${there}${sign}${two(Math.floor(size / 60))}:${two(size % 60)}`)).toBe(ms);
      }),
    );
  });
});

describe('a text that is not a time is refused, and the reason names the part', () => {
  test.each<[string, RegExp]>([
    ['2026-05-01T12:00', /has no time zone: write 2026-05-01T12:00Z for UTC/],
    ['2026-05-01T12:00:00', /has no time zone: write 2026-05-01T12:00:00Z for UTC/],
    ['2026-05-01 12:00:00.25', /has no time zone: write 2026-05-01 12:00:00\.25Z/],
    ['2026-02-30', /day 30, but February 2026 has the days 01 to 28/],
    ['2026-02-29T00:00:00Z', /day 29, but February 2026 has the days 01 to 28/],
    ['1900-02-29', /day 29, but February 1900/],
    ['2024-02-30', /February 2024 has the days 01 to 29/],
    ['2026-04-31', /day 31, but April 2026 has the days 01 to 30/],
    ['2026-01-32', /day 32/],
    ['2026-01-00', /day 00/],
    ['2026-00-10', /month 00, expected 01 to 12/],
    ['2026-13-01T00:00:00Z', /month 13/],
    ['2026-99-99', /month 99/],
    ['0000-01-01', /year 0000/],
    ['2026-05-01T24:00:00Z', /hour 24.*next day/],
    ['2026-05-01T25:00:00Z', /hour 25, expected 00 to 23/],
    ['2026-05-01T12:60:00Z', /minute 60/],
    ['2026-12-31T23:59:60Z', /second 60.*leap/],
    ['2026-05-01T12:00:61Z', /second 61/],
    ['2026-05-01T12:00:00+25:00', /offset \+25:00, whose hours/],
    ['2026-05-01T12:00:00+24:00', /offset \+24:00/],
    ['2026-05-01T12:00:00-02:60', /offset -02:60, whose minutes/],
    ['2026-05-01T12:00:00+0200', /time zone "\+0200", expected Z for UTC, or an offset such as \+02:00/],
    ['2026-05-01T12:00:00+02', /time zone "\+02"/],
    ['2026-05-01T12:00:00+2:00', /time zone "\+2:00"/],
    ['2026-05-01T12:00:00 +02:00', /time zone " \+02:00"/],
    ['2026-05-01T12:00:00 UTC', /time zone " UTC"/],
    ['2026-05-01T12:00:00CET', /time zone "CET"/],
    ['2026-05-01T12:00:00ZZ', /time zone "ZZ"/],
    ['2026-05-01T12:00:00Z+02:00', /time zone/],
    ['2026-05-01T12:00:00+02:00[Europe/Berlin]', /time zone/],
    ['2026-05-01T12:00:00−02:00', /time zone "−02:00"/],
    ['2026-05-01T12:00:00Z ', /time zone "Z "/],
    ['2026-05-01T12:00:00Z\n', /time zone "Z\\n"/],
    ['2026-05-01T12:00:00,5Z', /",5Z" behind the time of day/],
    ['2026-05-01T12:00:00.Z', /"\.Z" behind the time of day/],
    ['2026-05-01T12:00.5Z', /"\.5Z" behind the time of day/],
    [' 2026-05-01', /blank at its beginning/],
    ['2026-05-01\n', /blank at its end/],
    ['', /is empty/],
    ['  ', /is empty/],
    ['2026-05', /has no day/],
    ['2026', /is not a time/],
    ['2026-5-1', /two digits for month and day/],
    ['2026-05-1', /two digits/],
    ['2026-05-01T1:00:00Z', /time of day "1:00:00Z"/],
    ['2026-05-01T12Z', /time of day/],
    ['2026-05-01T', /time of day ""/],
    ['2026-05-01Z', /a date alone is in UTC/],
    ['2026-05-01+02:00', /a date alone is in UTC/],
    ['+12026-01-01', /year that is not four digits/],
    ['12026-01-01', /year that is not four digits/],
    ['-0001-01-01', /year that is not four digits/],
    ['+002026-05-01T12:00:00Z', /year that is not four digits/],
    ['20260501T120000Z', /is not a time/],
    ['2026/05/01', /is not a time/],
    ['01.05.2026', /is not a time/],
    ['05/01/2026 12:00', /is not a time/],
    ['2026-W18-5', /is not a time/],
    ['2026-121', /two digits for month and day/],
    ['12:00', /is not a time/],
    ['now', /is not a time/],
    ['yesterday', /is not a time/],
    ['Fri, 01 May 2026 12:00:00 GMT', /is not a time/],
    ['1777636800', /is not a time/],
    ['1777636800000', /is not a time/],
    ['２０２６-05-01', /character "２" at position 1/],
    ['2026‐05‐01', /character "‐" at position 5/],
    ['٢٠٢٦-٠٥-٠١', /position 1/],
    ['NaN', /is not a time/],
  ])('%j', (text, reason) => {
    expect(msOf(text)).toEqual(expect.stringMatching(reason));
  });

  test('a reason stays short, however long the text is', () => {
    for (const text of [
      '9'.repeat(100_000),
      `2026-05-01T12:00:00${'x'.repeat(100_000)}`,
      `2026-05-01T${'1'.repeat(100_000)}`,
      `2026-05-01T12:00:00.${'1'.repeat(100_000)}`,
    ]) {
      const read = readTime(text);
      expect('wrong' in read && read.wrong.length).toBeLessThan(250);
    }
  });
});
