import { once } from 'node:events';
import { createServer as createHttp } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { createServer as createTls } from 'node:tls';
import { certificate } from '@blockhub/test-servers';
import { afterEach, expect, test } from '@jest/globals';
import { dial } from './dial.ts';
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

/** Says this and ends. */
const saying = (text: string | Buffer): Promise<string> =>
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

/** A broker that gives these, one for each thing that it is sent. */
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
  ['another server', 'amqp:', () => saying('+OK hello, this is somebody else\r\n'), 'BROKER_UNAVAILABLE', /AMQP/, /5672/],
  ['one that hangs up', 'amqp:', () => saying(''), 'BROKER_UNAVAILABLE', /ended the connection/, /5672/],
  ['AMQP 1.0 only', 'amqp:', () => saying(Buffer.from('AMQP\u0000\u0001\u0000\u0000')), 'BROKER_UNAVAILABLE', /AMQP|ended/, /5672/],
  [
    'TLS where it is not spoken',
    'amqps:',
    () => saying('AMQP, and no TLS at all'),
    'BROKER_UNAVAILABLE',
    /does not speak TLS/,
    /write amqp:\/\//,
  ],
  ['a certificate that nobody signed', 'amqps:', () => at(createTls(certificate, () => {})), 'BROKER_UNAVAILABLE', /self-signed/, /\?ca=/],
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
])('%s is told with what to do', async (_, scheme, open, code, what, fix) => {
  const target = parseAmqpUrl(new URL(`${scheme}//user:HUNTER2@${await open()}/v`));
  const error = await dial(target, target.addresses[0] as (typeof target.addresses)[number], 'test').catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code, message: expect.stringMatching(what), fix: expect.stringMatching(fix) });
  expect(`${error} ${(error as { fix: string }).fix}`).not.toMatch(/HUNTER2|Wait;/);
});
