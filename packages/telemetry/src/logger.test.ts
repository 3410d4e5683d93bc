import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { BlockhubError } from '@blockhub/errors';
import { describe, expect, test } from '@jest/globals';
import { createLogger, type Logger, type LogLevel, silentLogger } from './logger.ts';

function capture(level: LogLevel = 'debug'): { log: Logger; lines: string[]; last(): Record<string, unknown> } {
  const lines: string[] = [];
  const log = createLogger({ name: 'deploy', level, stream: { write: (line) => lines.push(line) } });
  return { log, lines, last: () => JSON.parse(lines.at(-1) ?? 'null') };
}

test('a line is one JSON object: level, ISO time, name, facts, message', () => {
  const { log, lines, last } = capture();
  log.info({ chain: 'c', height: 3 }, 'block written');
  expect(last()).toEqual({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    name: 'deploy',
    chain: 'c',
    height: 3,
    msg: 'block written',
  });
  log.warn('only text\nof two lines');
  expect(last()).toMatchObject({ level: 'warn', msg: 'only text\nof two lines' });
  expect(lines.join('').split('\n')).toHaveLength(3);
});

test('levels and children', () => {
  const { log, lines, last } = capture('warn');
  log.debug('no');
  log.info({}, 'no');
  expect(lines).toHaveLength(0);
  log.child({ queue: 'ingress' }).child({ id: 'e1' }).error({ x: 1 }, 'yes');
  expect(last()).toMatchObject({ queue: 'ingress', id: 'e1', x: 1 });
  const silent = capture('silent');
  silent.log.error('no');
  silentLogger.child({}).error('no');
  expect(silent.lines).toHaveLength(0);
});

describe('secrets', () => {
  const secret = 'HUNTER2';
  test.each<[string, (log: Logger) => void]>([
    ['keys', (log) => log.info({ authorization: secret, Cookie: secret, 'set-cookie': [secret] }, 'x')],
    ['parts of keys', (log) => log.info({ accessToken: secret, clientSecret: { a: secret }, dbPassword: secret, API_KEY: secret }, 'x')],
    ['deep keys', (log) => log.info({ request: { headers: { 'x-api-key': secret, authorization: `Bearer ${secret}` } } }, 'x')],
    ['keys in lists', (log) => log.info({ list: [{ token: secret }] }, 'x')],
    ['children', (log) => log.child({ token: secret, url: `amqp://me:${secret}@h` }).info('x')],
    ['URL values', (log) => log.info({ url: `amqp://me:${secret}@host/x` }, 'x')],
    ['URLs with odd passwords', (log) => log.info({ url: `amqp://me:"@\\${secret}@host/x` }, 'x')],
    ['query parameters', (log) => log.info({ url: `https://h/x?a=1&X-Amz-Signature=${secret}&access_token=${secret}` }, 'x')],
    ['messages', (log) => log.info(`connecting to redis://:${secret}@host`)],
    ['errors', (log) => log.error({ err: new Error(`cannot reach s3://me:${secret}@host`) }, 'x')],
    ['causes', (log) => log.error({ err: new Error('x', { cause: new Error(`s3://me:${secret}@host`) }) }, 'x')],
    ['members of errors', (log) => log.error({ err: Object.assign(new Error('x'), { config: { auth: secret }, request: secret }) }, 'x')],
    ['details', (log) => log.error({ err: new BlockhubError('INTERNAL', 'x', { details: { password: secret } }) }, 'x')],
    ['errors alone', (log) => log.error(Object.assign(new Error('x'), { request: secret }) as never, 'x')],
    ['maps', (log) => log.info({ headers: new Map([['authorization', secret]]) }, 'x')],
    ['bytes', (log) => log.info({ body: Buffer.from(secret) }, 'x')],
  ])('in %s are hidden', (_, write) => {
    const { log, lines } = capture();
    write(log);
    expect(lines).toHaveLength(1);
    expect(() => JSON.parse(lines[0] ?? '')).not.toThrow();
    expect(lines[0]).not.toContain(secret);
  });

  test('nothing else is', () => {
    const { log, last } = capture();
    const fields = {
      mail: 'a@b.example',
      url: 'file:///data',
      tokens: 12,
      hasSecret: true,
      password: null,
      at: new Date(0),
      path: '//x/y?chain=1',
    };
    log.info(fields, 'x');
    expect(last()).toMatchObject({ ...fields, at: '1970-01-01T00:00:00.000Z' });
  });
});

test('errors keep what helps', () => {
  const { log, last } = capture();
  log.error(
    {
      err: new BlockhubError('STORE_FULL', 'no room', {
        details: { key: 'k' },
        cause: Object.assign(new Error('inner'), { code: 'ENOSPC' }),
      }),
    },
    'failed',
  );
  expect(last().err).toMatchObject({
    type: 'BlockhubError',
    code: 'STORE_FULL',
    message: 'no room',
    details: { key: 'k' },
    stack: expect.stringContaining('logger.test.ts'),
    cause: { code: 'ENOSPC', message: 'inner' },
  });
});

test('a line stays small and harmless', () => {
  const { log, lines, last } = capture();
  const cycle: Record<string, unknown> = { n: 10n ** 30n };
  cycle.self = cycle;
  log.info(
    {
      cycle,
      text: 'x'.repeat(1_000_000),
      list: Array(100_000).fill(1),
      members: Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`k${n}`, n])),
    },
    'x',
  );
  expect(lines[0]?.length).toBeLessThan(20_000);
  expect(last().cycle).toMatchObject({ n: `1${'0'.repeat(30)}` });
  const thrower = { toJSON: () => ({ token: 'HUNTER2', open: 1 }) };
  log.info({ thrower }, 'x');
  expect(last().thrower).toEqual({ token: '[hidden]', open: 1 });
});

test('a full disk behind standard output does not stop the process', () => {
  const entry = fileURLToPath(new URL('./index.ts', import.meta.url));
  const script = `import { createLogger } from ${JSON.stringify(entry)}; const log = createLogger({ name: 'x' }); for (let n = 0; n < 5; n++) log.info('x'); setTimeout(() => process.exit(7), 50);`;
  const ran = spawnSync('sh', ['-c', 'exec "$0" --input-type=module-typescript -e "$1" > /dev/full', process.execPath, script]);
  expect([ran.status, String(ran.stderr)]).toEqual([7, '']);
});
