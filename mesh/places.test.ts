import { MemoryBroker } from '@blockhub/broker';
import { VirtualClock } from '@blockhub/clock';
import { catalogues, queueEntries, queueNames, queues } from '@blockhub/message';
import { MemoryRegistry } from '@blockhub/registry';
import { MemoryStore, Store } from '@blockhub/store';
import { createHealth, createMetrics, silentLogger } from '@blockhub/telemetry';
import { expect, test } from '@jest/globals';
import { groups, type Place, placesOf } from './index.ts';

const PARTITIONS = 3;

/** The queues that are on a new broker after this place has started. */
async function declaredBy(place: Place): Promise<string[]> {
  const clock = new VirtualClock();
  const broker = new MemoryBroker({ clock }).connect();
  const running = await place.start({
    broker,
    store: new Store(new MemoryStore({ clock }).driver(), { clock }),
    registry: new MemoryRegistry(),
    clock,
    random: () => 0.5,
    log: silentLogger,
    metrics: createMetrics(),
    health: createHealth(),
    instance: 'one',
    storeIsSafe: true,
  });
  const names = (await broker.queues()).map(({ name }) => name);
  await running.stop({ graceMs: 0 });
  return names;
}

test('each service declares the queues that it takes from and gives to by the catalogue, and no others', async () => {
  const declared = new Map<string, Set<string>>();
  for (const one of placesOf(groups, { partitions: PARTITIONS })) {
    const place = one.listens ? one.with({ port: 0 }) : one;
    const service = place.worker.name;
    declared.set(service, new Set([...(declared.get(service) ?? []), ...(await declaredBy(place))]));
  }
  // next-field gives receipts of events only if its setting `receipts` names their queue.
  const entries = queueEntries().filter((entry) => entry !== queues.receipts);
  for (const [service, names] of declared) {
    const own = entries.filter(({ from, to }) => [...from, ...to].includes(service)).flatMap((entry) => queueNames(entry.name, PARTITIONS));
    const wanted = new Set([
      ...own,
      queues.deadLetter.name,
      ...(service === 'msg-merge' ? [queues.tails.name.replace('{instance}', 'one')] : []),
    ]);
    expect([service, [...names].toSorted()]).toEqual([service, [...wanted].toSorted()]);
  }
  expect(new Set(entries.flatMap(({ from, to }) => [...from, ...to]))).toEqual(new Set([...declared.keys(), 'every service']));
});

test('each group has a catalogue of its name, and names of places are unique', () => {
  expect(Object.keys(catalogues).filter((name) => !groups.some((group) => group.name === name))).toEqual([]);
  const names = groups.flatMap(({ places }) => places.map(({ name }) => name));
  expect(new Set(names).size).toBe(names.length);
});

test('settings of a mesh reach the places that have them', () => {
  const places = placesOf(groups, { partitions: 4, of: { grouper: { ttl: 10 } } });
  const of = (name: string): unknown => places.find((place) => place.name === name)?.settings;
  expect(of('grouper')).toEqual({ partitions: 4, ttl: 10 });
  expect(of('patchblock')).toEqual({});
  expect(() => placesOf(groups, { of: { grouperx: {} } })).toThrow('no place has the name grouperx');
});
