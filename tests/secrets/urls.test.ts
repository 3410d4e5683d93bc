import { inspect } from 'node:util';
import { openBroker } from '@blockhub/broker';
import { openRegistry } from '@blockhub/registry';
import { help, hideUrl, hideUserinfo, jsonSchema, parseSettings, setting } from '@blockhub/settings';
import { openStore } from '@blockhub/store';
import { createHealth, createLogger } from '@blockhub/telemetry';
import { commonSettings } from '@blockhub/worker';
import { describe, expect, test } from '@jest/globals';
import { settingsTable } from '../reference/markdown.ts';

/** Matches any part of the secret, by its letters. */
const SECRET = /H+U+N|T+E+R+7/;

/** Text between `HUN` and `TER7` in a password. */
const inside = [
  '',
  '/',
  '?',
  '#',
  '@',
  '%',
  '%2',
  '%2F',
  '\\',
  ':',
  '//',
  '/@',
  '@/',
  '?x=',
  '&x=',
  '#/',
  '[',
  ']',
  '|',
  '^',
  '"',
  "'",
  '<',
  '{',
  '`',
  '$',
  '+',
  '=',
  ';',
  ',',
  '!',
  '~',
  'ü',
  '🔑',
];
const schemes = ['amqp', 'rediss', 's3', 'https', 'sqlite', 'Postgres'];

const hostile: string[] = [
  ...schemes.flatMap((scheme) => inside.map((between) => `${scheme}://user:HUN${between}TER7@host:1/path`)),
  ...inside.map((between) => `amqp://:HUN${between}TER7@host`),
  ...inside.map((between) => `redis://:HUN${between}TER7@host/0?prefix=x`),
  ...inside.map((between) => `s3://AKIA:HUN${between}TER7@minio:9000/bucket?tls=off`),
  ...inside.map((between) => `user:HUN${between}TER7@host`),
  ...inside.map((between) => `amqp:user:HUN${between}TER7@host`),
  'amqp://user:1HUN/TER7@host:notaport',
  'amqp://user:HUNTER7@',
  'amqp://user:HUNTER7@@host',
  'amqp://user:HUNTER7@host:99999',
  'amqp://user:HUNTER7@ho st',
  'amqp://user:HUNTER7@[::1',
  'amqp://user:HUNTER7@host?passwordFile=/p',
  'amqp://user:HUNTER7@host?heartbeat=x',
  'amqp://user:HUNTER7@host#x',
  'amqp://user:HUNTER7@host/%',
  'amqp://user:5672/HUNTER7@host',
  'amqp://user:5672?HUNTER7@host',
  'amqp://user:5672#HUNTER7@host',
  'amqp://host?host=u:HUNTER7@b',
  'amqp://host?management=http://u:HUNTER7@m',
  'redis://user:HUNTER7@host:x',
  's3://minio/bucket?secret_key=HUNTER7',
  's3://minio/bucket?accessKey=a&secretKey=HUNTER7',
  's3://minio/bucket?password=HUNTER7',
];

/** Every form in which an error may be printed. */
function allOf(error: unknown): string {
  const causes: unknown[] = [];
  for (let one = error; one !== undefined && causes.length < 10; one = (one as { cause?: unknown }).cause) causes.push(one);
  return causes
    .map((one) => `${inspect(one, { depth: 9, showHidden: true })} ${String(one)} ${JSON.stringify(one)} ${(one as Error).stack}`)
    .join('\n');
}

async function thrownBy(run: () => unknown): Promise<{ error: unknown; value?: unknown }> {
  try {
    return { error: undefined, value: await run() };
  } catch (error) {
    return { error };
  }
}

const settings = { broker: commonSettings.broker, store: commonSettings.store, registry: commonSettings.registry };

describe.each(['broker', 'store', 'registry'] as const)('as URL of the %s', (name) => {
  test.each(hostile)('%s: no error, dump or printed value shows its secret', async (url) => {
    const others = { BLOCKHUB_BROKER: 'memory:', BLOCKHUB_STORE: 'memory:', BLOCKHUB_REGISTRY: 'memory:' };
    const env = { ...others, [`BLOCKHUB_${name.toUpperCase()}`]: url };
    const { error, value } = await thrownBy(() => parseSettings(settings, { argv: [], env }));
    expect(allOf(error)).not.toMatch(SECRET);
    if (value === undefined) return;
    const values = value as ReturnType<typeof parseSettings<typeof settings>>;
    expect(`${JSON.stringify(values)} ${inspect(values)}`).not.toMatch(SECRET);
  });
});

