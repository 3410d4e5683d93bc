import { MemoryBroker } from '@blockhub/broker';
import { VirtualClock } from '@blockhub/clock';
import { type QueueEntry, queueNames, queues, tailsQueue } from '@blockhub/message';
import { MemoryRegistry } from '@blockhub/registry';
import { defaults } from '@blockhub/settings';
import { MemoryStore, Store } from '@blockhub/store';
import { createHealth, createMetrics, silentLogger } from '@blockhub/telemetry';
import { worker as webToMsg } from '@blockhub/web-to-msg';
import { type RunningWorker, type StartOptions, startWorker } from '@blockhub/worker';
import { expect, test } from '@jest/globals';
import { pipeline } from './pipeline.ts';

const PARTITIONS = 3;

/** The queues of a broker that nobody but this worker ever saw. */
async function declaredBy(start: (options: Omit<StartOptions, 'settings'>) => Promise<RunningWorker>): Promise<string[]> {
  const clock = new VirtualClock();
  const broker = new MemoryBroker({ clock }).connect();
  const running = await start({
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
  const declared = new Map<string, Set<string>>([
    [
      'web-to-msg',
      new Set(await declaredBy((options) => startWorker(webToMsg, { ...options, settings: defaults(webToMsg.settings, { port: 0 }) }))),
    ],
  ]);
  for (const stage of pipeline({ partitions: PARTITIONS })) {
    const service = stage.worker.name;
    const before = declared.get(service) ?? [];
    declared.set(service, new Set([...before, ...(await declaredBy((options) => stage.start(options)))]));
  }
  // Nobody asked next-field for receipts of events.
  const entries = Object.values<QueueEntry>(queues).filter((entry) => entry !== queues.receipts);
  for (const [service, names] of declared) {
    const own = entries.filter(({ from, to }) => [...from, ...to].includes(service)).flatMap((entry) => queueNames(entry.name, PARTITIONS));
    const wanted = new Set([...own, queues.deadLetter.name, ...(service === 'msg-merge' ? [tailsQueue('one')] : [])]);
    expect([service, [...names].toSorted()]).toEqual([service, [...wanted].toSorted()]);
  }
  expect(new Set(entries.flatMap(({ from, to }) => [...from, ...to]))).toEqual(new Set([...declared.keys(), 'every service']));
});
