import { connect } from 'node:net';
import { expect, test } from '@jest/globals';
import { type CaptureServer, raw, startCapture } from '../capture-server.fixture.ts';

const TOKEN = 'a-token-of-the-shop';
const head = (line: string, more = '', length: string | null = '5'): string =>
  `${line} HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n${length === null ? '' : `content-length: ${length}\r\n`}${more}\r\n`;

/** Sends the head, the body once it is asked for, and gives all that came back. */
function converse(server: CaptureServer, text: string, body = 'hello'): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, '127.0.0.1', () => socket.write(text));
    let answer = '';
    let sent = false;
    socket.on('data', (chunk) => {
      answer += chunk;
      if (sent || !answer.includes('100 Continue')) return;
      sent = true;
      socket.write(body);
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });
}

const refused: [name: string, settings: Record<string, unknown>, text: string, status: number][] = [
  ['no token', { tokens: [TOKEN] }, head('POST /'), 401],
  ['a wrong token', { tokens: [TOKEN] }, head('POST /', 'x-token: wrong\r\n'), 401],
  ['an address that is blocked', { blockIps: ['127.0.0.0/8'] }, head('POST /'), 403],
  ['a type that is not taken', { blockMimes: ['text/html'] }, head('POST /', 'content-type: text/html\r\n'), 415],
  ['a digest that is malformed', {}, head('POST /', 'x-hash: 1\r\n'), 400],
  ['a length over the limit', { bodyLimit: 4 }, head('POST /'), 413],
  ['an endless length', {}, head('POST /', '', '99999999999'), 413],
  ['a path that is not served', {}, head('POST /nothing'), 404],
  ['a chain that does not exist', {}, head('POST /append/chain/missing'), 404],
  ['a chain that does not exist, in chunks', {}, head('POST /append/chain/missing', 'transfer-encoding: chunked\r\n', null), 404],
  ['a method that is not taken', {}, head('PUT /'), 405],
  ['no host', {}, 'POST / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n', 400],
  ['a dry run where none is taken', {}, head('POST /', 'x-dry-run: true\r\n'), 400],
  ['a chunked body without a token', { tokens: [TOKEN] }, head('POST /', 'transfer-encoding: chunked\r\n', null), 401],
  ['no token, beside an upgrade', { tokens: [TOKEN] }, head('POST /', 'connection: upgrade\r\nupgrade: h2c\r\n'), 401],
];

test.each(refused)('%s: the answer comes without 100 Continue, and ends the connection', async (_name, settings, text, status) => {
  await using server = await startCapture(settings);
  const answer = await converse(server, text);
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect(answer).not.toContain('100 Continue');
  expect(answer).toMatch(/\r\nconnection: close\r\n/i);
  expect(await server.ingress()).toEqual([]);
});

test('a sender that does not wait for it gets the answer, and is not reset while it sends', async () => {
  await using server = await startCapture({ tokens: [TOKEN] });
  const body = 'x'.repeat(3_000_000);
  const answer = await new Promise<string>((resolve, reject) => {
    const socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true }, () =>
      socket.end(head('POST /', '', String(body.length)) + body),
    );
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('close', () => resolve(text));
    socket.on('error', reject);
  });
  expect(answer).toMatch(/^HTTP\/1.1 401 /);
});

test.each([
  ['a length', head('POST /', 'connection: close\r\n'), 'hello'],
  ['chunks', head('POST /', 'transfer-encoding: chunked\r\nconnection: close\r\n', null), '5\r\nhello\r\n0\r\n\r\n'],
  ['other letters', head('POST /', 'connection: close\r\n').replace('100-continue', '100-Continue'), 'hello'],
])('with %s that is taken, 100 Continue comes once, and then the answer', async (_name, text, body) => {
  await using server = await startCapture();
  const answer = await converse(server, text, body);
  expect(answer.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 100', 'HTTP/1.1 201']);
  expect((await server.ingress())[0]?.body.toString()).toBe('hello');
});

test('without a body there is nothing to wait for', async () => {
  await using server = await startCapture();
  const answer = await raw(server.port, head('POST /', 'connection: close\r\n', '0'), true);
  expect(answer.match(/HTTP\/1.1 \d+/g)?.at(-1)).toBe('HTTP/1.1 201');
});

test('HTTP/1.0 knows no 100 Continue', async () => {
  await using server = await startCapture();
  const answer = await raw(server.port, 'POST / HTTP/1.0\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\nhello', true);
  expect(answer.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 201']);
});

test('a request in line behind another one gets its 100 Continue behind the answer of that one', async () => {
  await using server = await startCapture();
  const first = 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\n1';
  const answer = await converse(server, first + head('POST /', 'connection: close\r\n'));
  expect(answer.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 201', 'HTTP/1.1 100', 'HTTP/1.1 201']);
});
