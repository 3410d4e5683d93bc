import { describe, expect, test } from '@jest/globals';
import { parseCodings, parseContentType, parseLanguages, readDeclared } from './declared.ts';
import { MimeSet } from './mime-set.ts';
import { decodeText } from './text.ts';

describe('a Content-Type', () => {
  test.each([
    ['text/plain', 'text/plain', undefined],
    ['TEXT/Plain ; charset=UTF-8', 'text/plain', 'utf-8'],
    ['text/plain\t;\tCharset="utf-8"', 'text/plain', 'utf-8'],
    [' text/plain ', 'text/plain', undefined],
    ["text/plain;charset='ISO-8859-1'", 'text/plain', 'iso-8859-1'],
    ['text/plain; charset="ut\\f-8"', 'text/plain', 'utf-8'],
    ['text/plain; charset=a; charset=b', 'text/plain', 'a'],
    ['text/plain; charset', 'text/plain', undefined],
    ['text/plain; charset=', 'text/plain', undefined],
    ['text/plain; charset=" "', 'text/plain', undefined],
    ['text/plain; charset=ü', 'text/plain', undefined],
    ['text/plain;', 'text/plain', undefined],
    ['text/plain;;;charset=utf-8', 'text/plain', 'utf-8'],
    ['text/plain; x=";charset=no"; charset=yes', 'text/plain', 'yes'],
    ['text/plain; x="a, b/c"', 'text/plain', undefined],
    ['text/plain; x="unended, b/c; charset=utf-8', 'text/plain', undefined],
    ['multipart/form-data; boundary=----x', 'multipart/form-data', undefined],
    ['application/vnd.api+json; ext="https://x"', 'application/vnd.api+json', undefined],
    ['text/html, */*', 'text/html', undefined],
    ['text/html, */*;q=0.8', 'text/html', undefined],
    ['*/*, text/html', 'text/html', undefined],
    ['text/html, text/html; charset=utf-8', 'text/html', undefined],
    ['text/html; charset=utf-8, text/html; charset=utf-8', 'text/html', 'utf-8'],
    ['text/html,', 'text/html', undefined],
    ['text/html, text/plain', undefined, undefined],
    ['text/html, json', undefined, undefined],
    ['*/*', '*/*', undefined],
    ['json', undefined, undefined],
    ['text/plain/x', undefined, undefined],
    ['text/', undefined, undefined],
    ['/plain', undefined, undefined],
    ['/', undefined, undefined],
    [';', undefined, undefined],
    [',', undefined, undefined],
    ['', undefined, undefined],
    ['text / plain', undefined, undefined],
    ['text/plain\u00a0', undefined, undefined],
    ['text/plain\u0000', undefined, undefined],
    ['text/plä\u00adin', undefined, undefined],
    ['{"a":1}', undefined, undefined],
    ['undefined', undefined, undefined],
    [`text/${'x'.repeat(200)}`, undefined, undefined],
    [`text/plain; x=${'y'.repeat(9000)}`, 'text/plain', undefined],
    [','.repeat(9000), undefined, undefined],
  ])('%j is %s in %s', (header, mime, charset) => {
    // Of any type: nothing is declared.
    const expected = mime === '*/*' ? {} : { ...(mime && { mime }), ...(charset && { charset }) };
    expect(parseContentType(header)).toEqual(expected);
    expect(parseContentType(header)).toEqual(expected);
  });

  test('of several lines counts where all of them say the same', () => {
    expect(readDeclared(['text/plain', 'TEXT/plain;charset=utf-8'], undefined, undefined)).toEqual({ mime: 'text/plain' });
    expect(readDeclared(['text/plain', 'text/html'], undefined, undefined)).toEqual({});
    expect(readDeclared(['text/html', 'text/plain'], undefined, undefined)).toEqual({});
    expect(readDeclared([], undefined, undefined)).toEqual({});
  });
});

test.each([
  ['gzip', 'gzip'],
  ['GZip', 'gzip'],
  ['x-gzip', 'gzip'],
  [' deflate ,\tbr,', 'deflate, br'],
  ['identity', undefined],
  ['', undefined],
  [' , ,', undefined],
  ['identity, gzip, identity', 'gzip'],
  ['x-compress', 'compress'],
  ['UTF-8', 'utf-8'],
  ['gzip;q=1', 'gzip;q=1'],
  ['gz\u00fcp', 'gz?p'],
  ['constructor', 'constructor'],
  ['x'.repeat(300), 'x'.repeat(127)],
])('the Content-Encoding %j is %j', (header, expected) => {
  expect(parseCodings(header)).toBe(expected);
});

test.each([
  ['de', 'de'],
  [' de ,en-US,', 'de, en-US'],
  ['', undefined],
  ['*', undefined],
  ['de, ü, zh-Hant-TW', 'de, zh-Hant-TW'],
  [Array<string>(99).fill('de').join(','), undefined],
])('the Content-Language %j is %j', (header, expected) => {
  expect(parseLanguages(header)).toBe(expected);
});

test.each<[string, Buffer, string | undefined, string | undefined]>([
  ['UTF-8', Buffer.from('grüß'), undefined, 'grüß'],
  ['Latin-1', Buffer.from('grüß', 'latin1'), 'iso-8859-1', 'grüß'],
  ['Latin-1 without a charset', Buffer.from('grüß', 'latin1'), undefined, undefined],
  ['Shift JIS', Buffer.from('93fa967b', 'hex'), 'shift_jis', '日本'],
  ['UTF-16', Buffer.from('grüß', 'utf16le'), 'utf-16', 'grüß'],
  ['UTF-16 by its mark', Buffer.from('\ufeffgrüß', 'utf16le'), 'utf-8', 'grüß'],
  ['a mark against the charset', Buffer.from('\ufeffgrüß'), 'iso-8859-1', 'grüß'],
  ['an unknown charset', Buffer.from('hello'), 'utf-7', undefined],
  ['bytes', Buffer.from([0, 1, 2]), 'iso-8859-1', undefined],
])('the text of %s', (_name, bytes, charset, expected) => {
  expect(decodeText(bytes, charset)).toBe(expected);
});

test('half a character at the end of a start is left out', () => {
  expect(decodeText(Buffer.from('grü').subarray(0, 3), 'utf-8', true)).toBe('gr');
  expect(decodeText(Buffer.from('grü').subarray(0, 3), 'utf-8')).toBeUndefined();
});

test('patterns of types', () => {
  const mistakes: string[] = [];
  const set = new MimeSet(['Text/*', 'image/png', 'text', '*/html', ''], (what) => mistakes.push(what));
  expect(['text/css', 'image/png', 'image/jpeg', 'textual/x'].filter((mime) => set.has(mime))).toEqual(['text/css', 'image/png']);
  expect(mistakes).toHaveLength(3);
});
