import { describe, expect, test } from '@jest/globals';
import { addressRule } from './address.ts';
import { from, headOf, ruleOf, ruleTest, verdictOf } from './rule.fixture.ts';

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

test('the refusal of a request without an address names what the proxy wrote, without secrets', async () => {
  const rule = await ruleOf(addressRule, { allowIps: ['0.0.0.0/0', '::/0'] });
  const client = {
    ip: '',
    port: 1,
    tls: false,
    via: '10.0.0.1',
    unreadable: { header: 'forwarded', value: 'for=unknown;token=s3cret' },
  } as const;
  expect(rule.head?.(headOf({}, { client }))).toMatchObject({
    code: 'ADDRESS_FORBIDDEN',
    message:
      'The Forwarded header of the trusted proxy 10.0.0.1 names no address: expected one like 203.0.113.9, got "for=unknown;token=[redacted]".',
  });
});
