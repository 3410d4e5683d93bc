import { expect, test } from '@jest/globals';
import { delayOf } from './retries.ts';

test.each([
  [0, 128],
  [128, 128],
  [128.5, 256],
  [1_000, 1_024],
  [60_000, 65_536],
  [2 ** 40, 2 ** 31],
  [Number.POSITIVE_INFINITY, 2 ** 31],
])('a retry after %p ms waits %p', (afterMs, delayMs) => {
  expect(delayOf(afterMs)).toBe(delayMs);
});
