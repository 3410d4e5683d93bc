import { expect, test } from '@jest/globals';
import { redactorOf } from './redaction.ts';

const redactor = redactorOf({ names: ['door'], tokens: ['a-token-of-the-shop'] });

test.each([
  ['/x?door=abc', '/x?door=[redacted]'],
  ['/x?a=%ff&&door=abc&flag&b=', '/x?a=%ff&&door=[redacted]&flag&b='],
  ['/x?D%4FOR=abc', '/x?D%4FOR=[redacted]'],
  ['/x?door=abc&door=def', '/x?door=[redacted]&door=[redacted]'],
  ['http://h/x?door=a=b?c', 'http://h/x?door=[redacted]'],
  ['/x?door', '/x?door'],
  ['/x?indoors=abc', '/x?indoors=abc'],
  ['/x', '/x'],
  ['/x/a-token-of-the-shop?y', '/x/[redacted]?y'],
])('%s is kept as %s', (url, kept) => {
  expect(redactor.text(url)).toBe(kept);
  expect(redactor.header('referer', `https://shop.example.com${url.replace('http://h', '')}`)).toBe(
    `https://shop.example.com${kept.replace('http://h', '')}`,
  );
});
