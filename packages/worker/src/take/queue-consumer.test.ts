import { BlockhubError } from '@blockhub/errors';
import type { Message } from '@blockhub/message';
import { describe, expect, test } from '@jest/globals';
import { done, reject, retry } from '../outcome.ts';
import { deadLetters, depth, handling, ids, inOut, keepLog, MINUTE, out, SECOND, scripted } from '../testing/fixtures.ts';
import { type TestOptions, testWorker } from '../testing/test-worker.ts';
import type { BatchHandled, BatchPolicy } from '../types.ts';

const HOUR = 60 * MINUTE;
const many = (count: number): { id: string }[] => Array.from({ length: count }, (_, n) => ({ id: `m${n}` }));

type Batch = readonly Message[];

/** A worker with batches, and what they held. */
async function batching(
  batch: BatchPolicy,
  handleBatch: (messages: Batch) => BatchHandled,
  { prefetch, ...options }: TestOptions<Record<never, never>> & { prefetch?: number } = {},
) {
  const seen: string[][] = [];
  const handle = (messages: Batch): BatchHandled => {
    seen.push(messages.map(({ id }) => id));
    return handleBatch(messages);
  };
  const sample = await testWorker(inOut({ handleBatch: handle, take: { batch, ...(prefetch && { prefetch }) } }), options);
  return Object.assign(sample, { seen });
}

describe('one by one', () => {
  test('no more messages are in handlers than the prefetch, and one that waits blocks none', async () => {
    let now = 0;
    let most = 0;
    const handle = async ({ id }: Message, { clock }: { clock: { sleep(ms: number): Promise<void> } }): Promise<void> => {
      most = Math.max(most, ++now);
      await clock.sleep(id === 'm0' ? 10 * SECOND : 10);
      now--;
    };
    await using sample = await handling(handle, { take: { prefetch: 4 } });
    await sample.publish('in', ...many(40));
    await sample.run(SECOND);
    expect(most).toBe(4);
    expect(await depth(sample, 'in')).toBe(1);
    await sample.run(10 * SECOND);
    expect(await depth(sample, 'in')).toBe(0);
  });

  test('a handler that never ends gives its message back before the broker takes it', async () => {
    const tries: number[] = [];
    const log = keepLog();
    const handle = (_: Message, { clock }: { clock: { now(): number } }): Promise<void> | undefined => {
      tries.push(clock.now());
      return tries.length < 3 ? new Promise<void>(() => {}) : undefined;
    };
    await using sample = await handling(handle, { log });
    await sample.publish('in', { id: 'a' });
    await sample.run(HOUR);
    expect(tries.slice(1).map((at, n) => at - (tries[n] ?? 0) < 20 * MINUTE)).toEqual([true, true]);
    expect(await depth(sample, 'in')).toBe(0);
    expect(log.lines.filter(({ level }) => level === 'error')).toHaveLength(2);
  });

  test('what a handler gives after its message went back is dropped', async () => {
    let tries = 0;
    let finish = (): void => {};
    const late = new Promise<void>((resolve) => (finish = resolve)).then(() => done([out('late')]));
    const handle = () => (++tries === 1 ? late : done());
    await using sample = await handling(handle);
    await sample.publish('in', { id: 'a' });
    await sample.run(HOUR);
    finish();
    await sample.run(SECOND);
    expect(await ids(sample, 'out')).toEqual([]);
    expect(await depth(sample, 'in')).toBe(0);
  });

  test('a connection lost while handling: handled again, acked once, nothing lost', async () => {
    const handled: string[] = [];
    const handle = async ({ id }: Message, { clock }: { clock: { sleep(ms: number): Promise<void> } }) => {
      handled.push(id);
      await clock.sleep(100);
      return done([out(id)]);
    };
    await using sample = await handling(handle);
    await sample.publish('in', ...many(3));
    await sample.run(50);
    sample.connection.disconnect();
    await sample.publish('in', { id: 'new' });
    expect(sample.health.ready()).toBe(false);
    await sample.run(10 * SECOND);
    expect(sample.health.ready()).toBe(true);
    expect(handled.slice(0, 3)).toEqual(['m0', 'm1', 'm2']);
    // The acks of the first handling are dropped, so all three came again; their neighbour came
    // once.
    expect(handled.slice(3).sort()).toEqual(['m0', 'm1', 'm2', 'new']);
    expect(new Set(await ids(sample, 'out'))).toEqual(new Set(['m0', 'm1', 'm2', 'new']));
    expect(await depth(sample, 'in')).toBe(0);
  });
});

