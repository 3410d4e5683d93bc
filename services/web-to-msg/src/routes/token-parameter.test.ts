import { expect, test } from '@jest/globals';
import { tokenOf } from './token-parameter.ts';

test.each([
  ['/x?key=abc', 'abc'],
  ['/x?a=1&key=abc&b=2', 'abc'],
  ['/x?k%65y=abc', 'abc'],
  ['/x?key=a%2Bc', 'a+c'],
  ['/x?key=a+c', 'a+c'],
  ['/x?key=a=b', 'a=b'],
  ['/x?key=%zz', '%zz'],
  ['/x?key=', ''],
  ['/x?key', ''],
  // Two of them are no token: a comma is in none.
  ['/x?key=abc&key=abc', 'abc,abc'],
  ['/x?KEY=abc', undefined],
  ['/x?keys=abc', undefined],
  ['/x', undefined],
  ['/key=abc', undefined],
])('the token of %s is %j', (url, token) => expect(tokenOf(url, 'key')).toBe(token));
