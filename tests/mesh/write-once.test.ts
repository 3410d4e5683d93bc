import { MemoryBroker } from '@blockhub/broker';
import { systemClock } from '@blockhub/clock';
import { seededPlan, seededRandom } from '@blockhub/faults';
import { groups, placesOf } from '@blockhub/mesh';
import { queues } from '@blockhub/message';
import { MemoryRegistry } from '@blockhub/registry';
import { MemoryStore, Store, type StoreDriver } from '@blockhub/store';
import { createHealth, createMetrics, silentLogger } from '@blockhub/telemetry';
import { verifyChain, walk } from '@blockhub/walker';
import type { RunningWorker } from '@blockhub/worker';
import { createChain } from '@blockhub/writer';
import { expect, test } from '@jest/globals';

class Refused extends Error {}

/** A bucket under a write-once lock: it creates objects, and refuses to replace or remove them. */
function writeOnce(honest: StoreDriver, refused: string[]): StoreDriver {
  const refuse = (key: string): Promise<never> => {
    refused.push(key);
    return Promise.reject(new Refused(`${key} is locked`));
  };
  return { ...honest, put: refuse, remove: refuse, classify: (error) => (error instanceof Refused ? 'denied' : honest.classify(error)) };
}

/**
 * Faults that often repeat a step. The repeated step must find the object of the first one and must
 * not replace it.
 */
const rates = {
  failBefore: 0.02,
  failAfter: 0.05,
  crashBefore: 0,
  crashAfter: 0,
  maxDelayMs: 2,
  named: { 'deliver-twice': 0.2, 'two-active': 0.2, reorder: 0.1 },
};

test('every service works in a bucket where nothing can be replaced or removed', async () => {
  const random = seededRandom(4);
  const plan = seededPlan(seededRandom(5), rates, () => true);
  const server = new MemoryBroker({ clock: systemClock, random });
  const broker = server.connect({ name: 'calm' });
  const refused: string[] = [];
  const store = new Store(writeOnce(new MemoryStore().driver({ plan }), refused), { clock: systemClock, random });
  const registry = new MemoryRegistry();
  const health = createHealth();
  const parts = { store, registry, clock: systemClock, random, log: silentLogger, metrics: createMetrics(), health };
  const running: RunningWorker[] = [];
  try {
    await store.assertSafe();
    expect(refused.length).toBeGreaterThan(0);
    const { id: chain } = await createChain(store, { name: 'default', now: systemClock.now(), random });
    const places = placesOf(groups, { of: { 'web-to-msg': { port: 0, messageLimit: 300_000 } } });
    for (const place of places.toReversed()) {
      const connection = place.listens ? broker : server.connect({ plan });
      running.push(await place.start({ ...parts, broker: connection, instance: place.name }));
    }
    const url = health.report().checks.listening?.detail ?? '';

    // Each body occurs twice. Some are small and packed, some are stored by deploy, and some by
    // capture as objects of their own.
    const bodies = Array.from({ length: 40 }, (_, n) => `${n >> 1} ${'x'.repeat([20, 200, 270_000, 20, 310_000][(n >> 1) % 5] ?? 0)}`);
    const events = new Set<string>();
    for (const body of bodies) events.add(await post(url, body));
    expect(events.size).toBe(bodies.length);

    let seen: string[] = [];
    do {
      await new Promise((resolve) => setTimeout(resolve, 20));
      // Only the probe tries to replace or remove objects.
      expect(refused.filter((key) => !key.startsWith('probe/'))).toEqual([]);
      seen = await eventsOf(store, chain);
    } while (![...events].every((event) => seen.includes(event)));
    expect(new Set(seen).size).toBe(seen.length);
    const report = await verifyChain(store, chain, { level: 'full' });
    expect([report.faults, report.unchecked]).toEqual([[], []]);
    expect(await Array.fromAsync(broker.browse(queues.kept.name))).toEqual([]);
  } finally {
    for (const worker of running.toReversed()) await worker.stop({ graceMs: 0 });
  }
}, 60_000);

/** Posts until the answer is 201, as a sender does; gives its event. */
async function post(url: string, body: string): Promise<string> {
  for (;;) {
    const answer = await fetch(`${url}/append/chain/default`, { method: 'POST', body });
    const { event } = (await answer.json()) as { event?: string };
    if (answer.status === 201) return String(event);
    expect(answer.status).toBe(503);
  }
}

/** The events of all bodies in the chain, without request documents. */
async function eventsOf(store: Store, chain: string): Promise<string[]> {
  const events: string[] = [];
  for await (const { blocks } of walk(store, { chain }))
    for (const { event, meta } of blocks.flatMap(({ blobs }) => blobs)) if (meta.about === undefined) events.push(event);
  return events;
}
