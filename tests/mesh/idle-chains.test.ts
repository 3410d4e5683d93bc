/** @group long: it runs 10,000 chains. */
import { eventTime, hashOf } from '@blockhub/chain';
import { groups, placesOf } from '@blockhub/mesh';
import { declarations, writeIngress } from '@blockhub/message';
import { createHealth, createMetrics, silentLogger } from '@blockhub/telemetry';
import { eventIds } from '@blockhub/worker';
import { createChain } from '@blockhub/writer';
import { expect, test } from '@jest/globals';
import { createWorld, startProcess } from '../simulation/world.ts';

const CHAINS = 10_000;
const HOUR = 3_600_000;
const calm = { failBefore: 0, failAfter: 0, crashBefore: 0, crashAfter: 0, maxDelayMs: 5, named: {} };

test('10,000 chains that had an event each cost no message, no request and no publish in an idle hour', async () => {
  const world = createWorld(1, calm);
  const mesh = await startProcess(world, 'mesh', () => {});
  const sender = await startProcess(world, 'sender', () => {});
  const metrics = createMetrics();
  const newEvent = eventIds(world.clock, world.random);
  let sent = false;
  void (async () => {
    await sender.broker.declare(declarations(1));
    for (const place of placesOf(groups)
      .filter(({ listens }) => !listens)
      .toReversed())
      await place.start({
        ...mesh,
        registry: world.registry,
        instance: place.name,
        log: silentLogger,
        metrics,
        health: createHealth(),
        storeIsSafe: true,
      });
    await Promise.all(
      Array.from({ length: CHAINS }, async (_, n) => {
        const { id, crypt } = await createChain(sender.store, { name: `c${n}`, now: world.clock.now(), random: world.random });
        const event = newEvent();
        const createdAt = eventTime(event);
        const body = Buffer.from(event);
        await sender.broker.publish([
          writeIngress({ event, chain: id, createdAt, crypt, hash: hashOf(crypt, body), length: body.length, meta: {}, body }),
        ]);
      }),
    );
    sent = true;
  })();
  expect(await world.clock.run(() => sent, HOUR)).toBe(true);
  await world.clock.advance(HOUR / 6);
  const before = await work();
  expect(before).toContain(`blockhub_next_field_events_total ${CHAINS}`);
  await world.clock.advance(HOUR);
  expect(await work()).toBe(before);

  /** Everything that is counted of messages, and requests to the store. */
  async function work(): Promise<string> {
    const counts = (await metrics.text()).split('\n').filter((line) => line.startsWith('blockhub_') && line.includes('_total'));
    return [...counts, JSON.stringify(mesh.store.requests)].join('\n');
  }
}, 300_000);