describe('transport trouble', () => {
  test('pauses the take instead of failing message by message, shows in readiness, and ends by itself', async () => {
    let calls = 0;
    let away = true;
    const log = keepLog();
    await using sample = await handling(
      () => {
        calls++;
        if (away) throw new BlockhubError('STORE_UNAVAILABLE', 'away');
      },
      { log, take: { prefetch: 10 } },
    );
    await sample.publish('in', ...many(1000));
    await sample.run(MINUTE);
    // About a dozen pauses of growing length, and what was in handlers at the start of each.
    expect(calls).toBeLessThan(150);
    expect(sample.health.report().checks['sample: take in']).toMatchObject({
      ok: false,
      detail: expect.stringMatching(/^STORE_UNAVAILABLE: away\. .*tries again by itself\.$/),
    });
    const warnings = log.lines.filter(({ level }) => level === 'warn');
    expect(warnings.length).toBeLessThan(20);
    away = false;
    await sample.run(2 * MINUTE);
    expect(await depth(sample, 'in')).toBe(0);
    expect(sample.health.ready()).toBe(true);
  });

  test('of one message does not hold up the others for long', async () => {
    const times: number[] = [];
    await using sample = await handling(({ id }, { clock }) => {
      if (id === 'm0') throw new BlockhubError('STORE_UNAVAILABLE', 'away');
      times.push(clock.now());
    });
    const start = sample.clock.now();
    await sample.publish('in', ...many(50));
    await sample.run(10 * SECOND);
    expect(times).toHaveLength(49);
    expect(Math.max(...times) - start).toBeLessThan(SECOND);
    await sample.stop();
  });

  test('is over after a while without a failure, even if nothing comes', async () => {
    let fail = true;
    await using sample = await handling(() => {
      if (!fail) return done();
      fail = false;
      throw new BlockhubError('STORE_FULL', 'full');
    });
    await sample.publish('in', { id: 'a' });
    await sample.run(10);
    expect(sample.health.ready()).toBe(false);
    await (await sample.broker.consume('in', { prefetch: 10 }, (delivery) => delivery.ack())).cancel();
    await sample.run(MINUTE);
    expect(sample.health.ready()).toBe(true);
  });
});

