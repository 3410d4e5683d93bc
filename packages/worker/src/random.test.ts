import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { eventIds, systemRandom } from './random.ts';

const uuid7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const half = (): number => 0.5;
const timeOf = (event: string): number => Number.parseInt(event.replaceAll('-', '').slice(0, 12), 16);
/** The bits that differ among ids, as a mask of the whole. */
const differing = (ids: readonly string[]): bigint => {
  const all = ids.map((id) => BigInt(`0x${id.replaceAll('-', '')}`));
  return all.reduce((or, id) => or | id, 0n) ^ all.reduce((and, id) => and & id, (1n << 128n) - 1n);
};
const ones = (bits: bigint): number => bits.toString(2).replaceAll('0', '').length;

describe('event ids', () => {
  test('are UUIDv7 of their time, from any chance', () => {
    const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 48 - 1 }), chance, (now, value) => {
        const event = eventIds({ now: () => now }, () => value)();
        expect(event).toMatch(uuid7);
        expect(timeOf(event)).toBe(now);
      }),
    );
  });

  test('of one millisecond differ in all 62 bits of chance, and those of two processes in the counter too', () => {
    const now = (): number => 1;
    const newEvent = eventIds({ now }, systemRandom);
    expect(ones(differing(Array.from({ length: 2000 }, newEvent)) & 0xffff_ffff_ffff_ffffn)).toBe(62);
    const firsts = Array.from({ length: 2000 }, () => eventIds({ now }, systemRandom)());
    expect(new Set(firsts).size).toBe(firsts.length);
    expect(ones(differing(firsts))).toBe(73);
  });

  test('grow, also where the clock stands, goes back a little, or moves by chance', () => {
    let now = 1_700_000_000_000;
    const newEvent = eventIds({ now: () => now }, systemRandom);
    const ids = Array.from({ length: 20_000 }, (_, n) => {
      if (n % 7 === 0) now += (n % 5) - 2;
      return newEvent();
    });
    now -= 4000;
    ids.push(newEvent());
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toEqual(ids.toSorted());
  });

  test('borrow from the next millisecond where one is full, and follow the clock again once it is past that', () => {
    let now = 1000;
    const newEvent = eventIds({ now: () => now }, half);
    const ids = Array.from({ length: 2 * 4096 }, newEvent);
    expect(ids.map(timeOf).filter((time) => time === 1000)).toHaveLength(4096 - 1024);
    expect(ids.map(timeOf).filter((time) => time === 1001)).toHaveLength(4096);
    expect(timeOf(ids.at(-1) ?? '')).toBe(1002);
    expect(ids).toEqual(ids.toSorted());
    now = 1003;
    expect(timeOf(newEvent())).toBe(1003);
  });

  test('follow a clock that was set back by more than a few seconds', () => {
    let now = 10_000_000;
    const newEvent = eventIds({ now: () => now }, half);
    newEvent();
    now -= 3_600_000;
    const ids = Array.from({ length: 10 }, () => {
      now++;
      return newEvent();
    });
    expect(ids.map(timeOf)).toEqual(Array.from({ length: 10 }, (_, n) => 6_400_001 + n));
  });
});
