import { BlockhubError } from '@blockhub/errors';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { eventTime, isEvent, newEvent } from './event.ts';
import { events } from './samples.ts';

const form = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
/** RFC 9562, appendix A.6. */
const published = '017f22e2-79b0-7cc3-98c4-dc0c0c07398f';

describe('event ids', () => {
  test('the published example has its published time', () => {
    expect(eventTime(published)).toBe(Date.UTC(2022, 1, 22, 19, 22, 22));
  });

  test('a new id is a UUIDv7 of its time, and later ids sort later', () => {
    const times = fc.integer({ min: 0, max: 2 ** 48 - 1 });
    const random = fc.uint8Array({ minLength: 10, maxLength: 10 });
    fc.assert(
      fc.property(times, times, random, random, (a, b, randomA, randomB) => {
        const [idA, idB] = [newEvent(a, randomA), newEvent(b, randomB)];
        expect(idA).toMatch(form);
        expect(eventTime(idA)).toBe(a);
        if (a !== b) expect(idA < idB).toBe(a < b);
      }),
    );
  });

  test('all 74 random bits are used', () => {
    expect(newEvent(0, new Uint8Array(10))).toBe('00000000-0000-7000-8000-000000000000');
    expect(newEvent(2 ** 48 - 1, new Uint8Array(10).fill(255))).toBe('ffffffff-ffff-7fff-bfff-ffffffffffff');
  });

  test('each character counts', () => {
    fc.assert(
      fc.property(
        events,
        fc.integer({ min: 0, max: 35 }),
        fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
        (id, index, other) => {
          const changed = id.slice(0, index) + other + id.slice(index + 1);
          expect(isEvent(changed)).toBe(form.test(changed));
        },
      ),
      { numRuns: 2_000 },
    );
    for (let index = 0; index < 36; index++) {
      for (const other of ['g', 'A', ' ', '-', 'f', '7', '8', 'ŧ']) {
        const changed = published.slice(0, index) + other + published.slice(index + 1);
        expect([changed, isEvent(changed)]).toEqual([changed, form.test(changed)]);
      }
    }
  });

  test.each([
    '',
    published.toUpperCase(),
    `${published}0`,
    published.slice(1),
    ` ${published}`,
    published.replaceAll('-', ''),
    undefined,
    7,
  ])('%p is none', (text) => {
    expect(isEvent(text)).toBe(false);
    if (typeof text === 'string') expect(() => eventTime(text)).toThrow(BlockhubError);
  });

  test('a time that does not fit is refused', () => {
    for (const time of [-1, 2 ** 48, 0.5, Number.NaN]) expect(() => newEvent(time, new Uint8Array(10))).toThrow(RangeError);
    expect(() => newEvent(0, new Uint8Array(9))).toThrow(RangeError);
  });
});
