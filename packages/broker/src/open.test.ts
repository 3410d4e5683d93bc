import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VirtualClock } from '@blockhub/clock';
import { describe, expect, test } from '@jest/globals';
import { readLogin } from './drivers/amqp/connection.ts';
import { parseAmqpUrl } from './drivers/amqp/url.ts';
import { MemoryBroker } from './drivers/memory/server.ts';
import { openBroker } from './open.ts';

describe('openBroker', () => {
  test.each([
    ['no url', 'url'],
    ['', 'url'],
    ['redis://host', 'scheme'],
    ['memory:/x', 'path'],
    ['memory:?size=1', 'size'],
    ['sqlite:', 'path'],
    ['sqlite:relative.sqlite', 'path'],
    ['sqlite:///x.sqlite?journal=off', 'journal'],
    ['amqp:rabbitmq', 'host'],
  ])('%p: BROKER_URL_INVALID names %s', async (url, field) => {
    await expect(openBroker(url)).rejects.toMatchObject({ code: 'BROKER_URL_INVALID', details: { field } });
  });

  test('a password that is given wins over a file that the URL names', async () => {
    const url = 'amqp://127.0.0.1:1?passwordFile=/no/such/file';
    await expect(openBroker(url)).rejects.toMatchObject({ code: 'BROKER_URL_INVALID', details: { field: 'passwordFile' } });
    const broker = await openBroker(url, { user: 'me', password: 'hunter2' });
    expect(broker.state).toBe('disconnected');
    await broker.close();
  });

  test.each<[string, string | Buffer, RegExp]>([
    ['nothing', '', /is empty/],
    ['a line break', '\r\n', /is empty/],
    ['a NUL', 'HUNTER2\0', /a NUL \(0x00\) at byte 7/],
    ['two lines', 'HUNTER2\nHUNTER3', /a line break \(0x0a\) at byte 7/],
    ['UTF-16', Buffer.from('HUNTER2', 'utf16le'), /UTF-16/],
    ['no UTF-8', Buffer.from('pä', 'latin1'), /byte 1 is 0xe4/],
    ['more than a secret', Buffer.alloc(2 ** 21, 'x'), /more than 1048576 bytes/],
  ])('a passwordFile with %s is refused, its path and byte named', async (_, bytes, why) => {
    const folder = await mkdtemp(join(tmpdir(), 'blockhub broker-'));
    const file = join(folder, 'password');
    await writeFile(file, bytes);
    const error = await openBroker(`amqp://me@127.0.0.1:1?passwordFile=${encodeURIComponent(file)}`).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'BROKER_URL_INVALID', details: { field: 'passwordFile' }, message: expect.stringMatching(why) });
    expect(String(error)).toContain(file);
    expect(String(error)).not.toContain('HUNTER');
    await rm(folder, { recursive: true });
  });

  test.each(['HUNTER2', 'HUNTER2\n', '\ufeffHUNTER2\r\n', '\n HUNTER2 \n\n'])(
    'a passwordFile with %j is read without what is around',
    async (text) => {
      const folder = await mkdtemp(join(tmpdir(), 'blockhub broker-'));
      const passwordFile = join(folder, 'password');
      await writeFile(passwordFile, text);
      const target = parseAmqpUrl(new URL(`amqp://me@127.0.0.1:1?passwordFile=${encodeURIComponent(passwordFile)}`));
      expect(await readLogin(target)).toEqual({ user: 'me', password: 'HUNTER2' });
      await rm(folder, { recursive: true });
    },
  );

  test.each([
    ['amqp://user:HUN?TER@host', 'password', '%3F'],
    ['amqp://user:HUN/TER@host', 'password', '%2F'],
    ['amqp://user:12#TER@host', 'password', '%23'],
    ['amqp://user:HUN@TER@host', 'password', '%40'],
    ['amqp://user:HUN%TER@host', 'password', '%25'],
    ['amqp://us/er:HUN@host', 'user', '%2F'],
    ['amqp://host/v@host', 'path', '%40'],
  ])('%s: the error names the %s, and says to write %s', async (url, field, instead) => {
    const error = await openBroker(url).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'BROKER_URL_INVALID', details: { field }, message: expect.stringContaining(instead) });
    if (field === 'password') expect(String(error)).toContain('BLOCKHUB_BROKER_PASSWORD');
    expect(String(error)).not.toMatch(/HUN|TER/);
  });

  test('opens both drivers, and others that are given', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'blockhub broker-'));
    const server = new MemoryBroker({ clock: new VirtualClock() });
    const drivers = { run: async () => server.connect() };
    for (const url of ['memory:', `sqlite://${encodeURI(folder)}/a.sqlite`, 'run:']) {
      const broker = await openBroker(url, { drivers });
      await broker.declare([{ name: 'a', kind: 'durable' }]);
      await broker.publish([{ queue: 'a', id: '1', meta: {}, body: Buffer.alloc(1) }]);
      expect(await broker.queues()).toMatchObject([{ name: 'a', ready: 1 }]);
      await broker.close();
    }
    expect(server.info()).toMatchObject([{ ready: 1 }]);
    await rm(folder, { recursive: true });
  });
});