/** No server listens at this address. */
const local = (url: string): string => url.replace(/@host\b/, '@127.0.0.1');

test.each(hostile)('opening %s: no error shows its secret', async (url) => {
  // Every URL has a host: a file URL without one would create a folder. A broker retries until it
  // is closed if its host may be reachable.
  for (const open of [
    async () => (await openStore(local(url))).url,
    async () => (await openRegistry(local(url))).close(),
    async () => {
      const lines: string[] = [];
      const line = (fields: unknown): void => void lines.push(inspect(fields, { depth: 9 }));
      const broker = await openBroker(local(url), { log: { debug: line, info: line, warn: line, error: line } as never });
      await broker.close();
      return lines;
    },
  ]) {
    const { error, value } = await thrownBy(open);
    expect(`${error === undefined ? '' : allOf(error)}${JSON.stringify(value)}`).not.toMatch(SECRET);
  }
});

describe('in other text', () => {
  // In a URL without a scheme, the part behind a slash is a path.
  const texts = hostile.filter((url) => url.includes('://') || !/^[^/]*[/]/.test(url));

  test.each(texts)('%s is hidden, as a value and in a sentence', (url) => {
    expect(hideUrl(url)).not.toMatch(SECRET);
    expect(hideUserinfo(`cannot reach ${url}: ECONNREFUSED`)).not.toMatch(SECRET);
  });

  test.each(texts.filter((url) => url.includes('://')))('%s is hidden in logs and on /readyz, whose lines stay JSON', (url) => {
    const lines: string[] = [];
    const log = createLogger({ name: 'test', stream: { write: (line) => lines.push(line) } });
    log.warn(
      { url, nested: { list: [url] }, err: new Error(`cannot reach ${url}`, { cause: new Error(`no ${url} here`) }), after: 'kept' },
      'x',
    );
    const health = createHealth();
    health.set('broker', false, `cannot reach ${url}`);
    for (const text of [...lines, JSON.stringify(health.report())]) expect(text).not.toMatch(SECRET);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ after: 'kept', msg: 'x' });
  });

  test.each([
    'amqp://rabbitmq:5672/vhost',
    'https://tenant.eu.auth0.com/.well-known/openid-configuration',
    '/var/lib/a@b/c',
    './a@b',
    'file:///var/lib/blockhub/a@b',
    'sqlite:///data/a@b.sqlite',
    'amqp://h?passwordFile=/run/secrets/password&ca=/ca.pem',
    'at open (file:///app/node_modules/@smithy/node-http-handler/dist/index.js:1:2)',
    'node_modules/.pnpm/@aws-sdk+client-s3@3.1.0/node_modules/x.js:12:3',
    'two words: a, b',
  ])('%s is shown as it is', (text) => {
    expect(hideUserinfo(text)).toBe(text);
    if (!/ |node_modules/.test(text)) expect(hideUrl(text)).toBe(text);
    const lines: string[] = [];
    createLogger({ name: 'test', stream: { write: (line) => lines.push(line) } }).info({ text }, 'x');
    expect(JSON.parse(lines[0] ?? '').text).toBe(text);
  });
});

test('help, tables and schemas hide defaults and examples', () => {
  for (const url of hostile) {
    if (!URL.canParse(url) || !url.includes('://')) continue;
    const shape = { place: setting.text({ text: 'Place', default: url, example: url }) };
    expect(`${help('x', 'y', shape)}${settingsTable(shape)}${JSON.stringify(jsonSchema(shape))}`).not.toMatch(SECRET);
  }
});

test('a hostile text does not take long', () => {
  const texts = [
    '//'.repeat(50_000),
    '//a'.repeat(50_000),
    'a:'.repeat(50_000),
    `amqp://${'a'.repeat(100_000)}`,
    '@'.repeat(100_000),
    '?secret'.repeat(20_000),
  ];
  // With quadratic time this would take minutes.
  for (const text of texts) expect([hideUserinfo(text).length, hideUrl(text).length].every((length) => length > 0)).toBe(true);
});
