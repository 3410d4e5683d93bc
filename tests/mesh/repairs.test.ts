import { randomUUID } from 'node:crypto';
import { type Broker, type Outgoing, openBroker } from '@blockhub/broker';
import { systemClock } from '@blockhub/clock';
import { worker } from '@blockhub/dead-letter';
import { deadLetter } from '@blockhub/message';
import { defaults } from '@blockhub/settings';
import { createHealth, createMetrics, silentLogger } from '@blockhub/telemetry';
import { rabbitmq } from '@blockhub/test-servers';
import { type RunningWorker, startWorker } from '@blockhub/worker';
import { afterAll, afterEach, beforeEach, describe, expect, test } from '@jest/globals';

const server = await rabbitmq();

if ('absent' in server) test.skip(`RabbitMQ (${server.absent})`, () => {});
else {
  afterAll(() => server.close());

  describe('dead letters on RabbitMQ', () => {
    let broker: Broker;
    let running: RunningWorker;
    const origin = `origin-${randomUUID()}`;
    const dead = `dead-${randomUUID()}`;

    beforeEach(async () => {
      broker = await openBroker(server.url);
      await broker.declare([
        { name: dead, kind: 'durable' },
        { name: origin, kind: 'durable', deadLetterTo: dead },
        { name: 'dead-letter.kept', kind: 'durable' },
      ]);
      running = await startWorker(worker, {
        settings: defaults(worker.settings, { in: dead, delay: 500 }),
        broker,
        clock: systemClock,
        random: Math.random,
        log: silentLogger,
        metrics: createMetrics(),
        health: createHealth(),
      });
    });
    afterEach(async () => {
      await running.stop({ graceMs: 1_000 });
      await broker.close();
    });

    const original: Outgoing = { queue: origin, id: 'event', meta: { chain: 'c' }, body: Buffer.from('body') };

    test('after the delay, a dead letter returns to its queue unchanged', async () => {
      const failed = { ...original, attempts: 3, firstAt: 1 };
      await broker.publish([{ ...deadLetter(failed, { code: 'STORE_FULL', message: 'no room', now: 5 }), queue: dead }]);
      const came = Promise.withResolvers<object>();
      await broker.consume(origin, { prefetch: 1 }, (delivery) => {
        delivery.ack();
        came.resolve(delivery);
      });
      expect(await came.promise).toMatchObject({ id: 'event', attempts: 0, body: original.body });
      expect((await came.promise) as Outgoing).toHaveProperty('meta', { chain: 'c', repairs: 1 });
    });
  });
}
