import { expect, test } from '@jest/globals';
import { raw, startCapture } from '../capture-server.fixture.ts';

const plain = (body: string, more = ''): string =>
  `POST /append/chain/default HTTP/1.1\r\nhost: a\r\n${more}content-length: ${body.length}\r\n\r\n${body}`;
const last = plain('last', 'connection: close\r\n');
const statuses = (answer: string): string[] => answer.match(/(?<=HTTP\/1.1 )\d+/g) ?? [];

const upgrades: [name: string, headers: string, sent: readonly string[]][] = [
  [
    'h2c',
    'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n',
    ['Upgrade, HTTP2-Settings'],
  ],
  ['a WebSocket', 'Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n', ['keep-alive, Upgrade']],
  ['TLS', 'Connection: upgrade\r\nUpgrade: TLS/1.2\r\n', ['upgrade']],
  ['several protocols', 'Connection: UPGRADE,TE\r\nUpgrade: a/1, b\r\nUpgrade: c\r\n', ['UPGRADE,TE']],
  ['two Connection headers', 'Connection: TE\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n', ['TE', 'Upgrade']],
  ['an upgrade named twice', 'Connection: upgrade, upgrade\r\nUpgrade: h2c\r\n', ['upgrade, upgrade']],
  ['an upgrade by Proxy-Connection', 'Proxy-Connection: upgrade\r\nUpgrade: h2c\r\n', []],
  ['an upgrade header that no option names', 'Upgrade: h2c\r\n', []],
];

test.each(upgrades)(
  'a request that asks for %s is served as it is, and so is the one behind it in the same packet',
  async (_name, headers, sent) => {
    await using server = await startCapture();
    const answer = await raw(server.port, plain('first') + plain('upgrade', headers) + plain('behind') + last, true);
    expect(statuses(answer)).toEqual(['201', '201', '201', '201']);
    const messages = await server.ingress();
    expect(messages.filter(({ meta }) => meta.about === undefined).map(({ body }) => body.toString())).toEqual([
      'first',
      'upgrade',
      'behind',
      'last',
    ]);
    // The document has the headers as they were sent.
    const document = JSON.parse(messages[3]?.body.toString() ?? '') as { headers: [string, string][] };
    const names = headers
      .split('\r\n')
      .filter((line) => line !== '')
      .map((line) => line.split(':', 1)[0]);
    expect(document.headers.map(([name]) => name)).toEqual(['host', ...names, 'content-length']);
    expect(document.headers.filter(([name]) => name === 'Connection').map(([, value]) => value)).toEqual(sent);
  },
);

test('a body in chunks, and one that comes later, are read behind an upgrade', async () => {
  await using server = await startCapture();
  const h2c = 'connection: upgrade\r\nupgrade: h2c\r\n';
  const chunked = `POST /append/chain/plain HTTP/1.1\r\nhost: a\r\n${h2c}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`;
  expect(statuses(await raw(server.port, chunked + last, true))).toEqual(['201', '201']);
  const { connect } = await import('node:net');
  const socket = connect(server.port, '127.0.0.1', () => socket.write(plain('12345', h2c).slice(0, -3)));
  let answer = '';
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.on('data', (chunk) => {
    answer += chunk;
  });
  while (!(await server.metrics()).includes('blockhub_capture_held_bytes 2')) await new Promise(setImmediate);
  socket.write(`345${last}`);
  await closed;
  expect(statuses(answer)).toEqual(['201', '201']);
});

test('many upgrades on one connection leave no listeners behind', async () => {
  const warnings: unknown[] = [];
  const warned = (warning: unknown): number => warnings.push(warning);
  process.on('warning', warned);
  await using server = await startCapture();
  const one = plain('x', 'connection: upgrade\r\nupgrade: h2c\r\n');
  const answer = await raw(server.port, one.repeat(30) + last, true);
  expect(statuses(answer)).toEqual(Array(31).fill('201'));
  process.off('warning', warned);
  expect(warnings).toEqual([]);
});

test.each([
  ['GET', 405],
  ['HEAD', 200],
  ['OPTIONS', 204],
])('%s with an upgrade is %d', async (method, status) => {
  await using server = await startCapture();
  const answer = await raw(
    server.port,
    `${method} /append/chain/default HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n${last}`,
    true,
  );
  expect(statuses(answer)).toEqual([String(status), '201']);
});

test('more headers than are kept are refused, so that no body is taken for a request', async () => {
  await using server = await startCapture();
  const answer = await raw(server.port, plain(last, `connection: upgrade\r\nupgrade: h2c\r\n${'x: y\r\n'.repeat(150)}`), true);
  expect(statuses(answer)).toEqual(['400']);
  expect(await server.ingress()).toEqual([]);
});

test('CONNECT is 405 behind the answers before it', async () => {
  await using server = await startCapture();
  const answer = await raw(server.port, `${plain('x')}CONNECT a:443 HTTP/1.1\r\nhost: a\r\n\r\n`, true);
  expect(statuses(answer)).toEqual(['201', '405']);
  expect(answer).toMatch(/\r\nallow: POST, HEAD, OPTIONS\r\n[\s\S]*METHOD_NOT_ALLOWED/);
});
