import { MemoryBroker } from '@blockhub/broker';
import { VirtualClock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import type { Message } from '@blockhub/message';
import { createHealth, createMetrics, silentLogger } from '@blockhub/telemetry';
import { expect, test } from '@jest/globals';
import { done, type Outcome, retry } from '../outcome.ts';
import type { Random } from '../random.ts';
import { type AnyContext, inOut, type Plan, SECOND } from '../testing/fixtures.ts';
import { startWorker } from './instance.ts';
import type { RunningWorker } from './running-worker.ts';

/**
 * Every message is in the end in `out` or a dead letter, whatever fails. What comes out twice is
 * allowed: hops are at least once.
 */

const HOUR = 3_600_000;
const MESSAGES = 60;

function seeded(seed: number): Random {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** One in twelve effects goes wrong, until the trouble is over. */
function troubled(random: Random, active: () => boolean): Plan {
  const rates: Record<string, number> = { disconnect: 0.01, 'deliver-twice': 0.05, reorder: 0.1, 'part-publish': 0.3 };
  return {
    random,
    chance: (fault) => active() && random() < (rates[fault] ?? 0),
    decide() {
      const delayMs = random() * 20;
      const answerMs = random() * 20;
      const dice = active() ? random() : 1;
      const outcome =
        dice < 0.03 ? 'fail-before' : dice < 0.06 ? 'fail-after' : dice < 0.07 ? 'crash-before' : dice < 0.08 ? 'crash-after' : 'ok';
      return { outcome, delayMs, answerMs };
    },
  };
}

/** A handler that is as bad as the broker. */
function bad(random: Random, active: () => boolean) {
  return async ({ id }: Message, { clock }: AnyContext): Promise<Outcome> => {
    if (random() < 0.5) await clock.sleep(random() * 100);
    if (active()) {
      const dice = random();
      if (dice < 0.03) throw new BlockhubError('STORE_UNAVAILABLE', 'away');
      if (dice < 0.06) throw new Error('odd');
      if (dice < 0.08) return retry(50, 'later');
      if (dice < 0.1) throw new BlockhubError('MESSAGE_INVALID', 'bad');
    }
    return done([{ queue: 'out', id, meta: {}, body: Buffer.alloc(0) }]);
  };
}

async function play(seed: number, batch: boolean) {
  const random = seeded(seed);
  const clock = new VirtualClock();
  const server = new MemoryBroker({ clock, random });
  let trouble = true;
  let over = false;
  const active = (): boolean => trouble;
  const one = bad(random, active);
  const handleBatch = async (messages: readonly Message[], context: AnyContext): Promise<Outcome[]> =>
    Promise.all(messages.map((message) => one(message, context)));
  const worker = inOut({
    ...(batch ? { handleBatch, take: { prefetch: 12, batch: { max: 5, ttlMs: 40 } } } : { handle: one, take: { prefetch: 12 } }),
    declares: () => ['in', 'out'].map((name) => ({ name, kind: 'durable' as const })),
  });
  const running = new Map<RunningWorker, () => void>();
  const start = (): void => {
    if (over) return;
    let gone = false;
    let mine: RunningWorker | undefined;
    const replace = (): void => {
      if (mine) running.delete(mine);
      if (!gone) clock.after(100 + random() * SECOND, start);
      gone = true;
    };
    const broker = server.connect({ plan: troubled(random, active), crash: replace });
    const parts = { settings: {}, broker, clock, random, log: silentLogger, metrics: createMetrics(), health: createHealth() };
    void startWorker(worker, parts).then((ready) => {
      mine = ready;
      if (!gone) running.set(ready, replace);
    });
  };
  start();
  start();
  const sender = server.connect();
  await sender.declare([{ name: 'in', kind: 'durable' }]);
  for (let n = 0; n < MESSAGES; n++) {
    await sender.publish([{ queue: 'in', id: `m${n}`, meta: {}, body: Buffer.alloc(0) }]);
    if (random() < 0.2) await clock.advance(random() * 300);
    const [some] = running;
    // A rolling restart in the middle of it.
    if (some && random() < 0.05) {
      const [old, replace] = some;
      void old.stop({ graceMs: random() * 200 });
      replace();
    }
  }
  await clock.advance(30 * SECOND);
  trouble = false;
  await clock.advance(2 * HOUR);
  over = true;
  const stopping = Promise.all([...running.keys()].map((one) => one.stop({ graceMs: SECOND })));
  await clock.advance(10 * SECOND);
  await stopping;
  const all = new Map((await sender.queues()).map((queue) => [queue.name, queue]));
  const seen = new Set<string>();
  for (const name of ['out', 'dead-letter']) for await (const { id } of sender.browse(name)) seen.add(id);
  const left = all.get('in');
  return { seen: seen.size, left: left ? left.ready + left.delayed + left.unacked : -1, running: running.size };
}

test.each([
  ['one by one', false],
  ['in batches', true],
])('%s: nothing is lost and all becomes quiet, whatever fails', async (_, batch) => {
  for (let seed = 1; seed <= 150; seed++) {
    const { seen, left, running } = await play(seed, batch);
    expect({ seed, seen, left, running }).toEqual({ seed, seen: MESSAGES, left: 0, running: 2 });
  }
});
