import { expect, test } from '@jest/globals';
import { between, firstDifference } from './generated.ts';

const marks = ['<!-- places -->', '<!-- /places -->'] as const;

test('content goes between the marks, and everything else stays', () => {
  const text = 'before\n<!-- places -->\nold\n<!-- /places -->\nafter\n';
  const page = between(text, marks, '\nnew\n') ?? '';
  expect(page).toBe('before\n<!-- places -->\nnew\n<!-- /places -->\nafter\n');
  expect(between(page, marks, '\nnew\n')).toBe(page);
});

test.each(['', '<!-- places -->', '<!-- /places --><!-- places -->'])('%j does not have both marks in order', (text) => {
  expect(between(text, marks, 'x')).toBeUndefined();
});

test('firstDifference shows the line', () => {
  expect(firstDifference('a\nb\n', 'a\nb\n')).toBeUndefined();
  expect(firstDifference('a\nb\n', 'a\nc\n')).toBe('line 2:\n  - b\n  + c');
  expect(firstDifference('a', 'a\nb')).toBe('line 2:\n  + b');
  expect(firstDifference('a\nb', 'a')).toBe('line 2:\n  - b');
  expect(firstDifference('', 'a')).toBe('line 1:\n  - \n  + a');
});
