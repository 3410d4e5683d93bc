import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { AddressSet, networkOf, parseAddress, parsePeer } from './addresses.ts';

describe('an address', () => {
  test.each([
    ['1.2.3.4', '1.2.3.4'],
    ['255.255.255.255', '255.255.255.255'],
    ['::ffff:1.2.3.4', '1.2.3.4'],
    ['::FFFF:102:304', '1.2.3.4'],
    ['::ffff:0:1', '0.0.0.1'],
    ['0:0:0:0:0:ffff:1.2.3.4', '1.2.3.4'],
    ['::', '::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['::1.2.3.4', '::102:304'],
    ['2001:DB8::', '2001:db8::'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:1:1:1:1:0:1', '2001:db8:1:1:1:1:0:1'],
    ['2001:0db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['1:0:0:1:0:0:0:1', '1:0:0:1::1'],
    ['0:0:0:1:0:0:1:0', '::1:0:0:1:0'],
    ['0010:0:0:0:0:0:0:0', '10::'],
    ['10:0:100:0:0:0:1:0', '10:0:100::1:0'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ])('%s is %s', (text, canonical) => {
    expect(parseAddress(text)).toBe(canonical);
    expect(parseAddress(canonical)).toBe(canonical);
  });

  test.each([
    '',
    ' ',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '010.0.0.1',
    '1.2.3.4 ',
    '0x1.2.3.4',
    '16909060',
    '1.2.3.4:80',
    '[::1]',
    '::1%eth0',
    ':::',
    '1::2::3',
    'fe80::g',
    '::ffff:1.2.3.256',
    '１.2.3.4',
    'localhost',
  ])('%p is none', (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });
});

const setOf = (...items: string[]): { has(ip: string): boolean; mistakes: string[] } => {
  const mistakes: string[] = [];
  const set = new AddressSet(items, (what) => mistakes.push(what));
  return { has: (ip) => set.has(parseAddress(ip) ?? ''), mistakes };
};

test.each([
  ['10.1.2.3', true],
  ['::ffff:10.1.2.3', true],
  ['fe80::1%eth0', true],
  ['11.1.2.3', false],
  ['2001:db8::1%10.1.2.3', false],
  ['', false],
])('of the connection from %j, 10.0.0.0/8 and fe80::/10 say %p', (ip, expected) => {
  expect(new AddressSet(['10.0.0.0/8', 'fe80::/10'], () => {}).hasPeer(ip)).toBe(expected);
});

describe('a set of addresses', () => {
  test.each([
    ['10.0.0.0/8', ['10.0.0.0', '10.255.255.255', '::ffff:10.1.1.1'], ['9.255.255.255', '11.0.0.0', '::a00:1']],
    [
      '192.12-168.1-30.22',
      ['192.12.1.22', '192.168.30.22', '192.99.7.22'],
      ['192.11.1.22', '192.169.1.22', '192.12.0.22', '192.12.31.22', '192.12.1.23', '191.12.1.22'],
    ],
    ['10.1-2.0-255.0-255', ['10.1.0.0', '10.2.255.255'], ['10.0.255.255', '10.3.0.0']],
    ['203.0.113.7', ['203.0.113.7', '::ffff:cb00:7107'], ['203.0.113.6', '203.0.113.8']],
    ['0.0.0.0/0', ['0.0.0.0', '255.255.255.255'], ['::', '::1']],
    ['::/0', ['::', '2001:db8::'], ['1.2.3.4', '::ffff:1.2.3.4']],
    ['2001:db8::/32', ['2001:db8::', '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff'], ['2001:db7:ffff::', '2001:db9::']],
    ['::ffff:10.0.0.0/104', ['10.255.0.1'], ['11.0.0.0']],
    ['::ffff:10.0.0.1', ['10.0.0.1'], ['10.0.0.2']],
  ])('%s', (item, inside, outside) => {
    const { has, mistakes } = setOf(item);
    expect(mistakes).toEqual([]);
    expect(inside.filter((ip) => !has(ip))).toEqual([]);
    expect(outside.filter(has)).toEqual([]);
  });

  test.each([
    ['10.0.0.1/8', 'bits after'],
    ['10.0.0.0/33', 'from 0 to 32'],
    ['10.0.0.0/-1', 'from 0 to 32'],
    ['10.0.0.0/08', 'from 0 to 32'],
    ['10.0.0.0/', 'from 0 to 32'],
    ['::1/129', 'from 0 to 128'],
    ['10.0.0.0/8/8', 'is not an address'],
    ['::ffff:0.0.0.0/90', 'covers IPv4 and IPv6'],
    ['1.2-1.3.4', 'does not grow'],
    ['1.2.3.4-256', 'does not grow'],
    ['1.2.3.-4', 'is not an address'],
    ['1.2.3.04', 'is not an address'],
    ['1-2-3.4.5.6', 'is not an address'],
    ['fe80::1%eth0', 'is not an address'],
    ['example.com', 'is not an address'],
    ['*', 'is not an address'],
  ])('%s is a mistake', (item, what) => {
    expect(setOf(item).mistakes).toEqual([expect.stringContaining(what)]);
  });

  test('is what it lists, however the items overlap', () => {
    const octet = fc.integer({ min: 0, max: 255 });
    const ends = fc.tuple(octet, octet).map(([a, b]): [number, number] => [Math.min(a, b), Math.max(a, b)]);
    const item = fc.tuple(ends, ends, ends, ends);
    fc.assert(
      fc.property(
        fc.array(item, { minLength: 1, maxLength: 8 }),
        fc.array(fc.tuple(octet, octet, octet, octet), { minLength: 1 }),
        (items, asked) => {
          const { has } = setOf(...items.map((octets) => octets.map(([a, b]) => `${a}-${b}`).join('.')));
          const edges = items.flatMap((octets) => [
            octets.map(([a]) => a),
            octets.map(([, b]) => b),
            octets.map(([, b]) => Math.min(255, b + 1)),
          ]);
          for (const ip of [...asked, ...edges])
            expect(has(ip.join('.'))).toBe(
              items.some((octets) => octets.every(([a, b], at) => a <= (ip[at] ?? -1) && (ip[at] ?? -1) <= b)),
            );
        },
      ),
    );
  });

  test('joins what touches: many neighbours, asked at every seam', () => {
    const items = Array.from({ length: 300 }, (_, n) => `10.${n % 256}.${n < 256 ? 0 : 1}.0/24`);
    const { has } = setOf(...items, '10.0.0.0/23');
    expect([has('10.0.1.255'), has('10.43.1.5'), has('10.44.1.5'), has('10.255.0.9')]).toEqual([true, true, false, true]);
  });
});

test.each([
  ['127.0.0.1', '127.0.0.1'],
  ['::ffff:127.0.0.1', '127.0.0.1'],
  ['fe80::1%eth0', 'fe80::1'],
  ['', undefined],
])('the connection from %j is from %s', (ip, expected) => {
  expect(parsePeer(ip)).toBe(expected);
});

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['2001:db8:0:1::1', '2001:db8:0:1::/64'],
  ['2001:db8:0:1:ffff::', '2001:db8:0:1::/64'],
  ['::1', '0:0:0:0::/64'],
])('the network of %s is %s', (address, expected) => {
  expect(networkOf(address)).toBe(expected);
});
