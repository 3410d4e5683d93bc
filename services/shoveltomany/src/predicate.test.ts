import { messageOf } from '@blockhub/message';
import { describe, expect, test } from '@jest/globals';
import { parsePredicate } from './predicate.ts';

const message = messageOf({
  id: 'event-1',
  queue: 'q',
  meta: { mime: 'image/png', height: 7, deleted: false, 'x.y': 'dotted', and: 'word' },
  body: Buffer.from('{"a":{"b":"c"},"n":-1.5,"null":null}'),
  attempts: 0,
  firstAt: 0,
});

describe('predicate', () => {
  test.each([
    ['msg.meta.mime == "image/png"', true],
    ['msg.meta.mime != "image/png"', false],
    ['msg.meta.mime == "image/PNG"', false],
    ['msg.meta.height == 7', true],
    ['msg.meta.height == "7"', false],
    ['msg.meta.deleted == false', true],
    ['msg.meta.missing == "x"', false],
    ['msg.meta.missing != "x"', true],
    ['msg.id == "event-1"', true],
    ['msg.doc.a.b == "c"', true],
    ['msg.doc.n == -1.5', true],
    ['msg.doc.a.b.c.d == "c"', false],
    ['msg.meta.x.y == "dotted"', true],
    ['msg.meta.and == "word"', true],
    ['startsWith(msg.meta.mime, "image/")', true],
    ['startsWith(msg.meta.height, "7")', false],
    ['exists(msg.doc.a)', true],
    ['exists(msg.doc.null)', true],
    ['exists(msg.meta.constructor)', false],
    ['exists(msg.doc.a.constructor)', false],
    ['exists(msg.doc.__proto__)', false],
    ['not exists(msg.meta.mime)', false],
    ['not not exists(msg.meta.mime)', true],
    ['msg.meta.height == 7 or msg.meta.height == 8 and msg.meta.deleted == true', true],
    ['(msg.meta.height == 7 or msg.meta.height == 8) and msg.meta.deleted == true', false],
    ['not (msg.meta.height == 8) and exists(msg.id)', true],
    ['msg.meta.mime == "a\\"b"', false],
    ['  msg.meta.mime=="image/png"  ', true],
  ])('%s is %j', (text, expected) => {
    expect(parsePredicate(text)(message)).toBe(expected);
  });

  test.each([
    '',
    'msg.meta.mime',
    'msg.meta == "x"',
    'msg.meta.mime = "x"',
    'msg.meta.mime == x',
    'msg.meta.mime == "x" and',
    'msg.meta.mime == "x" msg',
    'process.exit()',
    'msg.meta.mime == "unended',
    'msg.meta.mime == "\\x"',
    '(msg.id == "x"',
    'startsWith(msg.id, 7)',
    'exists("x")',
    'eval(msg.id)',
    'msg.meta.height == 7e5',
    '('.repeat(1000),
    'x'.repeat(5000),
  ])('%j is refused', (text) => {
    expect(() => parsePredicate(text)).toThrow(expect.objectContaining({ code: 'SETTINGS_INVALID' }));
  });
});
