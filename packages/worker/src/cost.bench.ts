/**
 * `node packages/worker/src/cost.bench.ts` measures the CPU per event id, and per message of the
 * runtime alone: with a broker that only hands over and a handler that does nothing.
 */
import type { Broker, Delivery } from '@blockhub/broker';
import { systemClock } from '@blockhub/clock';
import { createHealth, createMetrics, silentLogger } from '@blockhub/telemetry';
import { startWorker } from './instance/instance.ts';
import { done } from './outcome.ts';
import { eventIds, systemRandom } from './random.ts';
import { inOut } from './testing/fixtures.ts';

const ROUNDS = 300;
const ROUND = 1000;

for (const batch of [true, false]) process.stdout.write(`${batch ? 'in batches' : 'alone'}: ${(await measure(batch)).toFixed(2)} µs\n`);
process.stdout.write(`an event id: ${measureIds().toFixed(2)} µs\n`);

/** Microseconds in the best round. */
function measureIds(): number {
  const newEvent = eventIds(systemClock, systemRandom);
  let best = Number.POSITIVE_INFINITY;
  for (let round = 1; round <= ROUNDS; round++) {
    const start = performance.now();
    for (let n = 0; n < ROUND; n++) newEvent();
    best = Math.min(best, performance.now() - start);
  }
  return (best * 1000) / ROUND;
}

/** Microseconds in the best round. */
async function measure(batch: boolean): Promise<number> {
  let give: (delivery: Delivery) => void = () => undefined;
  const nothing = async (): Promise<void> => undefined;
  const broker = {
    state: 'connected',
    onState: () => () => undefined,
    declare: nothing,
    publish: nothing,
    async consume(_queue: string, _options: unknown, onDelivery: typeof give) {
      give = onDelivery;
      return { cancel: nothing };
    },
  } as unknown as Broker;
  const out = { queue: 'out', id: 'x', meta: {}, body: Buffer.alloc(0) };
  const worker = batch
    ? inOut({ take: { prefetch: 2000, batch: { max: ROUND, maxBytes: 4e6, ttlMs: 5 } }, handleBatch: () => done([out]) })
    : inOut({ take: { prefetch: 2000 }, handle: async () => done([out]) });
  const parts = { clock: systemClock, random: Math.random, log: silentLogger, metrics: createMetrics(), health: createHealth() };
  const running = await startWorker(worker, { settings: {}, broker, ...parts });
  const [body, meta] = [Buffer.alloc(500), { chain: 'c' }];
  let acked = 0;
  const ack = (): void => void acked++;
  const nothingElse = (): void => undefined;
  const settle = { ack, retry: nothingElse, release: nothingElse };
  const delivery = (n: number): Delivery => ({ id: `id${n}`, queue: 'in', meta, body, attempts: 0, firstAt: 0, ...settle });
  let best = Number.POSITIVE_INFINITY;
  for (let round = 1; round <= ROUNDS; round++) {
    const deliveries = Array.from({ length: ROUND }, (_, n) => delivery(n));
    const start = performance.now();
    for (const one of deliveries) give(one);
    while (acked < ROUND * round) await null;
    best = Math.min(best, performance.now() - start);
  }
  await running.stop({ graceMs: 0 });
  return (best * 1000) / ROUND;
}
