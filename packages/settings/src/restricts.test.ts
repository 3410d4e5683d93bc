import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlockhubError } from '@blockhub/errors';
import { afterAll, describe, expect, test } from '@jest/globals';
import { defaults, parseSettings, type Source } from './parse.ts';
import { jsonSchema } from './schema.ts';
import { setting } from './setting.ts';

const shape = {
  ips: setting.list({ text: 'Who may send', default: [], restricts: true }),
  tokens: setting.list({ text: 'Tokens', secret: true, restricts: true }),
  key: setting.text({ text: 'Key', secret: true }),
  audience: setting.text({ text: 'Audience', restricts: true }),
  issuer: setting.url({ text: 'Issuer', schemes: ['https'], restricts: true }),
  keys: setting.flag({ text: 'Keys', default: false, restricts: true }),
  level: setting.choice({ text: 'Level', of: ['low', 'high'], default: 'low', restricts: true }),
  limit: setting.integer({ text: 'Limit', restricts: true }),
  wait: setting.duration({ text: 'Wait', default: '1s' }),
  queues: setting.list({ text: 'Queues', default: ['a'] }),
  name: setting.text({ text: 'Name' }),
};

const folder = mkdtempSync(join(tmpdir(), 'restricts-'));
afterAll(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, 'empty'), '');
writeFileSync(join(folder, 'blank'), ' \r\n\n');

function mistakes(argv: string[], env: Source['env'] = {}): string[] {
  try {
    parseSettings(shape, { argv, env });
  } catch (error) {
    if (error instanceof BlockhubError && error.code === 'SETTINGS_INVALID') return [...(error.details.mistakes as string[])];
    throw error;
  }
  return [];
}

const nothing = ['', ' ', '\n', '\r\n', '\t \n', '\ufeff', '\u00a0', ',', ' , ,', ',\n,'];

describe('a restriction that is given but empty is a mistake', () => {
  const names = ['ips', 'tokens', 'audience', 'issuer', 'keys', 'level', 'limit'] as const;
  test.each(names.flatMap((name) => nothing.map((value) => [name, value] as const)))('%s: %j', (name, value) => {
    const [flag, variable] = [`--${name}`, `BLOCKHUB_${name.toUpperCase()}`];
    for (const [argv, env] of [
      [[], { [variable]: value }],
      [[`${flag}=${value}`], {}],
      // A flag that is on or off takes no word behind it.
      ...(name === 'keys' ? [] : [[[flag, value], {}] as const]),
      // An empty flag does not remove the restriction of the environment.
      [[`${flag}=${value}`], { [variable]: 'given' }],
    ] as const) {
      const found = mistakes([...argv], env);
      expect(found).toHaveLength(1);
      expect(found[0]).toMatch(new RegExp(`^${name} \\(${flag}, ${variable}(, ${variable}_FILE)?\\): .*empty`));
    }
  });

  test.each(['empty', 'blank'])('also in a file: %s', (file) => {
    const path = join(folder, file);
    expect(mistakes([], { BLOCKHUB_TOKENS_FILE: path })).toEqual([
      expect.stringMatching(`^tokens \\(--tokens, BLOCKHUB_TOKENS, BLOCKHUB_TOKENS_FILE\\): the file "${path}".* is empty`),
    ]);
  });

  test('also a path that is empty, and a file that is not read', () => {
    expect(mistakes([], { BLOCKHUB_TOKENS_FILE: '' })).toEqual([expect.stringContaining('BLOCKHUB_TOKENS_FILE is empty')]);
    expect(mistakes([], { BLOCKHUB_IPS_FILE: join(folder, 'empty') })).toEqual([
      expect.stringContaining('BLOCKHUB_IPS_FILE is not a setting, because only secrets are read from files: set BLOCKHUB_IPS instead'),
    ]);
  });

  test('all come at once', () => {
    const env = Object.fromEntries(names.map((name) => [`BLOCKHUB_${name.toUpperCase()}`, '']));
    expect(mistakes([], env)).toHaveLength(names.length);
  });

  test('an empty part among others is one, too', () => {
    for (const value of ['10.0.0.1,', ',10.0.0.1', '10.0.0.1,,10.0.0.2']) expect(mistakes([], { BLOCKHUB_IPS: value })).toHaveLength(1);
    expect(mistakes(['--ips=', '--ips=10.0.0.1'])).toHaveLength(1);
  });

  test('an embedder may leave it out, and not give an empty one where none is the default', () => {
    expect(defaults(shape, { ips: [] })).toMatchObject({ ips: [], keys: false });
    expect(() => defaults(shape, { tokens: [] })).toThrow('tokens (--tokens, BLOCKHUB_TOKENS, BLOCKHUB_TOKENS_FILE): is empty');
    expect(() => defaults(shape, { audience: '' })).toThrow('audience');
  });
});

test('what does not restrict may be empty: it is not set', () => {
  const env = { BLOCKHUB_WAIT: '', BLOCKHUB_QUEUES: '', BLOCKHUB_NAME: '' };
  expect(parseSettings(shape, { argv: [], env })).toEqual(defaults(shape));
  expect(parseSettings(shape, { argv: ['--queues='], env: {} }).queues).toEqual([]);
});

test('what restricts nothing is refused by the schema of chart values', () => {
  expect(jsonSchema(shape).properties).toMatchObject({
    ips: { minItems: 1, items: { pattern: '^[^,]*[^,\\s][^,]*$' } },
    audience: { minLength: 1, pattern: '\\S' },
    issuer: { minLength: 1, pattern: '\\S' },
    keys: { type: 'boolean' },
    level: { enum: ['low', 'high'] },
  });
  expect(jsonSchema(shape).properties).toMatchObject({ queues: expect.not.objectContaining({ minItems: 1 }) });
});
