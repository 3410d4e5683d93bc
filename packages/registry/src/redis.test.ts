import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { certificate, openProxy, redis } from '@blockhub/test-servers';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { registryConformance } from './conformance.ts';
import { openRegistry, type RegistryOptions } from './open.ts';
import { keyOf } from './redis-scripts.ts';
import type { ChainRecord, Registry } from './registry.ts';

const server = await redis();
const prefixOf = (url: string): string => new URL(url).searchParams.get('prefix') ?? '';
const hash = (n: number): string => n.toString(16).padStart(64, '0');
const record = (n: number): ChainRecord => ({ id: hash(n), name: `chain-${n}`, crypt: 'sha256', settings: {}, time: n });

const releases: (() => unknown)[] = [];
afterEach(async () => {
  for (const release of releases.splice(0).reverse()) await release();
});

/** Tries until it holds. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds().catch(() => false))) await new Promise((resolve) => setTimeout(resolve, 10));
}

const unavailable = { code: 'REGISTRY_UNAVAILABLE', transient: true };

async function opened(url: string, options?: RegistryOptions): Promise<Registry> {
  const registry = await openRegistry(url, options);
  releases.push(() => registry.close());
  return registry;
}

/** Answers as a server whose scripts fail; counts its connections. */
async function failing(answer: string): Promise<{ readonly url: string; readonly connections: number }> {
  let connections = 0;
  const sockets = new Set<Socket>();
  const fake = createServer((socket) => {
    connections++;
    sockets.add(socket.on('error', () => socket.destroy()));
    socket.on('data', (bytes) => {
      for (const [, name = ''] of bytes.toString().matchAll(/\*\d+\r\n\$\d+\r\n(\w+)\r\n/g))
        socket.write(/^eval/i.test(name) ? `-${answer}\r\n` : /^info$/i.test(name) ? '$9\r\nloading:0\r\n' : '+OK\r\n');
    });
  }).listen(0, '127.0.0.1');
  await once(fake, 'listening');
  releases.push(() => {
    for (const socket of sockets) socket.destroy();
    fake.close();
  });
  const { port } = fake.address() as AddressInfo;
  return {
    url: `redis://127.0.0.1:${port}`,
    get connections() {
      return connections;
    },
  };
}

/** A log that keeps its lines and their fields. */
function listen() {
  const lines: string[] = [];
  const write = (facts: object, text: string): void => void lines.push(`${text} ${JSON.stringify(facts)}`);
  return { lines, info: write, warn: write };
}

test('a server that became a replica is left for the one that its name leads to now', async () => {
  const server = await failing("READONLY You can't write against a read only replica. script: x, on @user_script:1.");
  const registry = await opened(server.url);
  await expect(registry.putChain(record(1))).rejects.toMatchObject({ code: 'REGISTRY_READ_ONLY', transient: true });
  await until(async () => server.connections === 2);
});

test('an operator reads once what is wrong, and when it is over; nothing of a password', async () => {
  const unreachable = listen();
  const registry = await opened('redis://127.0.0.1:1', { log: unreachable, password: 'hunter2' });
  for (let n = 0; n < 5; n++) await expect(registry.findChain('a')).rejects.toMatchObject(unavailable);
  expect(unreachable.lines).toEqual([expect.stringMatching(/^registry cannot be used.*REGISTRY_UNAVAILABLE.*ECONNREFUSED/)]);

  const proxy = await openProxy(new URL((await failing('WRONGTYPE not ours')).url).host);
  releases.push(() => proxy.close());
  const strange = listen();
  const other = await opened(`redis://${proxy.address}`, { log: strange });
  for (let n = 0; n < 5; n++) await expect(other.findChain('a')).rejects.toMatchObject({ code: 'REGISTRY_CORRUPT' });
  proxy.cut();
  await until(async () => strange.lines.length === 3);
  expect(strange.lines).toEqual([
    expect.stringContaining('REGISTRY_CORRUPT'),
    expect.stringContaining('REGISTRY_UNAVAILABLE'),
    expect.stringContaining('registry answers again'),
  ]);
  expect([...unreachable.lines, ...strange.lines].join()).not.toContain('hunter');
});

