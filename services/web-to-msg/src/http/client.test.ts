import { AddressSet } from '@blockhub/access';
import { describe, expect, test } from '@jest/globals';
import { clientOf, type Forwarding } from './client.ts';

const PROXIES = ['10.0.0.0/8', '2001:db8:ffff::/48'];
/** `IP`, `IP via PROXY`, or `unreadable HEADER: VALUE`. */
function clientFor(peer: string, headers: Record<string, string>, trusted = PROXIES, forwarding?: Forwarding): string {
  const proxies = trusted.length === 0 ? undefined : new AddressSet(trusted, () => {});
  const raw = { socket: { remoteAddress: peer, remotePort: 9 }, headers } as unknown as Parameters<typeof clientOf>[0];
  const { ip, via, unreadable } = clientOf(raw, proxies, forwarding);
  if (unreadable) return `unreadable ${unreadable.header}: ${unreadable.value}`;
  return via === undefined ? ip : `${ip} via ${via}`;
}

describe('the client of a request is', () => {
  test.each<[string, string, string | undefined, string[], string]>([
    ['the peer where no proxy is trusted', '10.0.0.1', '1.1.1.1', [], '10.0.0.1'],
    ['the peer where it is not trusted', '8.8.8.8', '1.1.1.1', PROXIES, '8.8.8.8'],
    ['a trusted peer without the header', '10.0.0.1', undefined, PROXIES, '10.0.0.1'],
    ['whom a trusted peer names', '10.0.0.1', '1.1.1.1', PROXIES, '1.1.1.1 via 10.0.0.1'],
    ['whom a mapped trusted peer names', '::ffff:10.0.0.1', '::ffff:1.1.1.1', PROXIES, '1.1.1.1 via 10.0.0.1'],
    ['a mapped peer', '::ffff:127.0.0.1', undefined, [], '127.0.0.1'],
    ['a peer with a zone', 'fe80::1%eth0', undefined, [], 'fe80::1'],
    ['whom the proxy saw, not whom the client claims', '10.0.0.1', '127.0.0.1, 6.6.6.6', PROXIES, '6.6.6.6 via 10.0.0.1'],
    ['before a chain of proxies', '10.0.0.1', '6.6.6.6, 1.1.1.1,10.0.0.3 , 10.0.0.2', PROXIES, '1.1.1.1 via 10.0.0.1'],
    [
      'before proxies in all forms',
      '10.0.0.1',
      '1.1.1.1, "[2001:DB8:FFFF::1]:443", ::ffff:10.0.0.3, 10.0.0.2:8443',
      PROXIES,
      '1.1.1.1 via 10.0.0.1',
    ],
    ['the first of proxies all the way', '10.0.0.1', '10.0.0.3, 10.0.0.2', PROXIES, '10.0.0.3 via 10.0.0.1'],
    ['the sender, whatever nonsense stands before it', '10.0.0.1', 'nonsense, 6.6.6.6', PROXIES, '6.6.6.6 via 10.0.0.1'],
    ['no empty element', '10.0.0.1', ' , 6.6.6.6,\t,', PROXIES, '6.6.6.6 via 10.0.0.1'],
    ['one with a port', '10.0.0.1', '203.0.113.9:52711', PROXIES, '203.0.113.9 via 10.0.0.1'],
    ['one in brackets with a port', '10.0.0.1', '[2001:db8::7]:443', PROXIES, '2001:db8::7 via 10.0.0.1'],
    ['one in brackets', '10.0.0.1', '[2001:DB8:0::7]', PROXIES, '2001:db8::7 via 10.0.0.1'],
    ['one with a zone', '10.0.0.1', 'fe80::1%eth0', PROXIES, 'fe80::1 via 10.0.0.1'],
    ['one in quotes', '10.0.0.1', '"203.0.113.9"', PROXIES, '203.0.113.9 via 10.0.0.1'],
  ])('%s', (_name, peer, forwarded, trusted, expected) => {
    expect(clientFor(peer, forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }, trusted)).toBe(expected);
  });

  test.each([
    ['', ''],
    [' , ', ' , '],
    ['unknown', 'unknown'],
    ['_hidden', '_hidden'],
    ['010.1.1.1', '010.1.1.1'],
    ['6.6.6.6, nonsense', 'nonsense'],
    ['6.6.6.6, unknown, 10.0.0.2', 'unknown'],
    ['example.com:80', 'example.com:80'],
  ])('no address where a trusted proxy writes %j', (forwarded, value) => {
    expect(clientFor('10.0.0.1', { 'x-forwarded-for': forwarded })).toBe(`unreadable x-forwarded-for: ${value}`);
  });

  test.each([
    ['for=203.0.113.9', '203.0.113.9 via 10.0.0.1'],
    ['For="203.0.113.9:52711";Proto=https;by=10.0.0.1', '203.0.113.9 via 10.0.0.1'],
    ['for="[2001:db8::7]:443", for=10.0.0.7;host="a,b"', '2001:db8::7 via 10.0.0.1'],
    ['for=6.6.6.6, for=1.1.1.1', '1.1.1.1 via 10.0.0.1'],
    ['for=6.6.6.6, for=_hidden', 'unreadable forwarded: _hidden'],
    ['for=6.6.6.6, for=unknown', 'unreadable forwarded: unknown'],
    ['for=6.6.6.6, proto=https', 'unreadable forwarded: for=6.6.6.6, proto=https'],
    ['proto=https', 'unreadable forwarded: proto=https'],
    ['for="6.6.6.6, for=1.1.1.1', 'unreadable forwarded: for="6.6.6.6, for=1.1.1.1'],
  ])('where there is Forwarded: %s', (forwarded, expected) => {
    expect(clientFor('10.0.0.1', { forwarded })).toBe(expected);
  });

  test.each<[Forwarding | undefined, string]>([
    [undefined, '1.1.1.1 via 10.0.0.1'],
    ['auto', '1.1.1.1 via 10.0.0.1'],
    ['x-forwarded-for', '1.1.1.1 via 10.0.0.1'],
    ['forwarded', '2.2.2.2 via 10.0.0.1'],
  ])('by the setting %s that of one header', (forwarding, expected) => {
    expect(clientFor('10.0.0.1', { 'x-forwarded-for': '1.1.1.1', forwarded: 'for=2.2.2.2' }, PROXIES, forwarding)).toBe(expected);
  });

  test('the proxy where the header that counts is not there', () => {
    expect(clientFor('10.0.0.1', { forwarded: 'for=2.2.2.2' }, PROXIES, 'x-forwarded-for')).toBe('10.0.0.1');
    expect(clientFor('10.0.0.1', { 'x-forwarded-for': '1.1.1.1' }, PROXIES, 'forwarded')).toBe('10.0.0.1');
  });
});
