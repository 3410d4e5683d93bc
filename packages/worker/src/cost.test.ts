import { execFileSync } from 'node:child_process';
import { expect, test } from '@jest/globals';

/** CPU per message of the runtime alone, in a process of its own: a broker that only hands over, a handler that does nothing. */
function measure(batch: boolean): { readonly us: number } {
  const source = `
    import { systemClock } from '@blockhub/clock';
    import { createHealth, createMetrics, silentLogger } from '@blockhub/telemetry';
    import { done, startWorker } from './index.ts';
    import { inOut } from './fixtures.ts';
    let give;
    const nothing = async () => {};
    const broker = {
      state: 'connected', onState: () => () => {}, declare: nothing, publish: nothing,
      consume: async (_queue, _options, onDelivery) => { give = onDelivery; return { cancel: nothing }; },
    };
    const take = ${batch ? '{ prefetch: 2000, batch: { max: 1000, maxBytes: 4e6, ttlMs: 5 } }' : '{ prefetch: 2000 }'};
    const out = { queue: 'out', id: 'x', meta: {}, body: Buffer.alloc(0) };
    const worker = inOut({ take, ${batch ? 'handleBatch: () => done([out])' : 'handle: async () => done([out])'} });
    const running = await startWorker(worker, { settings: {}, broker, clock: systemClock, random: Math.random, log: silentLogger, metrics: createMetrics(), health: createHealth() });
    const body = Buffer.alloc(500);
    const meta = { chain: 'c' };
    let acked = 0;
    const delivery = (n) => ({ id: 'id' + n, queue: 'in', meta, body, attempts: 0, firstAt: 0, ack() { acked++; }, retry() {}, release() {} });
    const ROUND = 1000;
    let best = Infinity;
    for (let round = 0; round < 300; round++) {
      const deliveries = Array.from({ length: ROUND }, (_, n) => delivery(n));
      const start = performance.now();
      for (const one of deliveries) give(one);
      while (acked < ROUND * (round + 1)) await null;
      best = Math.min(best, performance.now() - start);
    }
    await running.stop({ graceMs: 0 });
    console.log(JSON.stringify({ us: best * 1000 / ROUND }));`;
  return JSON.parse(
    execFileSync(process.execPath, ['--input-type=module', '--eval', source], { cwd: import.meta.dirname, encoding: 'utf8' }),
  );
}

test('a message costs the runtime at most 5 µs in batches and 10 µs alone', () => {
  expect(measure(true).us).toBeLessThan(5);
  expect(measure(false).us).toBeLessThan(10);
});