test.each([
  ['HTTP/1.1 400 Bad Request\r\n\r\n', 'REGISTRY_UNUSABLE', /does not speak the protocol of Redis$/, /host and port/],
  ['AMQP\0\0\x09\x01', 'REGISTRY_UNUSABLE', /does not speak/, /host and port/],
  ['SSH-2.0-OpenSSH_9.6\r\n', 'REGISTRY_UNUSABLE', /does not speak/, /host and port/],
  [
    '-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user.\r\n',
    'REGISTRY_DENIED',
    /protected mode/,
    /protected-mode/,
  ],
])('a server that sends us away with %j is not one that does not answer', async (words, code, what, fix) => {
  const away = createServer((socket) => socket.on('error', () => undefined).end(words)).listen(0, '127.0.0.1');
  await once(away, 'listening');
  releases.push(() => void away.close());
  const { lines, ...log } = listen();
  const opening = openRegistry(`redis://127.0.0.1:${(away.address() as AddressInfo).port}`, { log });
  const expected = { code, message: expect.stringMatching(what), fix: expect.stringMatching(fix) };
  if (code === 'REGISTRY_DENIED') await expect(opening).rejects.toMatchObject(expected);
  else {
    const registry = await opening;
    releases.push(() => registry.close());
    await expect(registry.check()).rejects.toMatchObject(expected);
  }
  expect(lines.join()).not.toMatch(/enableOfflineQueue/);
});

test('a server that is not there: opens, reports it at once, and closes', async () => {
  const registry = await opened('redis://127.0.0.1:1');
  for (const ask of [
    () => registry.findChain('a'),
    () => registry.putChain(record(1)),
    () => registry.findHint('a'),
    () => registry.wipe(),
  ])
    await expect(ask()).rejects.toMatchObject(unavailable);
  await registry.putHint(hash(1), 1);
});

