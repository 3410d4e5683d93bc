import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { certificate, openProxy } from '@blockhub/test-servers';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { openBroker } from '../../open.ts';
import type { Broker, Meta } from '../../types.ts';
import { code, collect, eventually, listen, numbered, outgoing } from './deliveries.fixture.ts';
import { Bench, onRabbit } from './server.fixture.ts';
import { DELIVERY_LIMIT } from './topology.ts';

await onRabbit('on RabbitMQ', (server) => {
  let bench: Bench;
  let broker: Broker;
  beforeEach(async () => {
    bench = await new Bench(server).open();
    broker = await bench.connect();
  });
  afterEach(() => bench.close());

  /** The one message of the queue ends consumer after consumer, until the broker gives it up. */
  async function killConsumers(queue: string): Promise<void> {
    const model = await bench.foreign();
    for (let deaths = 0; deaths <= DELIVERY_LIMIT; deaths++) {
      const channel = await model.createChannel();
      const taken = Promise.withResolvers<unknown>();
      await channel.consume(queue, taken.resolve);
      await taken.promise;
      await channel.close();
    }
    await model.close();
  }

  test('meta comes back with type and value, whatever its names', async () => {
    const meta: Meta = {
      CC: 'no route',
      'x-death': 'harmless',
      'blockhub-attempts': 7,
      zero: -0,
      one: 1,
      huge: 2 ** 53 - 1,
      larger: 2 ** 60,
      fraction: 2 ** 51 + 0.5,
      tiny: 5e-324,
      least: -1.7e308,
      byte: 200,
      long: -3_000_000_000,
      text: '',
      yes: true,
    };
    await broker.declare([{ name: 'a', kind: 'durable' }]);
    await broker.publish([{ ...outgoing('a', '1'), meta }]);
    const { all } = await collect(broker, 'a');
    await eventually(() => expect(all.length).toBe(1));
    expect(all[0]).toMatchObject({ id: '1', attempts: 0 });
    expect(all[0]?.meta).toEqual(meta);
    expect(Object.is(all[0]?.meta.zero, -0)).toBe(true);
  });

  test('what is too large is refused alone', async () => {
    const small = await bench.connect('?maxMessageBytes=2048');
    await small.declare([{ name: 'a', kind: 'durable' }]);
    const results = await Promise.allSettled([
      small.publish([outgoing('a', '1')]),
      small.publish([outgoing('a', '2', Buffer.alloc(2049))]),
      small.publish([{ ...outgoing('a', '3'), meta: { long: 'x'.repeat(70_000) } }]),
      small.publish([{ ...outgoing('a', '4'), id: 'x'.repeat(256) }]),
      small.publish([outgoing('a', '5', Buffer.alloc(2048))]),
    ]);
    expect(results.map((result) => (result.status === 'rejected' ? result.reason.code : 'confirmed'))).toEqual([
      'confirmed',
      'BROKER_MESSAGE_TOO_LARGE',
      'BROKER_MESSAGE_TOO_LARGE',
      'BROKER_MESSAGE_TOO_LARGE',
      'confirmed',
    ]);
  });

  test('a full queue refuses until there is room, and hints to it are dropped', async () => {
    await broker.declare([
      { name: 'few', kind: 'durable', maxMessages: 3 },
      { name: 'light', kind: 'durable', maxBytes: 1000 },
    ]);
    for (const [queue, body] of [
      ['few', Buffer.alloc(1)],
      ['light', Buffer.alloc(600)],
    ] as const) {
      const fill = async (): Promise<void> => {
        for (let tries = 0; tries < 50; tries++) await broker.publish([outgoing(queue, 'x', body)]);
      };
      await expect(fill()).rejects.toEqual(code('BROKER_QUEUE_FULL'));
      await broker.publish([{ ...outgoing(queue, 'hint', body), hint: true }]);
      const collected = await collect(broker, queue, 1, (delivery) => delivery.ack());
      await eventually(() => broker.publish([outgoing(queue, 'more', body)]));
      await eventually(() => expect(collected.ids()).toContain('more'));
      expect(collected.ids()).not.toContain('hint');
    }
  });

  test('a message returned beside others fails its own publish', async () => {
    await broker.declare([{ name: 'a', kind: 'durable' }]);
    const results = await Promise.allSettled([
      broker.publish(numbered('a', 1, 5)),
      broker.publish([outgoing('none', '6')]),
      broker.publish([{ ...outgoing('a', '6') }, { ...outgoing('none', '7'), hint: true }]),
      broker.publish(numbered('a', 8, 9)),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    expect(results[1]).toMatchObject({ reason: { code: 'BROKER_QUEUE_MISSING', details: { queue: 'none' } } });
  });

  test('retries of any length come not before their time, and shorter ones overtake', async () => {
    await broker.declare([{ name: 'a', kind: 'durable' }]);
    await broker.publish(numbered('a', 1, 3));
    const waits: Record<string, number> = { 1: 4_000, 2: 200, 3: 500 };
    const started = performance.now();
    const came: [string, number, number][] = [];
    await broker.consume('a', { prefetch: 1 }, (delivery) => {
      if (delivery.attempts === 0) return delivery.retry(waits[delivery.id] as number);
      came.push([delivery.id, delivery.attempts, performance.now() - started]);
      delivery.ack();
    });
    await eventually(() =>
      expect(came.map(([id, attempts]) => [id, attempts])).toEqual([
        ['2', 1],
        ['3', 1],
        ['1', 1],
      ]),
    );
    for (const [id, , after] of came) expect(after).toBeGreaterThanOrEqual(waits[id] as number);
    await eventually(async () => expect(await broker.queues(['a'])).toMatchObject([{ ready: 0, consumers: 1 }]));
  });

  test('the longest delay is one that the broker can keep', async () => {
    await broker.declare([{ name: 'a', kind: 'durable' }]);
    await broker.publish([outgoing('a', '1')]);
    await collect(broker, 'a', 1, (delivery) => delivery.retry(Number.MAX_SAFE_INTEGER));
    await eventually(async () => expect(await broker.queues([`blockhub.delay.${2 ** 31}`])).toMatchObject([{ ready: 1 }]));
  });

  test('a message that ends its consumer again and again becomes a dead letter that says so', async () => {
    await broker.declare([
      { name: 'dead-letter', kind: 'durable' },
      { name: 'a', kind: 'durable', deadLetterTo: 'dead-letter' },
    ]);
    await broker.publish([{ ...outgoing('a', 'poison'), meta: { chain: 'c' } }]);
    await killConsumers('a');
    const { all } = await collect(broker, 'dead-letter');
    await eventually(() => expect(all.length).toBe(1));
    expect(all[0]).toMatchObject({ id: 'poison', body: Buffer.from('body of poison'), attempts: 0 });
    expect(all[0]?.meta).toEqual({
      chain: 'c',
      'dead-code': 'DELIVERIES_EXHAUSTED',
      'dead-message': expect.any(String),
      'dead-queue': 'a',
      'dead-attempts': 1,
      'dead-first-at': all[0]?.firstAt,
      'dead-last-at': expect.any(Number),
    });
  });

  test('a message that waited for a retry and then ends its consumers says the second', async () => {
    await broker.declare([
      { name: 'dead-letter', kind: 'durable' },
      { name: 'a', kind: 'durable', deadLetterTo: 'dead-letter' },
    ]);
    await broker.publish([outgoing('a', 'poison')]);
    const collected = await collect(broker, 'a', 1);
    await eventually(() => expect(collected.all.length).toBe(1));
    await collected.cancel();
    collected.all[0]?.retry(0);
    await killConsumers('a');
    const { all } = await collect(broker, 'dead-letter');
    await eventually(() => expect(all.length).toBe(1));
    expect(all[0]).toMatchObject({ attempts: 0, meta: { 'dead-code': 'DELIVERIES_EXHAUSTED', 'dead-queue': 'a', 'dead-attempts': 2 } });
  });

  test('a dead letter that waits itself says the same behind its wait, to consumers and to browsers', async () => {
    await broker.declare([
      { name: 'dead-letter', kind: 'durable' },
      { name: 'a', kind: 'durable', deadLetterTo: 'dead-letter' },
    ]);
    await broker.publish([
      { ...outgoing('dead-letter', 'full'), meta: { 'dead-code': 'STORE_FULL', 'dead-queue': 'a' } },
      outgoing('a', 'poison'),
    ]);
    await killConsumers('a');
    const { all, cancel } = await collect(broker, 'dead-letter', 10, (delivery) => {
      if (delivery.attempts === 0) delivery.retry(0);
    });
    await eventually(() => expect(all.filter(({ attempts }) => attempts === 1).length).toBe(2));
    for (const { id, meta } of all)
      expect(meta).toEqual(id === 'full' ? { 'dead-code': 'STORE_FULL', 'dead-queue': 'a' } : all.find((one) => one.id === id)?.meta);
    expect(all.find(({ id }) => id === 'poison')?.meta).toMatchObject({ 'dead-code': 'DELIVERIES_EXHAUSTED', 'dead-queue': 'a' });
    await cancel();
    for (const delivery of all.slice(2)) delivery.release();
    await eventually(async () => expect((await Array.fromAsync(broker.browse('dead-letter'))).length).toBe(2));
    for await (const { id, meta } of broker.browse('dead-letter')) expect(meta).toEqual(all.find((one) => one.id === id)?.meta);
  });

  test('a message that is only given back again and again stays', async () => {
    await broker.declare([
      { name: 'dead-letter', kind: 'durable' },
      { name: 'a', kind: 'durable', deadLetterTo: 'dead-letter' },
    ]);
    await broker.publish([outgoing('a', '1')]);
    let releases = 0;
    const { all } = await collect(broker, 'a', 1, (delivery) => {
      if (++releases < 2 * DELIVERY_LIMIT) delivery.release();
    });
    await eventually(() => expect(all.length).toBe(2 * DELIVERY_LIMIT));
    expect(all.at(-1)).toMatchObject({ id: '1', attempts: 0, firstAt: all[0]?.firstAt });
    expect(await broker.queues(['dead-letter'])).toMatchObject([{ ready: 0 }]);
  });

  test('retries to a queue that was deleted go to the dead letters and delay no others', async () => {
    await broker.declare([
      { name: 'dead-letter', kind: 'durable' },
      { name: 'gone', kind: 'durable', deadLetterTo: 'dead-letter' },
      { name: 'a', kind: 'durable', deadLetterTo: 'dead-letter' },
    ]);
    const other = await bench.connect();
    await broker.publish([...numbered('gone', 1, 50), ...numbered('a', 51, 55)]);
    const gone = await collect(other, 'gone', 100, (delivery) => delivery.retry(1_000));
    await eventually(() => expect(gone.all.length).toBe(50));
    await eventually(async () => expect(await broker.queues(['blockhub.delay.1024'])).toMatchObject([{ ready: 50 }]));
    await bench.ask('DELETE', `queues/${bench.vhost}/gone`);
    await other.close();
    const a = await collect(broker, 'a', 100, (delivery) => (delivery.attempts === 0 ? delivery.retry(1_000) : delivery.ack()));
    await eventually(() => expect(a.all.filter(({ attempts }) => attempts === 1).length).toBe(5));
    const dead = await collect(broker, 'dead-letter');
    await eventually(() => expect(dead.all.length).toBe(50));
    expect(dead.all[0]).toMatchObject({
      attempts: 0,
      meta: { 'dead-code': 'BROKER_QUEUE_MISSING', 'dead-queue': 'gone', 'dead-attempts': 2 },
    });
  });

  test.each([0, 2])('retries that find no room (for more than %i) wait with their consumer, and come at their time', async (room) => {
    await bench.ask('PUT', `policies/${bench.vhost}/few`, {
      pattern: '^blockhub[.]delay',
      'apply-to': 'queues',
      definition: { 'max-length': room },
    });
    const log = listen();
    const other = await bench.connect('', { log });
    await other.declare([{ name: 'a', kind: 'durable' }]);
    await other.publish(numbered('a', 1, 200));
    const failed = new Map<string, number>();
    const early: string[] = [];
    const done: string[] = [];
    await other.consume('a', { prefetch: 50 }, (delivery) => {
      const now = performance.now();
      if (now - (failed.get(delivery.id) ?? now - 1_000) < 1_000) early.push(delivery.id);
      failed.set(delivery.id, now);
      if (delivery.attempts === 2) {
        done.push(delivery.id);
        delivery.ack();
      } else delivery.retry(1_000);
    });
    await eventually(() => expect(new Set(done).size).toBe(200), 60_000);
    expect([early, done.length]).toEqual([[], 200]);
    const told = log.lines.filter((line) => line.includes('retries cannot be stored'));
    expect(told.length).toBe(1);
    expect(told[0]).toContain('BROKER_QUEUE_FULL');
    await eventually(async () => expect(await broker.queues(['a', 'blockhub.delay.1024'])).toMatchObject([{ ready: 0 }, { ready: 0 }]));
  });

  test('with the management API it lists every queue of others, with counts', async () => {
    await broker.declare([
      { name: 'a', kind: 'durable' },
      { name: 'mine', kind: 'private' },
    ]);
    await broker.publish(numbered('a', 1, 3));
    await collect(broker, 'a', 2, (delivery) => {
      if (delivery.id === '2') delivery.retry(100_000);
    });
    const other = await bench.connect(`?management=${server.management}`);
    const expected = [{ name: 'a', kind: 'durable', ready: 0, unacked: 2, bytes: 18, consumers: 1, delayed: undefined }];
    await eventually(async () => expect(await other.queues()).toEqual(expected));
    expect(await other.queues(['none', 'a'])).toEqual(expected);
    expect(await (await bench.connect()).queues()).toEqual([]);
    const wrong = await bench.connect('?management=http://127.0.0.1:1');
    await expect(wrong.queues()).rejects.toEqual(code('BROKER_UNAVAILABLE'));
  });

  test('messages of other programs are read, browsed and consumed', async () => {
    await broker.declare([{ name: 'a', kind: 'durable' }]);
    const model = await bench.foreign();
    const channel = await model.createConfirmChannel();
    channel.sendToQueue('a', Buffer.from('bare'));
    channel.sendToQueue('a', Buffer.from('rich'), { messageId: 'r', headers: { list: [1], nested: { a: 1 }, text: 'x', 'x-other': 1 } });
    await channel.waitForConfirms();
    await model.close();
    const found = await Array.fromAsync(broker.browse('a'));
    expect(found.map(({ id, meta, attempts }) => [id, meta, attempts])).toEqual([
      ['', {}, 0],
      ['r', { text: 'x' }, 0],
    ]);
    await broker.take('a', [found[1]?.seq as string]);
    await eventually(async () => expect((await Array.fromAsync(broker.browse('a'))).map(({ id }) => id)).toEqual(['']));
  });

  test('a single-active queue says that it cannot be browsed', async () => {
    await broker.declare([{ name: 'a', kind: 'durable', singleActive: true }]);
    await expect(Array.fromAsync(broker.browse('a'))).rejects.toEqual(code('BROKER_QUEUE_MISMATCH'));
  });

  test('TLS accepts only a certificate of a trusted authority', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'blockhub-amqp-'));
    const { host, username, password } = new URL(server.url);
    await writeFile(join(folder, 'ca.pem'), certificate.cert);
    const proxy = await openProxy(host, { tls: certificate });
    const url = `amqps://${username}:${password}@${proxy.address}/${bench.vhost}`;
    const log = listen();
    const trusting = await openBroker(`${url}?ca=${join(folder, 'ca.pem')}`);
    await trusting.declare([{ name: 'a', kind: 'durable' }]);
    await trusting.publish([outgoing('a', '1')]);
    const doubting = await openBroker(url, { log });
    expect([trusting.state, doubting.state]).toEqual(['connected', 'disconnected']);
    expect(log.lines.join()).toContain('self-signed certificate');
    await expect(openBroker(`${url}?ca=${join(folder, 'none.pem')}`)).rejects.toMatchObject({
      code: 'BROKER_URL_INVALID',
      details: { field: 'ca' },
    });
    await trusting.close();
    await doubting.close();
    await proxy.close();
    await rm(folder, { recursive: true });
  });

  test('user and password come from where others do not read, and are never shown', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'blockhub-amqp-'));
    const { host, username, password } = new URL(server.url);
    const url = `amqp://${host}/${bench.vhost}`;
    await writeFile(join(folder, 'password'), `${password}\n`);
    const log = listen();
    for (const opened of [
      await openBroker(url, { user: username, password, log }),
      await openBroker(`amqp://${username}@${host}/${bench.vhost}?passwordFile=${join(folder, 'password')}`, { log }),
    ]) {
      expect(opened.state).toBe('connected');
      await opened.close();
    }
    const secret = 'not-the-password';
    const refused = await openBroker(`amqp://${username}:${secret}@${host}/${bench.vhost}`, { log }).catch((error) => error);
    expect(refused).toEqual(code('BROKER_DENIED'));
    expect(`${refused.stack}${refused.cause?.stack}${JSON.stringify(refused)}${log.lines.join()}`).not.toContain(secret);
    const nowhere = await openBroker(`${server.url}/none`, { log });
    expect(nowhere.state).toBe('disconnected');
    expect(log.lines.join()).toContain('virtual host "none" is missing');
    await expect(nowhere.declare([{ name: 'a', kind: 'durable' }])).rejects.toEqual(code('BROKER_UNAVAILABLE'));
    await nowhere.close();
    await rm(folder, { recursive: true });
  });
});
