import { expect, test } from '@jest/globals';
import { KnownEntries } from './known-entries.ts';

test('known keep the newest height of each chain, and forget the chain seen longest ago', () => {
  const known = new KnownEntries(2);
  known.add('a', 2, 'a2');
  known.add('a', 1, 'a1');
  expect([known.has('a', 2, 'a2'), known.has('a', 1, 'a1'), known.has('a', 2, 'x')]).toEqual([true, false, false]);
  known.add('b', 1, 'b1');
  known.add('a', 3, 'a3');
  known.add('c', 1, 'c1');
  expect([known.has('a', 3, 'a3'), known.has('b', 1, 'b1'), known.has('c', 1, 'c1')]).toEqual([true, false, true]);
});
