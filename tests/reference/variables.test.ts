import { BlockhubError } from '@blockhub/errors';
import { groups, placesOf } from '@blockhub/mesh';
import { envName, parseSettings, type SettingsShape } from '@blockhub/settings';
import { settings as standalone } from '@blockhub/standalone';
import { commonSettings, settingsOf } from '@blockhub/worker';
import { expect, test } from '@jest/globals';
import { listServices } from '../../packages/cli/src/services.ts';

const workers = placesOf(groups).map(({ worker }) => worker);
const shapes = new Map<string, SettingsShape>([
  ...workers.map((worker): [string, SettingsShape] => [worker.name, settingsOf(worker)]),
  ['standalone', standalone],
]);

/** What commands of `blockhub` read, and no more of it at a time. */
const { brokerUser, brokerPassword, storeAccessKey, storeSecretKey, registryPassword, partitions } = commonSettings;
const commands: readonly SettingsShape[] = [
  { brokerUser, brokerPassword },
  { storeAccessKey, storeSecretKey },
  { registryPassword },
  { partitions },
];
const programs: readonly [string, SettingsShape][] = [
  ...shapes,
  ...commands.map((shape): [string, SettingsShape] => ['the command', shape]),
];

/** Variables that no service reads: of the command, of tests and of scripts. */
const beside = [
  'TOKEN',
  'IMAGE',
  'IMAGE_BASE',
  'TEST_IMAGE',
  'TEST_HELM',
  'TEST_AMQP_URL',
  'TEST_S3_URL',
  'TEST_REDIS_URL',
  'TEST_NETWORK',
];

/** What Kubernetes sets in every pod for a Service. */
const linksOf = (service: string): [string, string][] =>
  Object.entries({
    SERVICE_HOST: '10.0.0.1',
    SERVICE_PORT: '8080',
    SERVICE_PORT_HTTP: '8080',
    PORT: 'tcp://10.0.0.1:8080',
    PORT_8080_TCP: 'tcp://10.0.0.1:8080',
    PORT_8080_TCP_PROTO: 'tcp',
    PORT_8080_TCP_PORT: '8080',
    PORT_8080_TCP_ADDR: '10.0.0.1',
  }).map(([name, value]) => [`${service.replaceAll('-', '_').toUpperCase()}_${name}`, value]);

const names = [...new Set([commonSettings, ...shapes.values()].flatMap((shape) => Object.keys(shape).map(envName)))];
const everything: readonly [string, string][] = [
  ...[...names, ...beside.map((name) => `BLOCKHUB_${name}`)].flatMap((name): [string, string][] => [
    [name, 'x'],
    [`${name}_FILE`, '/x'],
  ]),
  ...['blockhub', ...[...shapes.keys()].map((name) => `blockhub-${name}`)].flatMap(linksOf),
];

/** What is said of variables that a program with these settings does not know. */
function refused(shape: SettingsShape, env: Readonly<Record<string, string>>): string[] {
  try {
    parseSettings(shape, { argv: [], env });
  } catch (error) {
    if (!(error instanceof BlockhubError)) throw error;
    return (error.details.mistakes as string[]).filter((mistake) => mistake.includes('is not a setting: did you mean'));
  }
  return [];
}

test('every service is looked at', () => {
  expect([...shapes.keys()].toSorted()).toEqual(listServices().map(({ service }) => service));
});

test.each(programs)('%s takes no variable of another for one of its own, misspelt', (_, shape) => {
  const own = new Set(
    Object.entries(shape).flatMap(([name, { secret }]) => (secret ? [envName(name), `${envName(name)}_FILE`] : [envName(name)])),
  );
  const foreign = everything.filter(([name]) => !own.has(name));
  expect(refused(shape, Object.fromEntries(foreign))).toEqual([]);
});

test.each(programs)('%s refuses its own, misspelt', (_, shape) => {
  const [first = ''] = Object.keys(shape).map(envName);
  expect(refused(shape, { [`${first}X`]: 'secret' })).toEqual([`${first}X is not a setting: did you mean ${first}?`]);
});
