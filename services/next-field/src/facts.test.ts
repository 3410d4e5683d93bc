import { expect, test } from '@jest/globals';
import { Facts } from './facts.ts';

test('facts keep the newest height of each chain, and forget the chain seen longest ago', () => {
  const facts = new Facts(2);
  facts.add('a', 2, 'a2');
  facts.add('a', 1, 'a1');
  expect([facts.has('a', 2, 'a2'), facts.has('a', 1, 'a1'), facts.has('a', 2, 'x')]).toEqual([true, false, false]);
  facts.add('b', 1, 'b1');
  facts.add('a', 3, 'a3');
  facts.add('c', 1, 'c1');
  expect([facts.has('a', 3, 'a3'), facts.has('b', 1, 'b1'), facts.has('c', 1, 'c1')]).toEqual([true, false, true]);
});
