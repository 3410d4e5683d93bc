import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { help } from './help.ts';
import { envName, findNearest, flagName } from './names.ts';
import { jsonSchema } from './schema.ts';
import { setting } from './setting.ts';

const shape = {
  storeUrl: setting.url({ text: 'Where objects lie', required: true, example: 's3://minio:9000/bucket' }),
  bodyLimit: setting.size({ text: 'Largest body', default: 1_048_576 }),
  fsync: setting.flag({ text: 'Write through', default: true }),
  level: setting.choice({ text: 'How much is logged | said', of: ['debug', 'info'], default: 'info' }),
  token: setting.text({ text: 'Token', secret: true }),
};

test('names follow from one rule', () => {
  expect([flagName('storeUrl'), envName('storeUrl')]).toEqual(['--store-url', 'BLOCKHUB_STORE_URL']);
});

test.each(['StoreUrl', 'storeURL', 'store-url', '1st', '', 'noFsync', 'help', '__proto__'])('the name %j is refused', (name) => {
  const entries = Object.fromEntries([[name, setting.text({ text: 'x' })]]);
  expect(() => help('x', 'y', entries)).toThrow(TypeError);
});

test('a variable with two meanings is refused', () => {
  expect(() => help('x', 'y', { token: shape.token, tokenFile: setting.text({ text: 'x' }) })).toThrow(
    'BLOCKHUB_TOKEN_FILE has two meanings',
  );
});

test.each([
  ['--prot', '--port'],
  ['--probport', '--probe-port'],
  ['--probe_port', '--probe-port'],
  ['--x', undefined],
  ['--zzzzzzzzzz', undefined],
  [`--${'y'.repeat(1_000_000)}`, undefined],
])('near %s is %s', (given, nearest) => expect(findNearest(given, ['--port', '--probe-port', '--level'])).toBe(nearest));

describe('help', () => {
  test('says what each setting is, how it is given and what it is without', () => {
    expect(help('deploy', 'Writes objects', shape)).toBe(`deploy: Writes objects.

Each setting is a flag or an environment variable: --store-url is the same as BLOCKHUB_STORE_URL.
If both are set, the flag is used. An empty variable counts as not set.
SIZE is a number of bytes, or a number with kb, mb, gb or tb, such as 4kb or 1.2gb.

  --store-url URL
      Where objects lie.
      Required.
      Example: s3://minio:9000/bucket

  --body-limit SIZE
      Largest body.
      Default: 1mb

  --no-fsync
      Write through.
      Default: on. This flag switches it off.

  --level debug|info
      How much is logged | said.
      Default: info

  --token TEXT
      Token.
      Secret. Set BLOCKHUB_TOKEN, or write the secret into a file and set BLOCKHUB_TOKEN_FILE to its
      path.
`);
  });

  test('fits 100 columns whatever is declared', () => {
    const words = fc
      .array(fc.string({ minLength: 1, maxLength: 300, size: 'max' }), { minLength: 1, maxLength: 10 })
      .map((list) => list.join(' '));
    fc.assert(
      fc.property(words, words, words, (summary, text, example) => {
        const shown = help('name', summary, {
          someSetting: setting.text({ text, example }),
          other: setting.choice({ text, of: [text, example] }),
        });
        return shown.split('\n').every((line) => line.length <= 100);
      }),
    );
  });
});

test('the schema describes chart values', () => {
  expect(jsonSchema(shape)).toMatchObject({
    type: 'object',
    additionalProperties: false,
    required: ['storeUrl'],
    properties: {
      storeUrl: { type: 'string', description: 'Where objects lie' },
      bodyLimit: { type: ['integer', 'string'], minimum: 0, default: '1mb' },
      fsync: { type: 'boolean', default: true },
      level: { enum: ['debug', 'info'], default: 'info' },
      token: { type: 'object', required: ['secret', 'key'] },
    },
  });
  const { pattern } = (jsonSchema(shape).properties as { bodyLimit: { pattern: string } }).bodyLimit;
  expect(['4kb', '1.2gb', '500', '1.5', '-1', 'x', '4kb\n'].map((text) => new RegExp(pattern).test(text))).toEqual([
    true,
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
});