if ('absent' in server) test.skip(`a real Redis (left out: ${server.absent})`, () => undefined);
else {
  const run = `test-${Date.now()}-${process.pid}`;
  const address = (): string => new URL(server.url).host;
  const admin = async <T>(work: (client: Redis) => Promise<T>): Promise<T> => {
    const client = new Redis(server.url);
    client.on('error', () => undefined);
    try {
      return await work(client);
    } finally {
      client.disconnect();
    }
  };
  let places = 0;
  const fresh = (at = address()): string => `redis://${at}?prefix=${run}-${++places}`;

  afterAll(async () => {
    await admin(async (client) => {
      const keys = await client.keys(`{${run}*`);
      if (keys.length > 0) await client.del(...keys);
    });
    await server.close();
  });

  registryConformance('redis', { open: (name) => openRegistry(`${server.url}?prefix=${run}-${name}`) });

  test('claims that ended do not pile up', async () => {
    const url = fresh();
    const registry = await opened(url);
    for (let now = 1; now <= 100; now++) await registry.claim(`claim ${now}`, 'x', { now, until: now + 10 });
    const held = await admin((client) => client.hlen(keyOf(prefixOf(url), 'claims')));
    expect(held).toBe(10);
  });

  describe('what Redis loses', () => {
    test('by a FLUSHALL is unknown, for all who use it, and may be put again', async () => {
      const url = fresh();
      const [registry, other] = [await opened(url), await opened(url)];
      await registry.putChain(record(1));
      await other.putHint(hash(1), 7);
      expect(await other.findChain('chain-1')).toEqual(record(1));
      await admin((client) => client.flushall());
      expect([await registry.findChain('chain-1'), await registry.findChain(hash(1))]).toEqual([undefined, undefined]);
      expect(await Array.fromAsync(registry.chains())).toEqual([]);
      await registry.putChain(record(1));
      expect(await other.findChain('chain-1')).toEqual(record(1));
    });

    test('of claims is claimed anew, and nothing of it stays behind', async () => {
      const url = fresh();
      const registry = await opened(url);
      const prefix = prefixOf(url);
      const claim = (key: string, value: string) => registry.claim(key, value, { now: 1, until: 1000 });
      for (const lost of ['claims', 'ends'] as const) {
        for (const key of ['a', 'b']) await claim(key, 'one');
        await admin((client) => client.del(keyOf(prefix, lost)));
        expect(await claim('a', 'two')).toBe('two');
        expect(await admin((client) => client.hlen(keyOf(prefix, 'claims')))).toBe(1);
        await registry.wipe();
      }
    });

    test('in part leaves the rest usable', async () => {
      const url = fresh();
      const registry = await opened(url);
      for (const n of [1, 2]) await registry.putChain(record(n));
      const prefix = prefixOf(url);
      await admin((client) => client.hdel(keyOf(prefix, 'chains'), hash(1)));
      expect(await registry.findChain('chain-1')).toBeUndefined();
      expect(await Array.fromAsync(registry.chains())).toEqual([record(2)]);
      await admin((client) => client.del(keyOf(prefix, 'names')));
      expect([await registry.findChain('chain-2'), await registry.findChain(hash(2))]).toEqual([undefined, record(2)]);
    });
  });

  const { restart } = server;
  (restart ? test : test.skip)(`goes on behind a restart${restart ? '' : ' (left out: the server is not ours to restart)'}`, async () => {
    const proxy = await openProxy(address());
    releases.push(() => proxy.close());
    const registry = await opened(fresh(proxy.address));
    await registry.putChain(record(1));
    await restart?.call(server);
    proxy.target = address();
    await until(async () => (await registry.putChain(record(2))) === undefined);
    expect(await registry.findChain('chain-2')).toEqual(record(2));
  });

  describe('a connection', () => {
    const behindProxy = async (options?: Parameters<typeof openProxy>[1]) => {
      const proxy = await openProxy(address(), options);
      releases.push(() => proxy.close());
      return { proxy, url: fresh(proxy.address) };
    };

    test('that breaks is made again, and calls meanwhile fail at once', async () => {
      const { proxy, url } = await behindProxy();
      const registry = await opened(url);
      await registry.putChain(record(1));
      proxy.mode = 'refuse';
      proxy.cut();
      await until(() => fails(registry.findChain('chain-1')));
      await expect(registry.putChain(record(2))).rejects.toMatchObject(unavailable);
      await registry.putHint(hash(1), 5);
      proxy.mode = 'pass';
      await until(async () => (await registry.findChain('chain-1')) !== undefined);
      // What was put meanwhile arrives without being put again by its caller.
      const other = await opened(url);
      await until(async () => {
        await registry.putHint(hash(2), 1);
        return (await other.findHint(hash(1))) === 5;
      });
    });

    test('that says nothing is given up', async () => {
      const { proxy, url } = await behindProxy();
      const registry = await opened(url);
      await registry.putChain(record(1));
      proxy.mode = 'silent';
      await expect(registry.findChain('chain-1')).rejects.toMatchObject(unavailable);
      proxy.mode = 'pass';
      await until(async () => (await registry.findChain('chain-1')) !== undefined);
    });

    test('to a server that comes later is made then', async () => {
      const { proxy, url } = await behindProxy();
      proxy.mode = 'refuse';
      const registry = await opened(url);
      await expect(registry.findChain('a')).rejects.toMatchObject(unavailable);
      proxy.mode = 'pass';
      await until(async () => (await registry.putChain(record(1))) === undefined);
    });

    test('is TLS with rediss, and its certificate is checked', async () => {
      const { url } = await behindProxy({ tls: certificate });
      const folder = await mkdtemp(join(tmpdir(), 'blockhub-registry-'));
      releases.push(() => rm(folder, { recursive: true }));
      await writeFile(join(folder, 'ca.pem'), certificate.cert);
      const secure = url.replace('redis:', 'rediss:');
      const trusting = await opened(`${secure}&ca=${join(folder, 'ca.pem')}`);
      await trusting.putChain(record(1));
      expect(await trusting.findChain('chain-1')).toEqual(record(1));
      await expect((await opened(secure)).findChain('chain-1')).rejects.toMatchObject({
        code: 'REGISTRY_UNUSABLE',
        fix: expect.stringContaining('?ca='),
      });
    });
  });

  describe('access', () => {
    const user = `user-${run}`;
    const withUser = (): string => fresh().replace('redis://', `redis://${user}@`);

    beforeAll(() => admin((client) => client.acl('SETUSER', user, 'on', '>hunter2', `~{${run}*`, '+@all')));
    afterAll(() => admin((client) => client.acl('DELUSER', user)));

    test('with user and password', async () => {
      const registry = await opened(withUser(), { password: 'hunter2' });
      await registry.putChain(record(1));
      expect(await registry.findChain('chain-1')).toEqual(record(1));
    });

    test('with a wrong password is REGISTRY_DENIED, which does not tell it', async () => {
      const error = await opened(withUser(), { password: 'hunter3' }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'REGISTRY_DENIED', transient: true, status: 503 });
      const { cause } = error as Error;
      expect([error, cause].map((one) => JSON.stringify(one, Object.getOwnPropertyNames(one))).join()).not.toContain('hunter');
    });

    test('that is refused for a while comes back by itself', async () => {
      const registry = await opened(withUser(), { password: 'hunter2' });
      await registry.putChain(record(1));
      await admin((client) => client.acl('SETUSER', user, '-@all'));
      await expect(registry.findChain('chain-1')).rejects.toMatchObject({ code: 'REGISTRY_DENIED', transient: true });
      await admin(async (client) => {
        await client.acl('SETUSER', user, '+@all', 'resetpass', '>another');
        await client.client('KILL', 'USER', user);
      });
      await until(() =>
        registry.findChain('chain-1').then(
          () => false,
          () => true,
        ),
      );
      await admin((client) => client.acl('SETUSER', user, '>hunter2'));
      await until(async () => (await registry.findChain('chain-1').catch(() => undefined)) !== undefined);
    });

    test('to keys that are not ours is REGISTRY_DENIED', async () => {
      const registry = await opened(`${withUser().split('?')[0]}?prefix=foreign`, { password: 'hunter2' });
      await expect(registry.findChain('a')).rejects.toMatchObject({ code: 'REGISTRY_DENIED' });
    });
  });

  test.each<[string, (client: Redis, prefix: string) => Promise<unknown>]>([
    ['no JSON', (client, prefix) => client.hset(keyOf(prefix, 'chains'), hash(1), '{')],
    ['no record', (client, prefix) => client.hset(keyOf(prefix, 'chains'), hash(1), '{"crypt":"sha1"}')],
    ['another type', (client, prefix) => client.set(keyOf(prefix, 'chains'), 'x')],
  ])('what Blockhub did not write (%s) is REGISTRY_CORRUPT, until it is wiped', async (_, write) => {
    const url = fresh();
    const registry = await opened(url);
    await admin((client) => write(client, prefixOf(url)));
    await expect(registry.findChain(hash(1))).rejects.toMatchObject({ code: 'REGISTRY_CORRUPT' });
    await registry.wipe();
    await registry.putChain(record(1));
    expect(await registry.findChain(hash(1))).toEqual(record(1));
  });

  test('neighbours with another prefix are not seen', async () => {
    const [one, two] = [await opened(fresh()), await opened(fresh())];
    await one.putChain(record(1));
    expect(await two.findChain('chain-1')).toBeUndefined();
    await two.wipe();
    expect(await one.findChain('chain-1')).toEqual(record(1));
  });
}

const fails = (asked: Promise<unknown>): Promise<boolean> =>
  asked.then(
    () => false,
    () => true,
  );
