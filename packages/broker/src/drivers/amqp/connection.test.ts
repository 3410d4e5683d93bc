import { once } from 'node:events';
import { createServer as createHttp } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { Writable } from 'node:stream';
import { createServer as createTls } from 'node:tls';
import { VirtualClock } from '@blockhub/clock';
import { certificate } from '@blockhub/test-servers';
import { afterEach, expect, test } from '@jest/globals';
import { batchWrites, Connection, connectOnce } from './connection.ts';
import { parseAmqpUrl } from './url.ts';

const releases: (() => unknown)[] = [];
afterEach(async () => {
  for (const release of releases.splice(0).reverse()) await release();
});

async function at(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  releases.push(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Sends this text and ends. */
const sending = (text: string | Buffer): Promise<string> =>
  at(createServer((socket) => socket.on('error', () => {}).once('data', () => socket.end(text))));

/** A frame of a method on channel 0. */
function frame(classId: number, methodId: number, fields: Buffer): Buffer {
  const head = Buffer.alloc(11);
  head[0] = 1;
  head.writeUInt32BE(4 + fields.length, 3);
  head.writeUInt16BE(classId, 7);
  head.writeUInt16BE(methodId, 9);
  return Buffer.concat([head, fields, Buffer.from([0xce])]);
}

const long = (text: string): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(Buffer.byteLength(text));
  return Buffer.concat([length, Buffer.from(text)]);
};
const short = (text: string): Buffer => Buffer.concat([Buffer.from([Buffer.byteLength(text)]), Buffer.from(text)]);

const start = frame(10, 10, Buffer.concat([Buffer.from([0, 9]), long(''), long('PLAIN'), long('en_US')]));
const tune = frame(10, 30, Buffer.from([0, 10, 0, 2, 0, 0, 0, 0]));
const close = (code: number, text: string): Buffer =>
  frame(10, 50, Buffer.concat([Buffer.from([code >> 8, code & 255]), short(text), Buffer.alloc(4)]));

/** A broker that sends these answers, one for each thing that it receives. */
const broker = (...answers: Buffer[]): Promise<string> =>
  at(
    createServer((socket) => {
      const left = [...answers];
      socket.on('error', () => {}).on('data', () => socket.write(left.shift() ?? ''));
    }),
  );

test.each<[string, string, () => Promise<string>, string, RegExp, RegExp]>([
  [
    'a name that does not exist',
    'amqp:',
    async () => 'nowhere.invalid:5672',
    'BROKER_UNAVAILABLE',
    /nowhere\.invalid does not exist/,
    /host in --broker.*DNS/,
  ],
  ['a port where nothing listens', 'amqp:', async () => '127.0.0.1:1', 'BROKER_UNAVAILABLE', /nothing listens/, /port in --broker/],
  ['an HTTP server', 'amqp:', () => at(createHttp((_, answer) => answer.end())), 'BROKER_UNAVAILABLE', /AMQP/, /5672.*15672/],
  ['another server', 'amqp:', () => sending('+OK hello, this is another server\r\n'), 'BROKER_UNAVAILABLE', /AMQP/, /5672/],
  ['a server that ends the connection', 'amqp:', () => sending(''), 'BROKER_UNAVAILABLE', /ended the connection/, /5672/],
  ['AMQP 1.0 only', 'amqp:', () => sending(Buffer.from('AMQP\u0000\u0001\u0000\u0000')), 'BROKER_UNAVAILABLE', /AMQP|ended/, /5672/],
  [
    'TLS to a server without TLS',
    'amqps:',
    () => sending('AMQP, and no TLS at all'),
    'BROKER_UNAVAILABLE',
    /does not speak TLS/,
    /write amqp:\/\//,
  ],
  ['a self-signed certificate', 'amqps:', () => at(createTls(certificate, () => {})), 'BROKER_UNAVAILABLE', /self-signed/, /\?ca=/],
  [
    'a wrong password',
    'amqp:',
    () => broker(start, close(403, 'ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN.')),
    'BROKER_DENIED',
    /user or password/,
    /--broker-user.*guest/,
  ],
  [
    'a virtual host that is not there',
    'amqp:',
    () => broker(start, tune, close(530, 'NOT_ALLOWED - vhost v not found')),
    'BROKER_UNAVAILABLE',
    /virtual host "v"/,
    /add_vhost/,
  ],
])('%s: the error has a fix', async (_, scheme, open, code, what, fix) => {
  const target = parseAmqpUrl(new URL(`${scheme}//user:HUNTER2@${await open()}/v`));
  const error = await connectOnce(target, target.addresses[0] as (typeof target.addresses)[number], 'test').catch(
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ code, message: expect.stringMatching(what), fix: expect.stringMatching(fix) });
  expect(`${error} ${(error as { fix: string }).fix}`).not.toMatch(/HUNTER2|Wait;/);
});

