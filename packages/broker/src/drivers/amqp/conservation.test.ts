import { hasCode } from '@blockhub/errors';
import { type Random, seededRandom } from '@blockhub/faults';
import type { BreakableProxy } from '@blockhub/test-servers';
import { expect, test } from '@jest/globals';
import type { Broker } from '../../types.ts';
import { eventually, outgoing } from './deliveries.fixture.ts';
import { Bench, onRabbit } from './server.fixture.ts';

const MESSAGES = 1_500;
const FAULTS = 25;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Publishes until it is confirmed, as a worker does: the same message again. */
async function insist(broker: Broker, queue: string, id: string): Promise<void> {
  for (;;) {
    try {
      return await broker.publish([outgoing(queue, id)]);
    } catch (error) {
      if (!hasCode(error, 'BROKER_UNAVAILABLE')) throw error;
      await sleep(20);
    }
  }
}

/**
 * One fault: connections reset, or silent for longer than two heartbeats, or refused for a while.
 */
async function harm(proxy: BreakableProxy, random: Random): Promise<void> {
  const kind = random();
  if (kind < 0.6) proxy.cut();
  else {
    proxy.mode = kind < 0.8 ? 'silent' : 'refuse';
    await sleep(random() * 2_500);
    // What was swallowed in between is missing in the middle of a stream: such a connection is
    // worth nothing.
    proxy.cut();
    proxy.mode = 'pass';
  }
  await sleep(random() * 300);
}

await onRabbit('connections that break again and again', (server) => {
  test.each([1, 2, 3])(
    'lose nothing that was confirmed (seed %p)',
    async (seed) => {
      const random = seededRandom(seed);
      const bench = await new Bench(server).open();
      const brokers = await Promise.all([1, 2, 3].map(() => bench.connect('?heartbeat=1')));
      const [sender, ...takers] = brokers as [Broker, ...Broker[]];
      for (const broker of brokers) await broker.declare([{ name: 'a', kind: 'durable' }]);
      const confirmed = new Set<string>();
      const acked = new Map<string, number>();
      const attempts = new Map<string, number>();
      for (const taker of takers) {
        await taker.consume('a', { prefetch: 50 }, (delivery) => {
          const { id } = delivery;
          // Attempts only ever grow by one; a lost ack may let an older copy come again.
          expect(delivery.attempts).toBeLessThanOrEqual((attempts.get(id) ?? 0) + 1);
          attempts.set(id, Math.max(attempts.get(id) ?? 0, delivery.attempts));
          const how = random();
          setTimeout(() => {
            if (how < 0.15) delivery.retry(50);
            else if (how < 0.3) delivery.release();
            else {
              acked.set(id, (acked.get(id) ?? 0) + 1);
              delivery.ack();
            }
          }, random() * 20);
        });
      }
      const sending = Promise.all(
        Array.from({ length: 10 }, async (_, lane) => {
          for (let n = lane; n < MESSAGES; n += 10) {
            await insist(sender, 'a', String(n));
            confirmed.add(String(n));
          }
        }),
      );
      for (let faults = 0; faults < FAULTS; faults++) await harm(bench.proxyOf(brokers[Math.floor(random() * 3)] as Broker), random);
      await sending;
      await eventually(() => expect(acked.size).toBe(MESSAGES), 60_000);
      expect([confirmed.size, [...confirmed].filter((id) => !acked.has(id))]).toEqual([MESSAGES, []]);
      await eventually(
        async () => expect(await sender.queues(['a', 'blockhub.delay.128'])).toMatchObject([{ ready: 0 }, { ready: 0 }]),
        60_000,
      );
      await bench.close();
    },
    180_000,
  );
});
