import { randomUUID } from 'node:crypto';
import { type Broker, openBroker } from '@blockhub/broker';
import { hashOf, newEvent } from '@blockhub/chain';
import { systemClock } from '@blockhub/clock';
import { groups, placesOf } from '@blockhub/mesh';
import { queues, writeIngress } from '@blockhub/message';
import { MemoryRegistry } from '@blockhub/registry';
import { MemoryStore, Store } from '@blockhub/store';
import { createHealth, createMetrics, silentLogger } from '@blockhub/telemetry';
import { rabbitmq } from '@blockhub/test-servers';
import { findReceipt } from '@blockhub/walker';
import { eventIds, systemRandom } from '@blockhub/worker';
import { createChain } from '@blockhub/writer';
import { afterAll, describe, expect, test } from '@jest/globals';
import { get, helms, noHelm, template } from './helm.ts';

interface Definitions {
  readonly users: readonly { readonly name: string; readonly password: string }[];
  readonly queues: readonly { readonly name: string }[];
}

const [which] = helms;
const server = which ? await rabbitmq() : { absent: noHelm };

/** A logger that collects denied requests. */
function listening(denied: string[]) {
  const note = (fields: object, text: string): void => {
    const shown = JSON.stringify({ ...fields, text, reason: String((fields as { err?: unknown }).err ?? '') });
    if (/ACCESS_REFUSED|DENIED|refused/i.test(shown)) denied.push(shown);
  };
  return { ...silentLogger, debug: note, info: note, warn: note, error: note, child: () => silentLogger };
}

/** Waits for the condition, and fails at the first denied request. */
async function until(denied: readonly string[], condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) {
    expect(denied).toEqual([]);
    await systemClock.sleep(100);
  }
}

if (!which || 'absent' in server)
  test.skip(`a user for each place (left out: ${'absent' in server ? server.absent : noHelm})`, () => undefined);
else
  describe('a user for each place', () => {
    const releases: (() => unknown)[] = [() => server.close()];
    afterAll(async () => {
      for (const release of releases.reverse()) await release();
    });

    test('has only the permissions that its place needs', async () => {
      const rendered = await template(which, 'blockhub', { global: { partitions: 2 } });
      const text = Buffer.from(get(rendered, 'Secret', 'demo-rabbitmq-config').data['definitions.json'], 'base64').toString();
      const definitions = JSON.parse(text) as Definitions;
      const { username, password } = new URL(server.url);
      const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
      const manage = (path: string, method = 'GET', body?: string): Promise<Response> =>
        fetch(`${server.management}/api/${path}`, {
          method,
          headers: { authorization, 'content-type': 'application/json' },
          ...(body && { body }),
        });
      expect((await manage('definitions', 'POST', text)).ok).toBe(true);

      const denied: string[] = [];
      const open = async (name: string): Promise<Broker> => {
        const user = definitions.users.find((one) => one.name === name);
        const url = new URL(server.url);
        [url.username, url.password] = ['', ''];
        const broker = await openBroker(url.href, { user: name, password: user?.password, log: listening(denied) });
        releases.push(() => broker.close());
        return broker;
      };
      const store = new Store(new MemoryStore().driver());
      const registry = new MemoryRegistry();
      const shared = {
        store,
        registry,
        clock: systemClock,
        random: systemRandom,
        log: silentLogger,
        metrics: createMetrics(),
        health: createHealth(),
      };
      for (const place of placesOf(groups, { partitions: 2 }).toReversed()) {
        if (place.listens) continue;
        const running = await place.start({ ...shared, metrics: createMetrics(), broker: await open(place.name), storeIsSafe: true });
        releases.push(() => running.stop({ graceMs: 1_000 }));
      }

      const chain = await createChain(store, { now: Date.now(), random: Math.random });
      const sender = await open('web-to-msg');
      const ids = eventIds(systemClock, systemRandom);
      const capture = (body: string, event: string) =>
        writeIngress({
          event,
          chain: chain.id,
          createdAt: Date.now(),
          crypt: 'sha256',
          hash: hashOf('sha256', Buffer.from(body)),
          length: Buffer.byteLength(body),
          meta: { mime: 'text/plain' },
          body: Buffer.from(body),
        });
      const event = ids();
      // An event with a later time waits for a retry. A malformed message becomes a dead letter.
      const ahead = newEvent(Date.now() + 3_600_000, Buffer.alloc(10, 1));
      await sender.publish([
        capture('hello', event),
        capture('later', ahead),
        { queue: queues.ingress.name, id: randomUUID(), meta: {}, body: Buffer.from('no capture') },
      ]);
      await until(denied, async () => (await findReceipt(store, chain.id, event)) !== undefined);
      const admin = await openBroker(server.url);
      releases.push(() => admin.close());
      await until(denied, async () => (await admin.queues([queues.kept.name])).some(({ ready }) => ready > 0));
      await until(denied, async () => (await (await manage('queues/%2F?columns=name')).text()).includes('blockhub.delay.'));
      expect(denied).toEqual([]);

      // `blockhub queues` and `blockhub dead-letter` in a pod of dead-letter.
      const keeper = await open('dead-letter');
      expect(await keeper.queues([queues.ingress.name])).toHaveLength(1);
      const letters: string[] = [];
      for await (const { id } of keeper.browse(queues.kept.name)) letters.push(id);
      expect(letters).toHaveLength(1);
      await expect(Array.fromAsync(sender.browse(queues.kept.name))).rejects.toMatchObject({ code: 'BROKER_DENIED' });

      await expect(sender.consume(queues.ingress.name, { prefetch: 1 }, () => undefined)).rejects.toMatchObject({ code: 'BROKER_DENIED' });
      await expect(sender.declare([{ name: 'mine', kind: 'durable' }])).rejects.toMatchObject({ code: 'BROKER_DENIED' });
    });
  });
