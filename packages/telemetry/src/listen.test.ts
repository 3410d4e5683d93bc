import { expect, test } from '@jest/globals';
import { bareHost, listenAt, listenError } from './listen.ts';

test.each([
  ['[::1]', '::1'],
  ['[::]', '::'],
  ['[fe80::1%eth0]', 'fe80::1%eth0'],
  [' [2001:db8::7] ', '2001:db8::7'],
  ['::1', '::1'],
  ['127.0.0.1', '127.0.0.1'],
  [' 0.0.0.0 ', '0.0.0.0'],
  // These are not addresses. They are refused when the server listens.
  ['[127.0.0.1]', '[127.0.0.1]'],
  ['[::1]:8080', '[::1]:8080'],
  ['[]', '[]'],
  ['[[::1]]', '[[::1]]'],
])('the host %j is %j', (given, host) => expect(bareHost(given)).toBe(host));

const settings = { hostSetting: 'probeHost', portSetting: 'probePort' };
const host = '--probe-host (BLOCKHUB_PROBE_HOST)';
const port = '--probe-port (BLOCKHUB_PROBE_PORT)';

test.each([
  [
    'EADDRINUSE',
    '::1',
    'ADDRESS_IN_USE',
    'probePort',
    `Another program already listens on [::1]:80. Stop it, or set another port with ${port}.`,
  ],
  ['EACCES', '0.0.0.0', 'SETTINGS_INVALID', 'probePort', `Ports below 1024 need more permissions. Set another one with ${port}.`],
  ['EPERM', '0.0.0.0', 'SETTINGS_INVALID', 'probePort', port],
  [
    'EADDRNOTAVAIL',
    '203.0.113.1',
    'SETTINGS_INVALID',
    'probeHost',
    `this machine does not have the address. Set an address of this machine with ${host}`,
  ],
  ['EAFNOSUPPORT', '::', 'SETTINGS_INVALID', 'probeHost', `this machine has no IPv6. Set another address with ${host}, such as 0.0.0.0.`],
  ['EINVAL', 'fe80::1', 'SETTINGS_INVALID', 'probeHost', `as in fe80::1%eth0. Correct ${host}.`],
  [
    'ENOTFOUND',
    'nowhere.invalid',
    'SETTINGS_INVALID',
    'probeHost',
    `the host name has no address. Set an address of this machine with ${host}`,
  ],
  ['EAI_AGAIN', 'nowhere.invalid', 'SETTINGS_INVALID', 'probeHost', host],
  ['ENOTFOUND', '*', 'SETTINGS_INVALID', 'probeHost', '* is not an address.'],
  ['ENOTFOUND', 'http://localhost', 'SETTINGS_INVALID', 'probeHost', 'expected an address, got a URL.'],
  ['ENOTFOUND', '127.0.0.1:8080', 'SETTINGS_INVALID', 'probeHost', 'the host contains a port'],
  ['ENOTFOUND', '[::1]:8080', 'SETTINGS_INVALID', 'probeHost', 'the host contains a port'],
  ['ENOTFOUND', '10.0.0.0/8', 'SETTINGS_INVALID', 'probeHost', 'expected one address, got a host with a /.'],
])('%s of %s is %s of %s', (code, given, errorCode, setting, text) => {
  const cause = Object.assign(new Error('x'), { code });
  expect(listenError(cause, { host: given, port: 80, ...settings })).toMatchObject({
    code: errorCode,
    message: expect.stringContaining(text),
    details: { host: given, port: 80, setting },
    cause,
  });
});

test.each([['EMFILE'], ['ENOMEM'], [undefined]])('what no setting can change (%s) stays as it is', (code) => {
  const error = Object.assign(new Error('x'), { code });
  expect(listenError(error, { host: 'h', port: 1, ...settings })).toBe(error);
});

test.each([
  ['::', 'EAFNOSUPPORT', ['::', '0.0.0.0'], '0.0.0.0'],
  ['::', 'EADDRINUSE', ['::'], undefined],
  ['::1', 'EAFNOSUPPORT', ['::1'], undefined],
  ['fd00::7', 'EAFNOSUPPORT', ['fd00::7'], undefined],
])('a server for %s whose machine gives %s tries %j', async (host, code, tried, taken) => {
  const asked: string[] = [];
  const listening = listenAt(host, async (one) => {
    asked.push(one);
    if (one.includes(':')) throw Object.assign(new Error('listen'), { code });
    return 8080;
  });
  if (taken === undefined) await expect(listening).rejects.toMatchObject({ code });
  else expect(await listening).toEqual({ host: taken, listening: 8080 });
  expect(asked).toEqual(tried);
});
