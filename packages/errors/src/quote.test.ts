import { expect, test } from '@jest/globals';
import { quote } from './quote.ts';

test.each([
  ['a b', '"a b"'],
  ['a\n"b"', '"a\\n\\"b\\""'],
  ['', '""'],
  ['x'.repeat(100), `"${'x'.repeat(100)}"`],
  ['x'.repeat(101), `"${'x'.repeat(100)}…"`],
  [7, '7'],
  [{ a: [1] }, '{"a":[1]}'],
  ['x'.repeat(200).split(''), `${JSON.stringify('x'.repeat(200).split('')).slice(0, 100)}…`],
  [undefined, 'nothing'],
])('%j is shown as %s', (value, shown) => {
  expect(quote(value)).toBe(shown);
});

test('the cut is given', () => {
  expect(quote('abcdef', 3)).toBe('"abc…"');
});
