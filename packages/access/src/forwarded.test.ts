import { describe, expect, test } from '@jest/globals';
import { hopsOfForwarded, hopsOfXForwardedFor, parseHop } from './index.ts';

describe('what a proxy wrote names an address', () => {
  test.each([
    ['203.0.113.9', '203.0.113.9'],
    ['203.0.113.9:52711', '203.0.113.9'],
    ['203.0.113.9:0', '203.0.113.9'],
    [' 203.0.113.9\t', '203.0.113.9'],
    ['"203.0.113.9"', '203.0.113.9'],
    ['"203.0.113.9:52711"', '203.0.113.9'],
    ['"\\203.0.113.9"', '203.0.113.9'],
    ['203.0.113.9:_gazonk', '203.0.113.9'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['::FFFF:203.0.113.9', '203.0.113.9'],
    ['::ffff:203.0.113.9:52711', '203.0.113.9'],
    ['[::ffff:203.0.113.9]:52711', '203.0.113.9'],
    ['::ffff:cb00:7109', '203.0.113.9'],
    ['2001:db8::7', '2001:db8::7'],
    ['2001:DB8:0:0:0:0:0:7', '2001:db8::7'],
    ['2001:0db8:0000:0000:0000:0000:0000:0007', '2001:db8::7'],
    ['[2001:db8::7]', '2001:db8::7'],
    ['[2001:DB8::7]:443', '2001:db8::7'],
    ['"[2001:db8::7]:443"', '2001:db8::7'],
    ['"[2001:db8::7]"', '2001:db8::7'],
    ['[2001:db8::7]:_x', '2001:db8::7'],
    ['2001:db8:1:2:3:4:5:6:443', '2001:db8:1:2:3:4:5:6'],
    ['fe80::1%eth0', 'fe80::1'],
    ['[fe80::1%25eth0]:80', 'fe80::1'],
    ['::1', '::1'],
  ])('%j is %s', (text, expected) => {
    expect(parseHop(text)).toBe(expected);
  });

  test.each([
    '',
    ' ',
    'unknown',
    'UNKNOWN',
    '_hidden',
    '_x',
    '"_x"',
    '-',
    'localhost',
    'example.com',
    'example.com:80',
    '1.2.3',
    '1.2.3.4.5',
    '010.1.1.1',
    '1.2.3.256',
  ])('%j does not', (text) => expect(parseHop(text)).toBeUndefined());

  test.each([
    '1.2.3.4:',
    '1.2.3.4:x',
    '1.2.3.4:123456',
    '1.2.3.4/24',
    '[1.2.3.4]',
    '[]',
    '[::1',
    '::1]',
    '[::1]x',
    '[::1]:',
    '[::1]:x',
    '"1.2.3.4',
    "'1.2.3.4'",
    '""',
    '1.2.3.4 5',
  ])('%j does not either', (text) => expect(parseHop(text)).toBeUndefined());
});

test.each([
  ['1.1.1.1, 2.2.2.2', ['1.1.1.1', '2.2.2.2']],
  [' ,1.1.1.1,,\t2.2.2.2 , ', ['1.1.1.1', '2.2.2.2']],
  ['', []],
  [',', []],
])('X-Forwarded-For %j', (header, expected) => {
  expect(hopsOfXForwardedFor(header)).toEqual(expected);
});

describe('Forwarded', () => {
  test.each<[string, (string | undefined)[] | undefined]>([
    ['for=192.0.2.60', ['192.0.2.60']],
    ['For=192.0.2.60;proto=http;by=203.0.113.43', ['192.0.2.60']],
    ['proto=https;FOR="[2001:db8:cafe::17]:4711"', ['"[2001:db8:cafe::17]:4711"']],
    ['for=192.0.2.43, for=198.51.100.17', ['192.0.2.43', '198.51.100.17']],
    ['for=192.0.2.43,for="[2001:db8::1]";host="a,b;c=d"', ['192.0.2.43', '"[2001:db8::1]"']],
    ['for=[2001:db8::7]:443', ['[2001:db8::7]:443']],
    ['for=1.2.3.4:80 ; proto=http', ['1.2.3.4:80']],
    ['for = 1.2.3.4', ['1.2.3.4']],
    ['for="_gazonk"', ['"_gazonk"']],
    ['for=unknown', ['unknown']],
    [', ,for=1.1.1.1,;,', ['1.1.1.1']],
    ['', []],
    ['for=', ['']],
    ['proto=https', [undefined]],
    ['for=1.1.1.1, proto=https', ['1.1.1.1', undefined]],
    ['for=1.1.1.1;for=2.2.2.2', [undefined]],
    ['for', undefined],
    ['1.2.3.4', undefined],
    ['for="1.1.1.1', undefined],
    ['for="x, for="[2001:db8::7]:443"', undefined],
    ['for="x, for="[2001:db8::7]";by="[2001:db8::8]"', undefined],
    ['for=1.1.1.1 2.2.2.2', undefined],
    ['for=a=b', undefined],
    ['for="a"b', undefined],
  ])('%j', (header, expected) => {
    expect(hopsOfForwarded(header)).toEqual(expected);
  });

  test('of any length is read once', () => {
    for (const part of ['for=1.1.1.1,', ' ', ',', ';', 'for="', '"\\', '\t'])
      hopsOfForwarded(part.repeat(Math.ceil(300_000 / part.length)));
    expect(hopsOfForwarded('for=1.1.1.1,'.repeat(20_000))).toHaveLength(20_000);
  });
});
