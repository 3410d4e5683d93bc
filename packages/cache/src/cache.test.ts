import { expect, test } from '@jest/globals';
import { Cache } from './index.ts';

test('a full cache evicts its oldest entry, and no other', () => {
  const cache = new Cache<string, number>(3);
  cache.set('a', 1).set('b', 2).set('c', 3).set('d', 4);
  expect([...cache]).toEqual([
    ['b', 2],
    ['c', 3],
    ['d', 4],
  ]);
});

test('an entry that is set again is the newest, and evicts nothing', () => {
  const cache = new Cache<string, number>(2);
  cache.set('a', 1).set('b', 2).set('a', 3);
  expect(cache.size).toBe(2);
  cache.set('c', 4);
  expect([...cache.keys()]).toEqual(['a', 'c']);
});

test('reading an entry does not make it newer', () => {
  const cache = new Cache<string, number>(2);
  cache.set('a', 1).set('b', 2).get('a');
  expect([...cache.set('c', 3).keys()]).toEqual(['b', 'c']);
});

test('an entry is made once, and again after it was evicted', () => {
  const cache = new Cache<string, number>(1);
  let made = 0;
  const make = (): number => ++made;
  expect([cache.getOrMake('a', make), cache.getOrMake('a', make), cache.getOrMake('b', make), cache.getOrMake('a', make)]).toEqual([
    1, 1, 2, 3,
  ]);
});

test('what cannot be made is not kept', () => {
  const cache = new Cache<string, number>(1);
  cache.set('a', 1);
  const fail = (): number => {
    throw new Error('no');
  };
  expect(() => cache.getOrMake('b', fail)).toThrow('no');
  expect([...cache.keys()]).toEqual(['a']);
});
