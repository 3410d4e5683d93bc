import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { backOff, drawEvent, systemRandom } from './chance.ts';

const uuid7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test('an event id is a UUIDv7 of its time, from any chance', () => {
  const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 48 - 1 }), chance, (now, value) => {
      const event = drawEvent(now, () => value);
      expect(event).toMatch(uuid7);
      expect(Number.parseInt(event.replaceAll('-', '').slice(0, 12), 16)).toBe(now);
    }),
  );
});

test('ids of one millisecond differ in all 74 bits', () => {
  const ids = Array.from({ length: 20_000 }, () => drawEvent(1, systemRandom));
  expect(new Set(ids).size).toBe(ids.length);
  const bits = ids
    .map((id) => BigInt(`0x${id.replaceAll('-', '')}`))
    .reduce(([or, and], id) => [or | id, and & id] as [bigint, bigint], [0n, -1n] as [bigint, bigint]);
  expect((bits[0] ^ bits[1]).toString(2).replaceAll('0', '')).toHaveLength(74);
});

test('a back-off doubles up to its most and keeps at least half', () => {
  const wait = (failures: number, random: number): number => backOff(failures, { firstMs: 100, mostMs: 30_000 }, () => random);
  expect([1, 2, 3, 4].map((failures) => wait(failures, 1))).toEqual([100, 200, 400, 800]);
  expect([1, 2, 3, 4].map((failures) => wait(failures, 0))).toEqual([50, 100, 200, 400]);
  expect([wait(10, 1), wait(1e6, 1), wait(1e6, 0)]).toEqual([30_000, 30_000, 15_000]);
});
