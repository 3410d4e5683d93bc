import { VirtualClock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import { Redactor } from '@blockhub/redact';
import { createLogger, createMetrics } from '@blockhub/telemetry';
import { expect, test } from '@jest/globals';
import { raw, startCapture } from '../capture-server.fixture.ts';
import type { Exchange } from './exchange.ts';
import { Refusals } from './refusals.ts';

const TOKEN = 'a-token-of-the-shop';

function logTo(lines: Record<string, unknown>[]) {
  return createLogger({ name: 'web-to-msg', level: 'info', stream: { write: (line) => lines.push(JSON.parse(line)) } });
}
const request = (line: string, headers = '', body = ''): string =>
  `${line} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n${headers}content-length: ${body.length}\r\n\r\n${body}`;

const secret = 'Zeile-mit-Geheimnis';
const cases: [name: string, settings: Record<string, unknown>, text: string, line: Record<string, unknown>][] = [
  ['an unknown path', {}, request(`POST /nothing?token=${secret}`), { code: 'ROUTE_NOT_FOUND', rule: 'route', path: '/nothing' }],
  ['an absolute URL with a password', {}, request(`POST http://u:${secret}@h/nothing`), { code: 'ROUTE_NOT_FOUND', path: '/nothing' }],
  [
    'an absolute URL with a slash in the password',
    {},
    request(`POST http://u:a/${secret}@h/nothing`),
    { code: 'ROUTE_NOT_FOUND', path: '/nothing' },
  ],
  [
    'a shared token in the path',
    { tokens: [secret] },
    request(`POST /nothing/${secret}`),
    { code: 'ROUTE_NOT_FOUND', path: '/nothing/[redacted]' },
  ],
  [
    'a shared token as a chain',
    { tokens: [secret] },
    request(`POST /append/chain/${secret}`, `x-token: ${secret}\r\n`),
    { code: 'CHAIN_NOT_FOUND', chain: '[redacted]', reason: 'There is no chain "[redacted]".' },
  ],
  [
    'a shared token as a digest',
    { tokens: [secret] },
    request('POST /', `x-token: ${secret}\r\ncontent-md5: ${secret}\r\n`),
    { code: 'REQUEST_INVALID', reason: expect.stringContaining('"[redacted]"') },
  ],
  [
    'a token that is cut',
    {},
    request(`POST /${'a'.repeat(185)}/ghp_${secret.replaceAll('-', '')}`),
    { code: 'ROUTE_NOT_FOUND', path: `/${'a'.repeat(185)}/[redacted]` },
  ],
  [
    'an unknown chain',
    {},
    request('POST /append/chain/missing'),
    { code: 'CHAIN_NOT_FOUND', rule: 'chain', chain: 'missing', route: '/append/chain/:chain' },
  ],
  ['a chain of control characters', {}, request('POST /append/chain/%1b%5b31m%0a%e2%80%ae'), { code: 'CHAIN_NOT_FOUND', chain: '?[31m??' }],
  ['a method', {}, request('PUT /'), { code: 'METHOD_NOT_ALLOWED', rule: 'route', method: 'PUT', route: '/', status: 405 }],
  ['no token', { tokens: [TOKEN] }, request('POST /'), { code: 'ACCESS_REQUIRED', rule: 'access', chain: 'default', status: 401 }],
  [
    'a wrong token',
    { tokens: [TOKEN] },
    request('POST /', `x-token: ${secret}\r\n`),
    { code: 'ACCESS_DENIED', rule: 'access', reason: 'The token is unknown.' },
  ],
  [
    'a wrong Bearer',
    { apiKeys: true },
    request('POST /', `authorization: Bearer bh_${secret}\r\n`),
    { code: 'ACCESS_DENIED', rule: 'access' },
  ],
  [
    'a wrong token in the URL',
    { tokens: [TOKEN], tokenParameter: 'key' },
    request(`POST /?key=${secret}`),
    { code: 'ACCESS_DENIED', rule: 'access' },
  ],
  [
    'an address',
    { blockIps: ['127.0.0.1'] },
    request('POST /'),
    { code: 'ADDRESS_FORBIDDEN', rule: 'address', client: '127.0.0.1', status: 403 },
  ],
  [
    'an address behind a proxy',
    { blockIps: ['203.0.113.7'], trustedProxies: ['127.0.0.1'] },
    request('POST /', 'x-forwarded-for: 203.0.113.7\r\n'),
    { code: 'ADDRESS_FORBIDDEN', client: '203.0.113.7', via: '127.0.0.1' },
  ],
  [
    'a type',
    { blockMimes: ['text/html'] },
    request('POST /', 'content-type: text/html; charset=utf-8\r\n'),
    { code: 'OBJECT_INVALID_MIME', rule: 'mime', mime: 'text/html', status: 415 },
  ],
  [
    'a digest',
    {},
    request('POST /', 'x-hash: d41d8cd98f00b204e9800998ecf8427f\r\n', 'x'),
    { code: 'DIGEST_MISMATCH', rule: 'digest', 'x-hash': 'd41d8cd98f00b204e9800998ecf8427f' },
  ],
  [
    'a body',
    { bodyLimit: 10 },
    request('POST /', '', 'x'.repeat(11)),
    { code: 'BODY_TOO_LARGE', rule: 'request', contentLength: '11', status: 413 },
  ],
  [
    'no host',
    {},
    'POST / HTTP/1.1\r\nconnection: close\r\n\r\n',
    { code: 'REQUEST_INVALID', rule: 'request', reason: 'The Host header is missing.' },
  ],
  ['no HTTP', {}, `NO HTTP ${secret}\r\n\r\n`, { code: 'REQUEST_INVALID', rule: 'request', client: '127.0.0.1', status: 400 }],
  ['no target', {}, 'POST  HTTP/1.1\r\nhost: a\r\n\r\n', { code: 'REQUEST_INVALID', reason: expect.stringContaining('must begin with /') }],
  [
    'a relative target',
    {},
    'POST append/x HTTP/1.1\r\nhost: a\r\n\r\n',
    { code: 'REQUEST_INVALID', reason: expect.stringContaining('must begin with /') },
  ],
  [
    'a target that is an authority',
    {},
    `POST u:${secret}@h:443 HTTP/1.1\r\n\r\n`,
    { code: 'REQUEST_INVALID', reason: expect.stringContaining('must begin with /') },
  ],
  [
    'a raw byte in the target',
    {},
    'POST /caf\xe9 HTTP/1.1\r\nhost: a\r\n\r\n',
    { code: 'REQUEST_INVALID', reason: expect.stringContaining('percent-encoded') },
  ],
  ['TLS', {}, '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', { code: 'REQUEST_INVALID', reason: expect.stringContaining('plain HTTP') }],
  ['CONNECT', {}, 'CONNECT a:443 HTTP/1.1\r\nhost: a\r\n\r\n', { code: 'METHOD_NOT_ALLOWED', rule: 'route' }],
];

test.each(cases)('%s that is refused leaves a count and a line', async (_name, settings, text, line) => {
  const lines: Record<string, unknown>[] = [];
  await using server = await startCapture(settings, undefined, logTo(lines));
  const answer = await raw(server.port, Buffer.from(text, 'latin1'), true);
  expect(answer).toMatch(/^HTTP\/1.1 4/);
  const told = lines.filter(({ msg }) => msg === 'request refused');
  expect(told).toMatchObject([{ level: 'info', client: '127.0.0.1', leftOut: 0, ...line }]);
  expect(JSON.stringify(lines)).not.toContain(secret);
  expect(await server.metrics()).toMatch(new RegExp(`blockhub_capture_refused_total\\{rule="[a-z-]+",code="${String(line.code)}"\\} 1`));
});

test('one a second of each code is logged, with the number left out since; values are short', async () => {
  const clock = new VirtualClock();
  const lines: Record<string, unknown>[] = [];
  const metrics = createMetrics();
  const refusals = new Refusals(clock, logTo(lines), metrics, new Redactor());
  const exchange = {
    request: { method: 'POST', url: `/${'x'.repeat(10_000)}`, headers: {}, socket: { remoteAddress: '192.0.2.1' } },
    target: undefined,
    head: undefined,
  } as unknown as Exchange;
  const refuse = (code: 'ROUTE_NOT_FOUND' | 'THROTTLED'): void => refusals.refused(new BlockhubError(code, 'x'.repeat(10_000)), exchange);
  for (let count = 0; count < 10_000; count++) refuse('ROUTE_NOT_FOUND');
  refuse('THROTTLED');
  await clock.advance(999);
  refuse('ROUTE_NOT_FOUND');
  await clock.advance(1);
  refuse('ROUTE_NOT_FOUND');
  expect(lines.map(({ code, leftOut }) => [code, leftOut])).toEqual([
    ['ROUTE_NOT_FOUND', 0],
    ['THROTTLED', 0],
    ['ROUTE_NOT_FOUND', 10_000],
  ]);
  expect(JSON.stringify(lines[0]).length).toBeLessThan(800);
  expect(await metrics.text()).toContain('blockhub_capture_refused_total{rule="route",code="ROUTE_NOT_FOUND"} 10002');
});
