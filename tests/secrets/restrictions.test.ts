import { worker as deploy } from '@blockhub/deploy';
import { BlockhubError } from '@blockhub/errors';
import { envName, flagName, parseSettings, type SettingsShape } from '@blockhub/settings';
import { worker as shoveltomany } from '@blockhub/shoveltomany';
import { settings as standalone } from '@blockhub/standalone';
import { worker as webToMsg } from '@blockhub/web-to-msg';
import { settingsOf } from '@blockhub/worker';
import { expect, test } from '@jest/globals';

const capture = [
  'trustedProxies',
  'allowIps',
  'blockIps',
  'tokens',
  'apiKeys',
  'jwtIssuer',
  'jwtAudience',
  'jwtJwks',
  'jwtChainsClaim',
  'allowMimes',
  'blockMimes',
  'verifyDigests',
  'throttleIp',
  'throttleKey',
  'throttleAll',
  'idempotencyHeaders',
  'webhookOrigins',
];

/** Every setting that restricts what is accepted. A new one must be marked and added here. */
const restrictions: [string, SettingsShape, readonly string[]][] = [
  ['web-to-msg', settingsOf(webToMsg), capture],
  ['standalone', standalone, capture],
  ['deploy', settingsOf(deploy), ['mime']],
  ['shoveltomany', settingsOf(shoveltomany), ['when']],
];

test.each(restrictions)('%s marks what restricts', (_, shape, names) => {
  const marked = Object.entries(shape)
    .filter(([, one]) => one.restricts)
    .map(([name]) => name);
  expect(marked.sort()).toEqual([...names].sort());
});

const places = { BLOCKHUB_BROKER: 'memory:', BLOCKHUB_STORE: 'memory:', BLOCKHUB_REGISTRY: 'memory:', BLOCKHUB_IN: 'a', BLOCKHUB_OUT: 'b' };

const all = restrictions.flatMap(([service, shape]) => {
  const secrets = Object.entries(shape).filter(([, one]) => one.secret || one.restricts);
  return secrets.map(([name]) => [service, name, shape] as const);
});

test.each(all)('%s does not start with an empty %s', (_, name, shape) => {
  for (const value of ['', ' ', '\r\n']) {
    for (const [argv, env] of [
      [[], { ...places, [envName(name)]: value }],
      [[`${flagName(name)}=${value}`], places],
    ] as const) {
      const error = (() => {
        try {
          return parseSettings(shape, { argv, env });
        } catch (thrown) {
          return thrown;
        }
      })();
      expect(error).toBeInstanceOf(BlockhubError);
      const { mistakes } = (error as BlockhubError).details as { mistakes: readonly string[] };
      expect(mistakes).toEqual([expect.stringContaining(`${name} (${flagName(name)}, ${envName(name)}`)]);
      expect(mistakes[0]).toMatch(/empty/);
    }
  }
});
