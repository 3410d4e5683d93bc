import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { BlockhubError } from '@blockhub/errors';
import { afterAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { help } from './help.ts';
import { defaults, describe as dump, parseArguments, parseSettings, type Source, wantsHelp } from './parse.ts';
import { jsonSchema } from './schema.ts';
import { setting, type Values } from './setting.ts';

const shape = {
  storeUrl: setting.url({ text: 'Where objects lie', default: 'file:///data/store' }),
  broker: setting.url({ text: 'Where queues are', schemes: ['amqp', 'memory'] }),
  port: setting.integer({ text: 'Port', default: 8080, max: 65_535 }),
  offset: setting.integer({ text: 'Shift', min: -10, max: 10 }),
  bodyLimit: setting.size({ text: 'Largest body', default: '1mb', min: 1, max: 4_194_304 }),
  grace: setting.duration({ text: 'Time to stop', default: 25_000 }),
  pretty: setting.flag({ text: 'For people', default: false }),
  fsync: setting.flag({ text: 'Durable', default: true }),
  level: setting.choice({ text: 'How much is logged', of: ['debug', 'info'], default: 'info' }),
  chains: setting.list({ text: 'Which', default: [] }),
  name: setting.text({ text: 'Name', pattern: /^[a-z]+$/, example: 'orders' }),
  token: setting.text({ text: 'Token', secret: true, pattern: /^[a-z0-9]{4,}$/ }),
};

const parse = (argv: string[], env: Source['env'] = {}): Values<typeof shape> => parseSettings(shape, { argv, env });

function mistakes(run: () => unknown): string[] {
  try {
    run();
  } catch (error) {
    if (error instanceof BlockhubError && error.code === 'SETTINGS_INVALID') return [...(error.details.mistakes as string[])];
    throw error;
  }
  return [];
}

const folder = mkdtempSync(join(tmpdir(), 'settings-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Compiles only where both types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

test('types of values are exact', () => {
  const exact: Same<
    Values<typeof shape>,
    {
      readonly storeUrl: string;
      readonly broker: string | undefined;
      readonly port: number;
      readonly offset: number | undefined;
      readonly bodyLimit: number;
      readonly grace: number;
      readonly pretty: boolean;
      readonly fsync: boolean;
      readonly level: 'debug' | 'info';
      readonly chains: readonly string[];
      readonly name: string | undefined;
      readonly token: string | undefined;
    }
  > = true;
  const needed = { key: setting.text({ text: 'Key', required: true }), way: setting.choice({ text: 'Way', of: ['a', 'b'] }) };
  const required: Same<Values<typeof needed>, { readonly key: string; readonly way: 'a' | 'b' | undefined }> = true;
  // @ts-expect-error the default is not one of the words
  expect(() => setting.choice({ text: 'Way', of: ['a', 'b'], default: 'c' })).toThrow('got "c"');
  expect([exact, required]).toEqual([true, true]);
});

describe('where values come from', () => {
  test('nothing given: the defaults', () => {
    const values = parse([]);
    expect(values).toEqual(defaults(shape));
    expect({ ...values }).toEqual({
      storeUrl: 'file:///data/store',
      port: 8080,
      bodyLimit: 1_048_576,
      grace: 25_000,
      pretty: false,
      fsync: true,
      level: 'info',
      chains: [],
    });
  });

  test.each<[string[], Source['env'], Partial<Values<typeof shape>>]>([
    [['--port', '1'], {}, { port: 1 }],
    [['--port=0'], {}, { port: 0 }],
    [[], { BLOCKHUB_PORT: '2' }, { port: 2 }],
    [['--port', '1'], { BLOCKHUB_PORT: '2' }, { port: 1 }],
    [[], { BLOCKHUB_PORT: '', BLOCKHUB_BODY_LIMIT: '4kb' }, { port: 8080, bodyLimit: 4096 }],
    [['--offset', '-5'], {}, { offset: -5 }],
    [['--offset=-10'], {}, { offset: -10 }],
    [['--pretty', '--no-fsync'], {}, { pretty: true, fsync: false }],
    [['--pretty=false', '--fsync=0'], { BLOCKHUB_PRETTY: 'true' }, { pretty: false, fsync: false }],
    [[], { BLOCKHUB_PRETTY: '1', BLOCKHUB_FSYNC: 'false' }, { pretty: true, fsync: false }],
    [['--chains', 'a, b', '--chains=c'], {}, { chains: ['a', 'b', 'c'] }],
    [['--chains', 'a\nb\r\n c'], {}, { chains: ['a', 'b', 'c'] }],
    [['--chains='], { BLOCKHUB_CHAINS: 'x' }, { chains: [] }],
    [['--broker', 'memory:'], {}, { broker: 'memory:' }],
    [['--store-url', '../data'], {}, { storeUrl: '../data' }],
    [['--store-url=file:///a?b=c=d'], {}, { storeUrl: 'file:///a?b=c=d' }],
    [['--grace', '1.5s', '--level', 'debug'], {}, { grace: 1500, level: 'debug' }],
    [['--name', 'orders'], {}, { name: 'orders' }],
  ])('%j with %j', (argv, env, expected) => expect(parse(argv, env)).toMatchObject(expected));

  test('a secret comes from a file, without its last line break', () => {
    writeFileSync(join(folder, 'token'), 'geheim1\n');
    expect(parse([], { BLOCKHUB_TOKEN_FILE: join(folder, 'token') }).token).toBe('geheim1');
    expect(parse(['--token', 'andere'], { BLOCKHUB_TOKEN_FILE: '/nowhere' }).token).toBe('andere');
    expect(parse([], { BLOCKHUB_NAME_FILE: join(folder, 'token') }).name).toBeUndefined();
  });

  test('positional words', () => {
    const { values, positionals } = parseArguments(shape, { argv: ['walk', '--port', '1', 'orders', '-', '--', '--port'], env: {} });
    expect(values.port).toBe(1);
    expect(positionals).toEqual(['walk', 'orders', '-', '--port']);
    expect(mistakes(() => parseArguments(shape, { argv: ['a', 'b', 'c'], env: {} }, 1))).toHaveLength(2);
  });

  test.each([
    [['--help'], true],
    [['x', '-h'], true],
    [['--', '--help'], false],
    [['--helper'], false],
  ])('%j asks for help: %s', (argv, asks) => expect(wantsHelp(argv)).toBe(asks));

  test('embedding gives values directly', () => {
    expect(defaults(shape, { port: 0, name: 'x' })).toMatchObject({ port: 0, name: 'x', level: 'info' });
    const needed = { key: setting.text({ text: 'Key', required: true, example: 'k1' }) };
    expect(mistakes(() => defaults(needed))).toEqual(['key (--key, BLOCKHUB_KEY): is required: set it, for example --key k1']);
  });
});

describe('mistakes', () => {
  test.each<[string[], Source['env'], string]>([
    [['--port', 'x'], {}, 'port (--port, BLOCKHUB_PORT): expected a whole number such as 8080, got "x"'],
    [[], { BLOCKHUB_PORT: 'NaN' }, 'got "NaN"'],
    [['--port', '1.5'], {}, 'expected a whole number such as 8080, got "1.5"'],
    [['--port', '010'], {}, 'got "010"'],
    [['--port', '-1'], {}, 'expected a value from 0 to 65535, got "-1"'],
    [['--port', '65536'], {}, 'got "65536"'],
    [['--port', '99999999999999999999'], {}, 'expected a whole number'],
    [['--port', ' 80'], {}, 'got " 80"'],
    [['--port'], {}, 'the value is missing: write --port N'],
    [['--port', '--pretty'], {}, 'port (--port, BLOCKHUB_PORT): the value is missing'],
    [['--port='], {}, 'the value is empty'],
    [['--port', '1', '--port', '1'], {}, 'is given more than once'],
    [['--pretty', '--no-pretty'], {}, 'is given more than once'],
    [['--no-pretty=true'], {}, 'a --no-… flag cannot have a value: write --pretty=false'],
    [['--pretty=yes'], {}, 'expected true or false, got "yes"'],
    [['--pretty=toString'], {}, 'expected true or false'],
    [['--pretty', 'false'], {}, '"false" is not expected'],
    [['--body-limit', '4x'], {}, 'bodyLimit (--body-limit, BLOCKHUB_BODY_LIMIT): expected a size such as 500, 4kb or 1.2gb, got "4x"'],
    [['--body-limit', '5mb'], {}, 'expected a value from 1 to 4mb, got "5mb"'],
    [['--body-limit', '0'], {}, 'expected a value from 1 to 4mb'],
    [['--body-limit', '-4kb'], {}, 'expected a size'],
    [['--grace', '5 s'], {}, 'expected a duration such as 500, 250ms or 1.5s, got "5 s"'],
    [['--level', 'trace'], {}, 'expected one of debug, info, got "trace"'],
    [['--level', 'constructor'], {}, 'expected one of'],
    [['--chains', 'a,,b'], {}, 'has an empty part'],
    [['--chains', 'a\n,\nb'], {}, 'has an empty part'],
    [['--name', 'A1'], {}, '"A1" must match ^[a-z]+$'],
    [['--store-url', 'minio'], {}, 'expected a URL with a scheme, or a path that begins with / or ./, got "minio"'],
    [['--broker', 'http://x'], {}, 'expected a URL with the scheme amqp or memory, got "http://x"'],
    [['--broker', '/data'], {}, 'expected a URL with a scheme (amqp, memory), got "/data"'],
    [['--store-url', '/a\u0000b'], {}, 'control character'],
    [['--stor-url', '/x'], {}, '"--stor-url" is not a setting: did you mean --store-url (BLOCKHUB_STORE_URL)?'],
    [['--storeUrl', '/x'], {}, 'did you mean --store-url'],
    [['--BLOCKHUB_STORE_URL=/x'], {}, 'did you mean --store-url'],
    [['--prot=1'], {}, 'did you mean --port'],
    [['--no-fsyn'], {}, 'did you mean --no-fsync (BLOCKHUB_FSYNC)?'],
    [['--frobnicate'], {}, '"--frobnicate" is not a setting: --help lists all settings'],
    [['-p', '1'], {}, '"-p" is not a setting'],
    [['--__proto__=1'], {}, 'is not a setting'],
    [['--constructor', '1'], {}, 'is not a setting'],
    [['stray'], {}, '"stray" is not expected'],
    [[], { BLOCKHUB_PORT: 'tcp://10.0.0.1:80' }, 'enableServiceLinks: false'],
    [[], { BLOCKHUB_TOKEN: 'abcd', BLOCKHUB_TOKEN_FILE: '/x' }, 'are both set: unset one of them'],
    [[], { BLOCKHUB_TOKEN_FILE: '/nowhere/token' }, '"/nowhere/token" that BLOCKHUB_TOKEN_FILE names cannot be read (ENOENT)'],
  ])('%j with %j', (argv, env, expected) => {
    const found = mistakes(() => parse(argv, env));
    expect(found).toEqual([expect.stringContaining(expected)]);
  });

  test('all come at once', () => {
    const error = (() => {
      try {
        return parse(['--port', 'x', '--prot', '1', '--level=y'], { BLOCKHUB_BODY_LIMIT: '-1', BLOCKHUB_GRACE: 'soon' });
      } catch (thrown) {
        return thrown as BlockhubError;
      }
    })() as BlockhubError;
    expect(error.details.mistakes).toHaveLength(5);
    expect(error.message.split('\n')).toHaveLength(6);
    for (const name of ['--port', '--prot', '--level', 'BLOCKHUB_BODY_LIMIT', 'BLOCKHUB_GRACE']) expect(error.message).toContain(name);
  });

  test('whatever is typed: values or SETTINGS_INVALID, never anything else', () => {
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom(...Object.keys(shape).map((name) => `--${name}`)),
      fc.constantFrom('--', '--port', '--chains', '--token=', '-1'),
    );
    fc.assert(fc.property(fc.array(word), (argv) => Array.isArray(mistakes(() => parse(argv)))));
  });
});

describe('secrets', () => {
  const secret = 'HUNTER2';
  test.each<[string[], Source['env']]>([
    [['--token', secret], {}],
    [[`--token=${secret}`], {}],
    [[], { BLOCKHUB_TOKEN: secret }],
    [[`--tokn=${secret}`], {}],
    [['--tokn', secret], {}],
    [['--token', 'abcd', secret], {}],
    [['--token', 'abcd', '--token', secret], {}],
    [['--store-url', `htp//me:${secret}@host/x`], {}],
    [['--broker', `http://me:${secret}@host/x`], {}],
    [[`--//me:${secret}@host`], {}],
  ])('%j with %j: the error does not show it', (argv, env) => {
    const found = mistakes(() => parse(argv, env));
    expect(found.length).toBeGreaterThan(0);
    expect(found.join()).not.toContain(secret);
  });

  test('a wrong secret file is not shown either', () => {
    writeFileSync(join(folder, 'wrong'), secret);
    const found = mistakes(() => parse([], { BLOCKHUB_TOKEN_FILE: join(folder, 'wrong') })).join();
    expect(found).toContain(
      'token (--token, BLOCKHUB_TOKEN, BLOCKHUB_TOKEN_FILE): expected text that matches ^[a-z0-9]{4,}$, got a value that is secret and not shown',
    );
    expect(found).not.toContain(secret);
  });

  test('help, schema and dumps do not show them', () => {
    const hiding = {
      token: setting.text({ text: 'Token', secret: true, example: secret }),
      url: setting.url({ text: 'Place', default: `amqp://me:${secret}@host`, example: `amqp://me:${secret}@other` }),
    };
    const values = parseSettings(hiding, { argv: ['--token', secret], env: {} });
    expect(values).toMatchObject({ token: secret, url: `amqp://me:${secret}@host` });
    expect(dump(hiding, values)).toEqual({ token: '[hidden]', url: 'amqp://[hidden]@host' });
    const shown = [help('x', 'y', hiding), JSON.stringify(jsonSchema(hiding)), JSON.stringify({ values }), inspect(values), String(values)];
    for (const text of shown) expect(text).not.toContain(secret);
    expect({ ...values }.token).toBe(secret);
  });

  test('have no defaults', () => {
    expect(() => setting.text({ text: 'x', secret: true, default: 'y' })).toThrow('a secret has no default');
  });
});

describe('a misspelt variable', () => {
  const near = {
    partitions: setting.integer({ text: 'Queues', default: 1 }),
    held: setting.text({ text: 'Held' }),
    hold: setting.text({ text: 'Hold' }),
    token: setting.text({ text: 'Token', secret: true, unlike: ['tokens'] }),
    storeUrl: setting.url({ text: 'Store', required: true }),
  };
  const store = { BLOCKHUB_STORE_URL: './store' };
  const found = (env: Source['env'], argv: string[] = []): string[] =>
    mistakes(() => parseSettings(near, { argv, env: { ...store, ...env } }));

  test.each([
    ['BLOCKHUB_PARTITONS', 'BLOCKHUB_PARTITIONS'],
    ['BLOCKHUB_PARTITIONSS', 'BLOCKHUB_PARTITIONS'],
    ['BLOCKHUB_PARTITIOMS', 'BLOCKHUB_PARTITIONS'],
    ['BLOCKHUB_PRATITIONS', 'BLOCKHUB_PARTITIONS'],
    ['BLOCKHUB_TOKEN_FIL', 'BLOCKHUB_TOKEN_FILE'],
    ['BLOCKHUB_HLD', 'BLOCKHUB_HELD or BLOCKHUB_HOLD'],
  ])('%s is refused', (variable, meant) =>
    expect(found({ [variable]: 'geheim' })).toEqual([`${variable} is not a setting: did you mean ${meant}?`]),
  );

  test('stands among all mistakes', () => {
    expect(
      mistakes(() => parseSettings(near, { argv: ['--x'], env: { BLOCKHUB_STOREURL: './geheim', BLOCKHUB_PARTITIONS: 'x' } })),
    ).toEqual([
      expect.stringContaining('is not a setting'),
      expect.stringContaining('partitions'),
      expect.stringContaining('storeUrl (--store-url, BLOCKHUB_STORE_URL): is required'),
      'BLOCKHUB_STOREURL is not a setting: did you mean BLOCKHUB_STORE_URL?',
    ]);
  });

  test('is one whose right name is set, but empty', () => {
    expect(found({ BLOCKHUB_PARTITONS: '2', BLOCKHUB_PARTITIONS: '' })).toHaveLength(1);
  });

  test.each<[string, Source['env']]>([
    ['the right one is set', { BLOCKHUB_PARTITONS: '2', BLOCKHUB_PARTITIONS: '3' }],
    ['it is a setting itself', { BLOCKHUB_HOLD: 'x' }],
    ['it is empty', { BLOCKHUB_PARTITONS: '' }],
    ['it is two edits away', { BLOCKHUB_PARTITON: '2', BLOCKHUB_PARTITIONS_X: '2' }],
    ['it belongs to another program', { LOCKHUB_PARTITIONS: '2', BLOCKHUB2_PARTITIONS: '2', PARTITIONS: '2' }],
    ['another program reads it', { BLOCKHUB_TOKENS: 'x', BLOCKHUB_TOKENS_FILE: '/x' }],
    ['it links to a Service', { BLOCKHUB_PARTITION: 'tcp://10.0.0.1:80' }],
    ['it is very long', { [`BLOCKHUB_${'X'.repeat(1_000_000)}`]: 'x' }],
  ])('is none where %s', (_, env) => expect(found(env)).toEqual([]));
});
