import { VirtualClock } from '@blockhub/clock';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Broker, Outgoing } from '../../types.ts';
import { code, collect, eventually, listen, numbered, outgoing } from './deliveries.fixture.ts';
import { Bench, onRabbit } from './server.fixture.ts';

const connected = (broker: Broker): Promise<void> => eventually(() => expect(broker.state).toBe('connected'));
const disconnected = (broker: Broker): Promise<void> => eventually(() => expect(broker.state).toBe('disconnected'));

await onRabbit('trouble with RabbitMQ', (server) => {
  let bench: Bench;
  beforeEach(async () => {
    bench = await new Bench(server).open();
  });
  afterEach(() => bench.close());

  test('a cut connection comes back with its consumers and private queues; what was held comes again, and late acks are dropped', async () => {
    const broker = await bench.connect();
    const states: string[] = [];
    broker.onState((state) => states.push(state));
    await broker.declare([
      { name: 'a', kind: 'durable' },
      { name: 'mine', kind: 'private' },
    ]);
    const a = await collect(broker, 'a', 3);
    const mine = await collect(broker, 'mine', 1, (delivery) => delivery.ack());
    await broker.publish(numbered('a', 1, 4));
    await eventually(() => expect(a.ids()).toEqual(['1', '2', '3']));
    bench.proxyOf(broker).cut();
    await disconnected(broker);
    await expect(broker.publish([outgoing('a', 'x')])).rejects.toEqual(code('BROKER_UNAVAILABLE'));
    await expect(broker.queues(['a'])).rejects.toEqual(code('BROKER_UNAVAILABLE'));
    await connected(broker);
    await eventually(() => expect(a.ids().slice(3).sort()).toEqual(['1', '2', '3']));
    a.all[0]?.ack();
    a.all[1]?.retry(0);
    a.all[2]?.release();
    await broker.publish([outgoing('a', '5')]);
    await eventually(() => broker.publish([outgoing('mine', 'm')]));
    await eventually(() => expect(mine.ids()).toEqual(['m']));
    expect(a.all.length).toBe(6);
    for (const delivery of a.all.slice(3)) delivery.ack();
    await eventually(() => expect(a.ids().slice(6)).toEqual(['4', '5']));
    expect(a.all.slice(3).every(({ attempts }) => attempts === 0)).toBe(true);
    expect(states).toEqual(['disconnected', 'connected']);
  });

  test('connections that the server closes come back', async () => {
    const broker = await bench.connect();
    await broker.declare([{ name: 'a', kind: 'durable' }]);
    const a = await collect(broker, 'a', 1, (delivery) => delivery.ack());
    const names = async (): Promise<string[]> => {
      const all = (await bench.ask('GET', `vhosts/${bench.vhost}/connections`)) as { name: string }[];
      return all.map(({ name }) => name);
    };
    await eventually(async () => expect((await names()).length).toBe(2));
    for (const name of await names()) await bench.ask('DELETE', `connections/${encodeURIComponent(name)}`);
    await disconnected(broker);
    await connected(broker);
    await broker.publish([outgoing('a', '1')]);
    await eventually(() => expect(a.ids()).toEqual(['1']));
  });

  test('a peer that falls silent is given up; what was in flight is unknown', async () => {
    const broker = await bench.connect('?heartbeat=1');
    await broker.declare([{ name: 'a', kind: 'durable' }]);
    const a = await collect(broker, 'a', 10, (delivery) => delivery.ack());
    const proxy = bench.proxyOf(broker);
    proxy.mode = 'silent';
    await expect(broker.publish([outgoing('a', '1')])).rejects.toEqual(code('BROKER_UNAVAILABLE'));
    await disconnected(broker);
    proxy.mode = 'pass';
    proxy.cut();
    await connected(broker);
    await broker.publish([outgoing('a', '2')]);
    await eventually(() => expect(a.ids()).toContain('2'));
  });

  test('a connection that confirms nothing is ended, although the peer is alive', async () => {
    const clock = new VirtualClock();
    const log = listen();
    const broker = await bench.connect('?heartbeat=600', { clock, log });
    await broker.declare([{ name: 'a', kind: 'durable' }]);
    bench.proxyOf(broker).mode = 'silent';
    const lost = broker.publish([outgoing('a', '1')]);
    await clock.advance(14_000);
    expect(broker.state).toBe('connected');
    await clock.advance(31_000);
    await expect(lost).rejects.toEqual(code('BROKER_UNAVAILABLE'));
    expect(log.lines.join()).toContain('no confirm came in time');
    bench.proxyOf(broker).mode = 'pass';
    bench.proxyOf(broker).cut();
    await eventually(async () => {
      await clock.advance(1_000);
      expect(broker.state).toBe('connected');
    });
    await broker.publish([outgoing('a', '2')]);
    await broker.close();
  });

  test('opens without a server, and goes on trying all addresses', async () => {
    const { host } = new URL(server.url);
    const log = listen();
    const alone = await bench.connect('', { log });
    const proxy = bench.proxyOf(alone);
    proxy.mode = 'refuse';
    proxy.cut();
    await disconnected(alone);
    await expect(alone.declare([{ name: 'a', kind: 'durable' }])).rejects.toEqual(code('BROKER_UNAVAILABLE'));
    await expect(alone.consume('a', { prefetch: 1 }, () => {})).rejects.toEqual(code('BROKER_UNAVAILABLE'));
    proxy.mode = 'pass';
    await connected(alone);
    for (let tries = 0; tries < 5; tries++) {
      const many = await bench.connect(`?host=127.0.0.1:1&host=${host}`);
      await connected(many);
      const first = bench.proxyOf(many);
      first.mode = 'refuse';
      first.cut();
      await connected(many);
      await many.close();
    }
  });

  test('closing does not wait for a dead peer', async () => {
    const broker = await bench.connect('?heartbeat=600');
    await broker.declare([{ name: 'a', kind: 'durable' }]);
    bench.proxyOf(broker).mode = 'silent';
    const lost = broker.publish([outgoing('a', '1')]);
    const closed = broker.close();
    await expect(lost).rejects.toEqual(code('BROKER_UNAVAILABLE'));
    await closed;
    expect(broker.state).toBe('closed');
  });

  test('a consumer whose queue is deleted goes on when it is there again; a retry makes its delay again', async () => {
    const broker = await bench.connect();
    await broker.declare([{ name: 'a', kind: 'durable' }]);
    const a = await collect(broker, 'a', 10, (delivery) => (delivery.attempts === 0 ? delivery.retry(100) : delivery.ack()));
    await broker.publish([outgoing('a', '1')]);
    await eventually(() => expect(a.ids()).toEqual(['1', '1']));
    await bench.ask('DELETE', `queues/${bench.vhost}/a`);
    await bench.ask('DELETE', `exchanges/${bench.vhost}/blockhub.delay.128`);
    await bench.ask('DELETE', `queues/${bench.vhost}/blockhub.delay.128`);
    await eventually(() => broker.publish([outgoing('a', '2')]));
    await eventually(() => expect(a.ids().slice(2)).toEqual(['2', '2']));
    expect(a.all.at(-1)?.attempts).toBe(1);
  });

  test('queues that an operator deleted come back with the next publish, as they were; those of others do not', async () => {
    const log = listen();
    const broker = await bench.connect('', { log });
    await broker.declare([
      { name: 'kept', kind: 'durable', maxMessages: 1_000 },
      { name: 'other', kind: 'durable' },
    ]);
    for (const name of ['kept', 'other']) await bench.ask('DELETE', `queues/${bench.vhost}/${name}`);
    // RabbitMQ may refuse messages while it deletes their queue: then the publish is repeated.
    const publish = (...messages: Outgoing[]): Promise<void> =>
      broker.publish(messages).catch((error: unknown) => {
        expect(error).toEqual(code('BROKER_QUEUE_FULL'));
        return eventually(() => broker.publish(messages));
      });
    await Promise.all([
      publish(outgoing('kept', '1'), outgoing('other', '2')),
      ...numbered('kept', 3, 20).map((message) => publish(message)),
    ]);
    // What lay in one while the other was missing may lie there twice, each to be taken by itself.
    const kept = await Array.fromAsync(broker.browse('kept'));
    expect(new Set(kept.map(({ id }) => id)).size).toBe(19);
    expect(new Set(kept.map(({ seq }) => seq)).size).toBe(kept.length);
    expect((await Array.fromAsync(broker.browse('other'))).map(({ id }) => id)).toContain('2');
    expect(await bench.ask('GET', `queues/${bench.vhost}/kept`)).toMatchObject({ arguments: { 'x-max-length': 1_000 } });
    expect(log.lines.join()).toContain('queue was gone and is declared again {"queue":"kept"}');
    const foreign = await bench.connect();
    await bench.ask('DELETE', `queues/${bench.vhost}/kept`);
    await expect(foreign.publish([outgoing('kept', '21')])).rejects.toEqual(code('BROKER_QUEUE_MISSING'));
  });

  test('a broker that is closed meanwhile leaves a deleted queue alone: others may not know yet that it is gone', async () => {
    const broker = await bench.connect();
    await broker.declare([{ name: 'a', kind: 'durable' }]);
    await bench.ask('DELETE', `queues/${bench.vhost}/a`);
    const sent = expect(broker.publish([outgoing('a', '1')])).rejects.toEqual(code('BROKER_QUEUE_MISSING'));
    // Behind this one the answer to the first is there.
    await broker.publish([outgoing('blockhub.none', '2')]).catch(() => undefined);
    await broker.close();
    await sent;
    const foreign = await bench.connect();
    expect(await foreign.queues(['a'])).toEqual([]);
  });

  test('a publish that ends its channel leaves the broker connected', async () => {
    const broker = await bench.connect(`?maxMessageBytes=${200 * 2 ** 20}`);
    await broker.declare([{ name: 'a', kind: 'durable' }]);
    const tooLarge = broker.publish([outgoing('a', '1', Buffer.alloc(180 * 2 ** 20))]);
    const neighbour = broker.publish([outgoing('a', '2')]);
    const [refused, beside] = await Promise.allSettled([tooLarge, neighbour]);
    // Its next try would close the next channel too. That of its neighbour may pass.
    expect(refused).toMatchObject({ reason: code('BROKER_MESSAGE_TOO_LARGE') });
    if (beside.status === 'rejected') expect(beside.reason).toEqual(code('BROKER_UNAVAILABLE'));
    expect(broker.state).toBe('connected');
    await eventually(() => broker.publish([outgoing('a', '3')]));
  });

  const { ctl, restart } = server;
  const controlled = ctl && restart ? test : test.skip;

  controlled('a broker short of memory refuses at once, goes on delivering, and comes back by itself', async () => {
    if (!ctl) return;
    const broker = await bench.connect();
    await broker.declare([{ name: 'a', kind: 'durable' }]);
    await broker.publish(numbered('a', 1, 3));
    await ctl('set_vm_memory_high_watermark', '0');
    await expect(broker.publish([outgoing('a', '4')])).rejects.toEqual(code('BROKER_UNAVAILABLE'));
    await eventually(() => expect(broker.state).toBe('blocked'));
    await expect(broker.publish([outgoing('a', '5')])).rejects.toEqual(code('BROKER_UNAVAILABLE'));
    const a = await collect(broker, 'a', 10, (delivery) => (delivery.id === '3' ? delivery.retry(0) : delivery.ack()));
    await eventually(async () => expect(await broker.queues(['a'])).toMatchObject([{ ready: 0 }]));
    const other = await bench.connect();
    await other.declare([{ name: 'b', kind: 'durable' }]);
    await bench.ask('POST', `exchanges/${bench.vhost}/amq.default/publish`, {
      properties: { message_id: 'held', delivery_mode: 2 },
      routing_key: 'b',
      payload: 'x',
      payload_encoding: 'string',
    });
    const held = await collect(other, 'b');
    await eventually(() => expect(held.ids()).toEqual(['held']));
    await expect(other.publish([outgoing('a', '6')])).rejects.toEqual(code('BROKER_UNAVAILABLE'));
    // Its copy cannot be stored, so that it must not go.
    held.all[0]?.retry(0);
    await other.close();
    await eventually(async () => expect(await broker.queues(['b'])).toMatchObject([{ ready: 1 }]), 5_000);
    await ctl('set_vm_memory_high_watermark', '0.6');
    await connected(broker);
    await broker.publish([outgoing('a', '7')]);
    await eventually(() => expect(a.ids()).toContain('7'));
    await eventually(() => expect(a.all.some(({ id, attempts }) => id === '3' && attempts === 1)).toBe(true));
  });

  controlled('a queue without a leader fails alone: the others, and the connection, go on', async () => {
    if (!ctl) return;
    const clock = new VirtualClock();
    const log = listen();
    const broker = await bench.connect('?heartbeat=600', { clock, log });
    const states: string[] = [];
    broker.onState((state) => states.push(state));
    await broker.declare(['a', 'dead'].map((name) => ({ name, kind: 'durable' })));
    const leader = async (what: 'suspend' | 'resume'): Promise<unknown> =>
      ctl(
        'eval',
        `{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"${bench.vhost}">>, queue, <<"dead">>)), sys:${what}(amqqueue:get_pid(Q)).`,
      );
    // Else the server's channel would wait for the leader with all that comes behind.
    await broker.publish([outgoing('dead', '0')]);
    await leader('suspend');
    const lost = broker.publish([outgoing('dead', '1')]);
    for (let seconds = 0; seconds < 31; seconds++) {
      await broker.publish([outgoing('a', String(seconds))]);
      await clock.advance(1_000);
    }
    await expect(lost).rejects.toEqual(code('BROKER_UNAVAILABLE'));
    await broker.publish([outgoing('a', '31')]);
    expect(log.lines.join()).toContain('messages were not confirmed in time; a queue may have no leader {"queues":["dead"]}');
    await leader('resume');
    await broker.publish([outgoing('dead', '2')]);
    const dead = await collect(broker, 'dead');
    await eventually(() => expect(dead.ids()).toEqual(['0', '1', '2']));
    expect(states).toEqual([]);
    await broker.close();
  });

  controlled('a restart of the server loses nothing that was confirmed', async () => {
    if (!ctl || !restart) return;
    const broker = await bench.connect();
    await broker.declare([
      { name: 'a', kind: 'durable' },
      { name: 'mine', kind: 'private' },
    ]);
    const a = await collect(broker, 'a', 2);
    await broker.publish(numbered('a', 1, 5));
    await eventually(() => expect(a.ids()).toEqual(['1', '2']));
    a.all[0]?.retry(3_000);
    a.all[1]?.ack();
    await eventually(() => expect(a.ids()).toEqual(['1', '2', '3', '4']));
    await ctl('stop_app');
    await disconnected(broker);
    await ctl('start_app');
    await connected(broker);
    await restart();
    bench.proxyOf(broker).target = new URL(server.url).host;
    await disconnected(broker);
    await connected(broker);
    await eventually(() => broker.publish([outgoing('mine', 'm')]));
    const rest = new Set<string>();
    await eventually(() => {
      for (const delivery of a.all.slice(4)) {
        rest.add(`${delivery.id} ${delivery.attempts}`);
        delivery.ack();
      }
      expect([...rest].sort()).toEqual(['1 1', '3 0', '4 0', '5 0']);
    });
    await eventually(async () => expect(await broker.queues(['a'])).toMatchObject([{ ready: 0, consumers: 1 }]));
  });
});