test('an outage is logged at once and then once a minute, however often the broker is tried', async () => {
  // A port that was just freed: every connection is refused.
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  const clock = new VirtualClock();
  const lines: { failures: number }[] = [];
  const note = (facts: object): void => void lines.push(facts as { failures: number });
  const connection = new Connection({
    target: parseAmqpUrl(new URL(`amqp://127.0.0.1:${port}`)),
    name: 'test',
    clock,
    log: { info: note, warn: note, error: note },
    onOpen: async () => {},
    onChange: () => {},
    onBlocked: () => {},
  });
  await connection.open();
  expect(lines.map(({ failures }) => failures)).toEqual([1]);
  while (lines.length < 2) {
    await clock.advance(1_000);
    await new Promise(setImmediate);
  }
  expect(clock.ticks()).toBeGreaterThanOrEqual(60_000);
  expect(lines[1]?.failures).toBeGreaterThan(3);
  await connection.close();
});

test('a connection that is closed while it tries its first address tries no other one', async () => {
  let attempts = 0;
  const closing: { done?: Promise<void> } = {};
  const refusing = createServer((socket) => {
    attempts++;
    closing.done ??= connection.close();
    socket.on('error', () => {}).destroy();
  });
  const address = await at(refusing);
  const connection = new Connection({
    target: parseAmqpUrl(new URL(`amqp://${address}?host=${address}&host=${address}`)),
    name: 'test',
    clock: new VirtualClock(),
    log: undefined,
    onOpen: async () => {},
    onChange: () => {},
    onBlocked: () => {},
  });
  await expect(connection.open()).rejects.toMatchObject({ code: 'BROKER_CLOSED' });
  await closing.done;
  expect(attempts).toBe(1);
});

/** `calls` has the text of each system call that a socket would make. */
function socket(): { stream: Writable; calls: string[] } {
  const calls: string[] = [];
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      calls.push(String(chunk));
      done();
    },
    writev: (chunks, done) => {
      calls.push(chunks.map(({ chunk }) => String(chunk)).join(''));
      done();
    },
  });
  batchWrites(stream);
  return { stream, calls };
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('what is written in one turn is sent together, in order, before the next turn', async () => {
  const { stream, calls } = socket();
  for (const text of ['a', 'b', 'c']) stream.write(text);
  expect(calls).toEqual([]);
  await nextTurn();
  expect(calls).toEqual(['abc']);
  stream.write('d');
  await nextTurn();
  expect(calls).toEqual(['abc', 'd']);
});

test('nothing is left behind when the stream ends in the same turn', async () => {
  const { stream, calls } = socket();
  stream.write('a');
  stream.end('b');
  await nextTurn();
  expect(calls.join('')).toBe('ab');
  expect(stream.writableFinished).toBe(true);
});

test('write returns false when the buffer is full, and drain follows', async () => {
  const { stream, calls } = socket();
  const large = 'x'.repeat(stream.writableHighWaterMark);
  const drained = new Promise<void>((resolve) => stream.once('drain', resolve));
  expect(stream.write(large)).toBe(false);
  await drained;
  expect(calls).toEqual([large]);
});
