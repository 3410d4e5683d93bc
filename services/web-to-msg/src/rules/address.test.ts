import { AddressSet } from '@blockhub/access';
import { describe, expect, test } from '@jest/globals';
import { clientOf } from '../client.ts';
import { addressRule } from './address.ts';
import { from, ruleOf, ruleTest, verdictOf } from './rule.fixture.ts';

describe('the rule', () => {
  test('is off without lists', async () => {
    expect(addressRule(await ruleTest())).toBeUndefined();
  });

  test.each([
    [['10.0.0.0/8'], [], '10.1.1.1', 'passed'],
    [['10.0.0.0/8'], [], '11.1.1.1', 'ADDRESS_FORBIDDEN'],
    [['10.0.0.0/8'], ['10.1.0.0/16'], '10.1.1.1', 'ADDRESS_FORBIDDEN'],
    [['10.0.0.0/8'], ['10.1.0.0/16'], '10.2.1.1', 'passed'],
    [[], ['10.1.0.0/16'], '8.8.8.8', 'passed'],
    [[], ['10.1.0.0/16'], '::ffff:10.1.2.3', 'ADDRESS_FORBIDDEN'],
    [['fe80::/10'], [], 'fe80::1%eth0', 'passed'],
    [[], ['fe80::/10'], 'fe80::1%eth0', 'ADDRESS_FORBIDDEN'],
    [[], ['10.1.0.0/16'], '', 'ADDRESS_FORBIDDEN'],
    [[], ['10.1.0.0/16'], '010.1.0.1', 'ADDRESS_FORBIDDEN'],
    [[], ['10.1.0.0/16'], 'unknown', 'ADDRESS_FORBIDDEN'],
  ])('allow %j, block %j: %s is %s', async (allowIps, blockIps, ip, expected) => {
    const rule = await ruleOf(addressRule, { allowIps, blockIps });
    expect(await verdictOf(() => rule.head?.(from(ip)))).toBe(expected);
  });
});

describe('the client behind proxies', () => {
  const clientFor = (peer: string, forwarded: string | undefined, ...trusted: string[]): string => {
    const proxies = trusted.length === 0 ? undefined : new AddressSet(trusted, () => {});
    const raw = {
      socket: { remoteAddress: peer, remotePort: 9 },
      headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
    };
    const { ip, via } = clientOf(raw as unknown as Parameters<typeof clientOf>[0], proxies);
    return via === undefined ? ip : `${ip} via ${via}`;
  };

  test.each<[string, string, string | undefined, string[], string]>([
    ['nobody is trusted', '10.0.0.1', '1.1.1.1', [], '10.0.0.1'],
    ['the peer is not trusted', '8.8.8.8', '1.1.1.1', ['10.0.0.0/8'], '8.8.8.8'],
    ['a trusted peer without the header', '10.0.0.1', undefined, ['10.0.0.0/8'], '10.0.0.1'],
    ['a trusted peer', '10.0.0.1', '1.1.1.1', ['10.0.0.0/8'], '1.1.1.1 via 10.0.0.1'],
    ['a mapped trusted peer', '::ffff:10.0.0.1', '1.1.1.1', ['10.0.0.0/8'], '1.1.1.1 via ::ffff:10.0.0.1'],
    ['what the client claims before what the proxy saw', '10.0.0.1', '127.0.0.1, 6.6.6.6', ['10.0.0.0/8'], '6.6.6.6 via 10.0.0.1'],
    ['a chain of proxies', '10.0.0.1', '6.6.6.6, 1.1.1.1,10.0.0.3 , 10.0.0.2', ['10.0.0.0/8'], '1.1.1.1 via 10.0.0.1'],
    ['proxies all the way', '10.0.0.1', '10.0.0.3, 10.0.0.2', ['10.0.0.0/8'], '10.0.0.3 via 10.0.0.1'],
    ['nonsense that the client put there, not looked at', '10.0.0.1', 'nonsense, 6.6.6.6', ['10.0.0.0/8'], '6.6.6.6 via 10.0.0.1'],
  ])('%s', (_name, peer, forwarded, trusted, expected) => {
    expect(clientFor(peer, forwarded, ...trusted)).toBe(expected);
  });

  test.each(['', 'unknown', '1.1.1.1:80', '[::1]', '010.1.1.1', '1.1.1.1,', 'fe80::1%lo', '6.6.6.6, nonsense'])(
    'a trusted proxy that says %p is not believed',
    (forwarded) => {
      expect(() => clientFor('10.0.0.1', forwarded, '10.0.0.0/8')).toThrow('holds what is no address');
    },
  );
});
