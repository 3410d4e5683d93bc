import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { freePort, type Standalone, startStandalone, until } from './standalone.ts';

let data: string;
let mesh: Standalone;
let port: number;

beforeEach(async () => {
  data = mkdtempSync(join(tmpdir(), 'blockhub-stop-'));
  port = await freePort();
});
afterEach(async () => {
  mesh.process.kill('SIGCONT');
  mesh.process.kill('SIGKILL');
  await mesh.ended;
  rmSync(data, { recursive: true, force: true });
});

async function start(grace: string): Promise<void> {
  mesh = await startStandalone(data, { port, probePort: await freePort() }, ['--grace', grace]);
}

const post = (body: string): string => `POST /append/chain/default HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

/** A connection, everything that was received on it, and how it ended. */
interface Sender {
  readonly socket: Socket;
  readonly answer: () => string;
  readonly ended: Promise<'closed' | string>;
}

async function send(text: string): Promise<Sender> {
  const socket = connect(port, '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk;
  });
  const ended = new Promise<string>((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'));
    socket.on('close', () => resolve('closed'));
  });
  await once(socket, 'connect');
  if (text !== '') await new Promise((resolve) => socket.write(text, resolve));
  return { socket, answer: () => answer, ended };
}
const statuses = (answer: string): string[] => answer.match(/(?<=HTTP\/1.1 )\d+/g) ?? [];
/** For each answer, whether it closes the connection. */
const closes = (answer: string): boolean[] => answer.split(/(?=HTTP\/1.1 )/).map((one) => /\r\nconnection: close\r\n/i.test(one));

test('what stands in the accept queue at SIGTERM is answered, and no connection is reset', async () => {
  await start('1m');
  const idle = await send(post('idle'));
  await until(() => statuses(idle.answer()).length === 1, 5);
  // While the process is stopped, the kernel accepts connections for it.
  mesh.process.kill('SIGSTOP');
  const single = await Promise.all(Array.from({ length: 40 }, (_, n) => send(post(`one ${n}`))));
  const pipelined = await Promise.all(
    Array.from({ length: 10 }, (_, n) => send(post(`two ${n}`) + post(`three ${n}`) + post(`four ${n}`))),
  );
  idle.socket.write(post('again'));
  mesh.process.kill('SIGTERM');
  mesh.process.kill('SIGCONT');
  expect(await Promise.all([...single, ...pipelined, idle].map(({ ended }) => ended))).toEqual(Array(51).fill('closed'));
  for (const { answer } of single) expect([statuses(answer()), closes(answer())]).toEqual([['201'], [true]]);
  for (const { answer } of pipelined)
    expect([statuses(answer()), closes(answer())]).toEqual([
      ['201', '201', '201'],
      [false, false, true],
    ]);
  expect([statuses(idle.answer()), closes(idle.answer())]).toEqual([
    ['201', '201'],
    [false, true],
  ]);
  expect(await mesh.ended).toBe(0);
});

test('an incomplete request gets 503 with Retry-After before the grace ends, and an idle connection is closed', async () => {
  await start('3s');
  const body = post('12345').slice(0, -2);
  const chunks = 'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\n123';
  const head = 'POST /append/chain/default HTTP/1.1\r\nhost: a\r\ncontent-le';
  const half = await Promise.all([body, chunks, head, 'P', 'POST / HTTP/1.1\r\nhost: a\r\n'].map(send));
  const behind = await Promise.all([body, chunks, head].map((text) => send(post('whole') + text)));
  const idle = await send(post('idle'));
  const fresh = await send('');
  await until(() => [...behind, idle].every(({ answer }) => statuses(answer()).length === 1), 5);
  mesh.process.kill('SIGTERM');
  await until(async () => (await fetch(`${mesh.probes}/readyz`)).status === 503, 5);
  expect(await Promise.all([...half, ...behind, idle, fresh].map(({ ended }) => ended))).toEqual(Array(10).fill('closed'));
  for (const { answer } of half) {
    expect(statuses(answer())).toEqual(['503']);
    expect(answer()).toMatch(/\r\nretry-after: 2\r\n[\s\S]*"code":"CAPTURE_STOPPING"/i);
  }
  for (const { answer } of behind) expect(statuses(answer())).toEqual(['201', '503']);
  expect([statuses(idle.answer()), fresh.answer()]).toEqual([['201'], '']);
  expect(await mesh.ended).toBe(0);
});

test('a body that arrives while the process stops is accepted', async () => {
  await start('1m');
  const slow = await send(post('12345').slice(0, -2));
  await until(async () => (await (await fetch(`${mesh.probes}/metrics`)).text()).match(/blockhub_capture_held_bytes\S* 3/) !== null, 5);
  mesh.process.kill('SIGTERM');
  await until(async () => (await fetch(`${mesh.probes}/readyz`)).status === 503, 5);
  slow.socket.write('45');
  expect(await slow.ended).toBe('closed');
  expect([statuses(slow.answer()), closes(slow.answer())]).toEqual([['201'], [true]]);
  expect(await mesh.ended).toBe(0);
});
