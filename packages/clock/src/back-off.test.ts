import { expect, test } from '@jest/globals';
import { backOff } from './back-off.ts';

test('a back-off doubles up to its most and keeps at least half', () => {
  const wait = (failures: number, random: number): number => backOff(failures, { firstMs: 100, mostMs: 30_000 }, () => random);
  expect([1, 2, 3, 4].map((failures) => wait(failures, 1))).toEqual([100, 200, 400, 800]);
  expect([1, 2, 3, 4].map((failures) => wait(failures, 0))).toEqual([50, 100, 200, 400]);
  expect([wait(10, 1), wait(1e6, 1), wait(1e6, 0)]).toEqual([30_000, 30_000, 15_000]);
});
