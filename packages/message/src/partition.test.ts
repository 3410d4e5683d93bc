import { expect, test } from '@jest/globals';
import { partition } from './partition.ts';

test('never changes: messages lie in queues that were chosen by it', () => {
  expect([
    partition('', 1000),
    partition('a', 1000),
    partition('default', 1000),
    partition('0'.repeat(64), 1000),
    partition('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 1000),
    partition('d41d8cd98f00b204e9800998ecf8427e', 16),
    partition('Zürich €', 1000),
  ]).toEqual([923, 715, 652, 902, 383, 0, 953]);
});

test('one partition is 0 for all', () => {
  expect(partition('anything', 1)).toBe(0);
});

test.each([2, 3, 8, 16])('spreads chains evenly over %p', (of) => {
  const counts = Array.from({ length: of }, () => 0);
  for (let i = 0; i < 16_000; i++) {
    const p = partition(i.toString(16).padStart(64, '0'), of);
    counts[p] = (counts[p] ?? 0) + 1;
  }
  for (const count of counts) expect(Math.abs(count - 16_000 / of)).toBeLessThan(0.12 * (16_000 / of));
});

test.each([0, -1, 1.5, Number.NaN])('refuses %p partitions', (of) => {
  expect(() => partition('a', of)).toThrow(expect.objectContaining({ code: 'TEMPLATE_INVALID' }));
});