describe('batches', () => {
  test('go when full, or when the oldest has waited', async () => {
    await using sample = await batching({ max: 4, ttlMs: 50 }, () => done());
    await sample.publish('in', ...many(10));
    await sample.run(49);
    expect(sample.seen).toEqual([
      ['m0', 'm1', 'm2', 'm3'],
      ['m4', 'm5', 'm6', 'm7'],
    ]);
    await sample.run(1);
    expect(sample.seen[2]).toEqual(['m8', 'm9']);
    expect(await depth(sample, 'in')).toBe(0);
  });

  test('go as soon as they may, also behind one that was to wait for longer', async () => {
    const times: number[] = [];
    let ms = 5_000;
    await using sample = await testWorker(
      inOut({
        take: { batch: { max: 2, ttlMs: 100, mostTtlMs: 10_000 } },
        handleBatch: async (_, { clock }) => {
          times.push(clock.ticks());
          await clock.sleep(ms);
        },
      }),
    );
    await sample.publish('in', ...many(2));
    await sample.run(ms);
    ms = 1;
    await sample.publish('in', { id: 'one' });
    await sample.run(500);
    await sample.publish('in', { id: 'two' });
    await sample.run(ms);
    const from = sample.clock.ticks();
    await sample.publish('in', { id: 'three' });
    await sample.run(100);
    expect(times.length).toBe(3);
    expect((times[2] ?? Number.NaN) - from).toBe(100);
  });

  test('one outcome for all: published once, then all acked', async () => {
    await using sample = await batching({ max: 3, ttlMs: 50 }, (messages) => done([out(messages.map(({ id }) => id).join())]), {
      plan: scripted({ publish: ['fail-after'] }),
    });
    await sample.publish('in', ...many(3));
    await sample.run(SECOND);
    expect(await ids(sample, 'out')).toEqual(['m0,m1,m2', 'm0,m1,m2']);
    expect(sample.seen).toHaveLength(1);
    expect(await depth(sample, 'in')).toBe(0);
  });

  test('a process that dies at the publish of a batch loses nothing', async () => {
    const sample = await batching({ max: 3, ttlMs: 50 }, () => done([out('x')]), { plan: scripted({ publish: ['crash-before'] }) });
    await sample.publish('in', ...many(3));
    await sample.run(SECOND);
    expect(await ids(sample, 'in')).toEqual(['m0', 'm1', 'm2']);
  });

  test('an outcome for each', async () => {
    const outcomes = { m0: done([out('x')]), m1: reject('MESSAGE_INVALID', 'no', 'msg.doc'), m2: retry(HOUR, 'later'), m3: done() };
    await using sample = await batching({ max: 4, ttlMs: 50 }, (messages) =>
      messages.map(({ id }) => outcomes[id as keyof typeof outcomes]),
    );
    await sample.publish('in', ...many(4));
    await sample.run(SECOND);
    expect(await ids(sample, 'out')).toEqual(['x']);
    expect(await deadLetters(sample)).toMatchObject([{ code: 'MESSAGE_INVALID', path: 'msg.doc', original: { id: 'm1' } }]);
    expect(await sample.queue('in')).toMatchObject([{ id: 'm2', attempts: 1 }]);
  });

  test('too few or too many outcomes are a fault of the handler: nothing is acked', async () => {
    await using sample = await batching({ max: 2, ttlMs: 50 }, () => []);
    await sample.publish('in', ...many(2));
    await sample.run(100);
    expect(await depth(sample, 'in')).toBe(2);
  });

  test.each([
    ['a BlockhubError', () => new BlockhubError('MESSAGE_INVALID', 'bad'), 1],
    ['any other error', () => new Error('bad'), 20],
  ])('one message that makes the handler throw %s is found, and its neighbours pass at once', async (_, error, attempts) => {
    await using sample = await batching({ max: 64, ttlMs: 50 }, (messages) => {
      if (messages.some(({ id }) => id === 'm13')) throw error();
      return done(messages.map(({ id }) => out(id)));
    });
    await sample.publish('in', ...many(64));
    await sample.run(SECOND);
    expect(await ids(sample, 'out')).toHaveLength(63);
    expect(sample.seen.length).toBeLessThan(20);
    await sample.run(2 * HOUR);
    expect(await deadLetters(sample)).toMatchObject([{ attempts, original: { id: 'm13' } }]);
    expect(await depth(sample, 'in')).toBe(0);
  });

  test('a transient error lets all come again, not in halves', async () => {
    let away = true;
    await using sample = await batching({ max: 4, ttlMs: 5 }, () => {
      if (!away) return done();
      away = false;
      throw new BlockhubError('STORE_UNAVAILABLE', 'away');
    });
    await sample.publish('in', ...many(4));
    await sample.run(MINUTE);
    expect(sample.seen[0]).toHaveLength(4);
    expect(sample.seen.slice(1).flat().sort()).toEqual(['m0', 'm1', 'm2', 'm3']);
    expect(await depth(sample, 'in')).toBe(0);
  });

  test('a message that comes twice while it waits is handled once and acked with its twin', async () => {
    await using sample = await batching({ max: 3, ttlMs: 50 }, () => done());
    await sample.publish('in', { id: 'a' }, { id: 'a' }, { id: 'b' }, { id: 'a' });
    await sample.run(SECOND);
    expect(sample.seen).toEqual([['a', 'b']]);
    expect(await depth(sample, 'in')).toBe(0);
  });

  test('keys do not mix, and a key that fails rejects its message', async () => {
    const key = ({ id, meta }: Message): string => {
      if (id === 'bad') throw new BlockhubError('TEMPLATE_FIELD_MISSING', 'no chain', { details: { path: 'msg.meta.chain' } });
      return String(meta.chain);
    };
    await using sample = await batching({ max: 2, ttlMs: 50, key }, () => done());
    const of = (id: string, chain: string) => ({ id, meta: { chain } });
    await sample.publish('in', of('a1', 'a'), of('b1', 'b'), { id: 'bad' }, of('a2', 'a'), of('a3', 'a'));
    await sample.run(SECOND);
    expect(sample.seen).toEqual([['a1', 'a2'], ['b1'], ['a3']]);
    expect(await deadLetters(sample)).toMatchObject([{ code: 'TEMPLATE_FIELD_MISSING', path: 'msg.meta.chain' }]);
    expect(await depth(sample, 'in')).toBe(0);
  });

  test('fewer than min go back without an attempt, until they are enough', async () => {
    await using sample = await batching({ min: 3, max: 10, ttlMs: 50 }, () => done());
    await sample.publish('in', ...many(2));
    await sample.run(SECOND);
    expect(sample.seen).toEqual([]);
    await sample.publish('in', { id: 'm2' });
    await sample.run(SECOND);
    expect(sample.seen).toEqual([['m0', 'm1', 'm2']]);
    expect(await depth(sample, 'in')).toBe(0);
  });

  test('more keys than the prefetch: no deadlock', async () => {
    await using sample = await batching({ max: 100, ttlMs: HOUR, key: ({ id }) => id }, (messages) => done([out(messages[0]?.id ?? '')]), {
      prefetch: 8,
    });
    await sample.publish('in', ...many(100));
    await sample.run(SECOND);
    expect(sample.seen.length).toBeGreaterThan(90);
    expect(await depth(sample, 'in')).toBeLessThan(8);
  });

  test('a policy that waits for hours does not let the broker lose patience', async () => {
    await using sample = await batching({ max: 100, ttlMs: 5 * HOUR }, () => done());
    await sample.publish('in', ...many(3));
    await sample.run(11 * MINUTE);
    expect(sample.seen).toEqual([['m0', 'm1', 'm2']]);
  });

  test('a policy that cannot be met is refused', async () => {
    await expect(batching({ max: 2, min: 3, ttlMs: 1 }, () => done())).rejects.toThrow('batch policy of in');
    await expect(batching({ max: 2, ttlMs: 1 }, () => done(), { prefetch: 0.5 })).rejects.toThrow('prefetch of in');
  });
});
