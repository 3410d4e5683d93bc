import { expect, test } from '@jest/globals';
import {
  decodeUrlPart,
  driverFor,
  parseDriverUrl,
  readAuthorities,
  readUrlOptions,
  readUrlPath,
  refuseUrlParts,
  type UrlKind,
  urlOption,
} from './driver-url.ts';

const kind: UrlKind = {
  url: 'broker URL',
  code: 'BROKER_URL_INVALID',
  takes: 'user and password',
  instead: 'as BLOCKHUB_BROKER_PASSWORD',
  examples: { sqlite: 'sqlite:///data/broker.sqlite', amqp: 'amqp://rabbitmq:5672' },
};
const forms = {
  style: urlOption.oneOf('path', 'virtual'),
  size: urlOption.wholeNumber(1, 600),
  ca: urlOption.file,
  prefix: urlOption.matching(/^\w+$/, 'letters and digits'),
  host: { accepts: () => true, expected: 'a host', mayRepeat: true },
};

const errorOf = (run: () => unknown): unknown => {
  try {
    return run();
  } catch (error) {
    return error;
  }
};

const secret = 'HUNTER2';

/** What reads the URL, the URL, the field that the error names, and a part of its message. */
const wrong: readonly (readonly [(url: URL) => unknown, string, field: string, message: string])[] = [
  [(url) => url, '', 'url', 'broker URL: expected a URL such as sqlite:///data/broker.sqlite or amqp://rabbitmq:5672, got ""'],
  [(url) => url, 'rabbitmq', 'url', 'got "rabbitmq"'],
  [(url) => url, `amqp://u:${secret}@h:99999`, 'url', 'expected a URL such as amqp://rabbitmq:5672, got "amqp://[hidden]@h:99999"'],
  [(url) => url, `amqp://u:${secret}/@h`, 'password', 'the password of the broker URL contains the character "/"'],
  [(url) => url, 'amqp://h/v@h', 'path', 'write %40 instead'],
  [
    (url) => driverFor(url, { memory: 1, sqlite: 2, amqp: 3 }, kind),
    'redis://h',
    'scheme',
    'unknown scheme redis:, expected memory:, sqlite: or amqp:',
  ],
  [(url) => driverFor(url, {}, kind), 'constructor:', 'scheme', 'unknown scheme constructor:'],
  [(url) => refuseUrlParts(url, kind), 'memory:?x=1', 'x', 'unknown option x, expected no options'],
  [(url) => refuseUrlParts(url, kind), 'memory:/x', 'path', 'expected nothing behind memory:'],
  [(url) => refuseUrlParts(url, kind), 'memory://x', 'path', 'expected nothing behind memory:'],
  [(url) => refuseUrlParts(url, kind), `memory:#${secret}`, 'hash', 'expected nothing behind #: write %23'],
  ...['sqlite:', 'sqlite:///', 'sqlite:relative', 'sqlite://folder/file', 'sqlite:///folder/'].map(
    (url) =>
      [
        (url: URL) => readUrlPath(url, 'file', kind),
        url,
        'path',
        'expected the absolute path of a file, with three slashes: sqlite:///data/broker.sqlite',
      ] as const,
  ),
  [(url) => readUrlPath(url, 'folder', kind), 'file:', 'path', 'expected the absolute path of a folder'],
  [(url) => readUrlPath(url, 'file', kind), 'sqlite:///x%', 'path', 'the path holds a wrong % escape: write %25'],
  [(url) => readUrlPath(url, 'file', kind), 'sqlite:///x%00', 'path', 'the path holds a NUL'],
  [(url) => readUrlPath(url, 'file', kind), 'sqlite:///x?journal=off', 'journal', 'unknown option journal, expected no options'],
  [(url) => readUrlOptions(url, forms, kind), 'amqp://h?Size=1', 'Size', 'unknown option Size, expected style, size, ca, prefix or host'],
  [(url) => readUrlOptions(url, forms, kind), 'amqp://h?__proto__=1', '__proto__', 'unknown option __proto__'],
  [
    (url) => readUrlOptions(url, forms, kind),
    `amqp://h?secretKey=${secret}`,
    'secretKey',
    'secrets do not belong there, give them as BLOCKHUB_BROKER_PASSWORD',
  ],
  [(url) => readUrlOptions(url, forms, kind), 'amqp://h?size=1&size=1', 'size', 'option size is given more than once'],
  [(url) => readUrlOptions(url, forms, kind), 'amqp://h?size=0', 'size', 'option size: expected a whole number from 1 to 600'],
  [(url) => readUrlOptions(url, forms, kind), 'amqp://h?size=1.5', 'size', 'option size: expected a whole number'],
  [(url) => readUrlOptions(url, forms, kind), 'amqp://h?size=', 'size', 'option size: expected a whole number'],
  [(url) => readUrlOptions(url, forms, kind), 'amqp://h?style=host', 'style', 'option style: expected path or virtual'],
  [(url) => readUrlOptions(url, forms, kind), 'amqp://h?ca=ca.pem', 'ca', 'option ca: expected the absolute path of a file'],
  [(url) => readUrlOptions(url, forms, kind), 'amqp://h?prefix=', 'prefix', 'option prefix: expected letters and digits'],
  [() => decodeUrlPart(`${secret}%`, 'password', kind), 'amqp://h', 'password', 'the password holds a wrong % escape'],
  [() => readAuthorities('/no/such.pem', kind), 'amqps://h', 'ca', '/no/such.pem is not a readable file with certificates'],
  [() => readAuthorities(import.meta.filename, kind), 'amqps://h', 'ca', 'is not a readable file with certificates'],
];

test.each(wrong)('%# %s: refuses %s and names %s', (read, text, field, message) => {
  const error = errorOf(() => read(parseDriverUrl(text, kind)));
  expect(error).toMatchObject({ code: 'BROKER_URL_INVALID', details: { field }, message: expect.stringContaining(message) });
  expect(`${(error as Error).stack}${JSON.stringify(error)}`).not.toContain(secret);
});

test.each<[UrlKind['takes'], string, string | undefined]>([
  ['nothing', 'this URL takes no user and no password: give them as BLOCKHUB', 'this URL takes no user and no password'],
  ['user', 'this URL takes no password: give it as BLOCKHUB', undefined],
])('a URL that takes %s refuses more than that, and does not repeat it', (takes, withPassword, withUser) => {
  const read = (text: string): unknown => errorOf(() => parseDriverUrl(text, { ...kind, takes }));
  expect(String(read(`redis://u:${secret}@h`))).toContain(withPassword);
  expect(String(read(`redis://u:${secret}@h`))).not.toContain(secret);
  if (withUser === undefined) expect(read('redis://u@h')).toBeInstanceOf(URL);
  else expect(String(read('redis://u@h'))).toContain(withUser);
});

test('a right URL gives its driver, path and options', () => {
  const file = parseDriverUrl('SQLite:///a%20b/%25.sqlite', kind);
  expect(driverFor(file, { sqlite: 'mine' }, kind)).toBe('mine');
  expect(readUrlPath(file, 'file', kind)).toBe('/a b/%.sqlite');
  expect(readUrlPath(parseDriverUrl('file:///a/', kind), 'folder', kind)).toBe('/a/');
  refuseUrlParts(parseDriverUrl('memory:', kind), kind);
  const server = parseDriverUrl(`amqp://u%40:${secret}@h?host=a&host=b&size=600&ca=/ca.pem`, kind);
  expect(readUrlOptions(server, forms, kind)).toEqual({ host: 'b', size: '600', ca: '/ca.pem' });
  expect(decodeUrlPart(server.username, 'user', kind)).toBe('u@');
});
