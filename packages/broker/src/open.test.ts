import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VirtualClock } from '@blockhub/clock';
import { describe, expect, test } from '@jest/globals';
import { MemoryBroker } from './drivers/memory/server.ts';
import { openBroker } from './open.ts';

describe('openBroker', () => {
  test.each([
    ['no url', 'url'],
    ['', 'url'],
    ['redis://host', 'scheme'],
    ['constructor:', 'scheme'],
    ['memory:/x', 'path'],
    ['memory:?size=1', 'size'],
    ['sqlite:', 'path'],
    ['sqlite:///', 'path'],
    ['sqlite:relative.sqlite', 'path'],
    ['sqlite://folder/file.sqlite', 'path'],
    ['sqlite:///folder/', 'path'],
    ['sqlite:///x%.sqlite', 'path'],
    ['sqlite:///x.sqlite?journal=off', 'journal'],
    ['sqlite:///x.sqlite#part', 'path'],
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
