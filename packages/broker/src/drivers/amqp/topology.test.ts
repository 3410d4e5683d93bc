import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Broker } from '../../types.ts';
import { collect, eventually, listen, outgoing } from './deliveries.fixture.ts';
import { Bench, onRabbit } from './server.fixture.ts';
import { DELIVERY_LIMIT } from './topology.ts';

await onRabbit('queues on RabbitMQ', (server) => {
  let bench: Bench;
  let broker: Broker;
  beforeEach(async () => {
    bench = await new Bench(server).open();
    broker = await bench.connect();
  });
  afterEach(() => bench.close());

  test('a queue with other limits is used as it is, one of another kind is refused', async () => {
    const log = listen();
    const other = await bench.connect('', { log });
    await broker.declare([{ name: 'a', kind: 'durable', maxMessages: 5, maxBytes: 1_000 }]);
    await other.declare([{ name: 'a', kind: 'durable', maxMessages: 6, deadLetterTo: 'dead-letter' }]);
    await other.publish([outgoing('a', '1')]);
    expect(
      log.lines
        .filter((line) => line.includes('another argument'))
        .map((line) => /x-[a-z-]+/.exec(line)?.[0])
        .sort(),
    ).toEqual([
      'x-dead-letter-exchange',
      'x-dead-letter-routing-key',
      'x-dead-letter-strategy',
      'x-delivery-limit',
      'x-max-length',
      'x-max-length-bytes',
    ]);
    const model = await bench.foreign();
    const channel = await model.createChannel();
    await channel.assertQueue('classic', { durable: true, arguments: { 'x-max-length': 3 } });
    await channel.assertQueue('drops', { durable: true, arguments: { 'x-queue-type': 'quorum', 'x-overflow': 'drop-head' } });
    for (const name of ['classic', 'drops'])
      await expect(broker.declare([{ name, kind: 'durable' }])).rejects.toMatchObject({
        code: 'BROKER_QUEUE_MISMATCH',
        details: { queue: name },
      });
    await expect(broker.declare([{ name: 'drops', kind: 'durable' }])).rejects.toMatchObject({
      message:
        'queue "drops" exists with x-overflow drop-head, and reject-publish is needed: delete it when `rabbitmqctl list_queues name messages` shows 0 for it and each blockhub.delay.*, then start again',
      details: { queue: 'drops', argument: 'x-overflow' },
    });
    await expect(broker.declare([{ name: 'a', kind: 'durable', singleActive: true }])).rejects.toMatchObject({
      message: expect.stringContaining('x-single-active-consumer (none), and true is needed'),
    });
    await model.close();
  });

  test('every argument of a queue is said, so that no version decides', async () => {
    await broker.declare([
      { name: 'dead-letter', kind: 'durable' },
      { name: 'a', kind: 'durable', deadLetterTo: 'dead-letter', singleActive: true, maxMessages: 5, maxBytes: 1_000 },
      { name: 'mine', kind: 'private' },
    ]);
    await broker.publish([outgoing('a', '1')]);
    await collect(broker, 'a', 1, (delivery) => delivery.retry(100_000));
    await eventually(async () => expect(await broker.queues(['blockhub.delay.131072'])).toMatchObject([{ ready: 1 }]));
    const argumentsOf = async (name: string): Promise<unknown> =>
      ((await bench.ask('GET', `queues/${bench.vhost}/${name}`)) as { arguments: unknown }).arguments;
    const quorum = {
      'x-queue-type': 'quorum',
      'x-overflow': 'reject-publish',
      'x-quorum-initial-group-size': 3,
      'x-queue-leader-locator': 'balanced',
    };
    expect(await argumentsOf('dead-letter')).toEqual({ ...quorum, 'x-delivery-limit': 2 ** 31 - 1 });
    expect(await argumentsOf('a')).toEqual({
      ...quorum,
      'x-delivery-limit': DELIVERY_LIMIT,
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': 'dead-letter',
      'x-dead-letter-strategy': 'at-least-once',
      'x-single-active-consumer': true,
      'x-max-length': 5,
      'x-max-length-bytes': 1_000,
    });
    expect(await argumentsOf('mine')).toEqual({ 'x-queue-type': 'classic', 'x-overflow': 'reject-publish' });
    expect(await argumentsOf('blockhub.delay.131072')).toEqual({
      ...quorum,
      'x-delivery-limit': 2 ** 31 - 1,
      'x-dead-letter-exchange': 'blockhub.back',
      'x-dead-letter-strategy': 'at-least-once',
      'x-message-ttl': 131_072,
      'x-max-length': 100_000,
      'x-max-length-bytes': 2 ** 30,
    });
  });

  test('queues that were declared with fewer arguments are used as they are', async () => {
    const model = await bench.foreign();
    const channel = await model.createChannel();
    const before = { 'x-queue-type': 'quorum', 'x-overflow': 'reject-publish', 'x-delivery-limit': 2 ** 31 - 1 };
    const back = { 'x-dead-letter-exchange': 'blockhub.back', 'x-dead-letter-strategy': 'at-least-once', 'x-message-ttl': 128 };
    await channel.assertQueue('a', { durable: true, arguments: before });
    await channel.assertQueue('blockhub.delay.128', { durable: true, arguments: { ...before, ...back } });
    await model.close();
    const log = listen();
    const other = await bench.connect('', { log });
    await other.declare([{ name: 'a', kind: 'durable' }]);
    await other.publish([outgoing('a', '1')]);
    const { all } = await collect(other, 'a', 1, (delivery) => (delivery.attempts === 0 ? delivery.retry(0) : delivery.ack()));
    await eventually(() => expect(all.map(({ attempts }) => attempts)).toEqual([0, 1]));
    const told = log.lines.filter((line) => line.includes('which is kept'));
    expect(told.map((line) => /"queue":"(.*?)","argument":"(.*?)"/.exec(line)?.slice(1).join(' ')).sort()).toEqual([
      'a x-queue-leader-locator',
      'a x-quorum-initial-group-size',
      'blockhub.delay.128 x-max-length',
      'blockhub.delay.128 x-max-length-bytes',
      'blockhub.delay.128 x-queue-leader-locator',
      'blockhub.delay.128 x-quorum-initial-group-size',
    ]);
  });
});
