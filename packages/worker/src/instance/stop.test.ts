import { BlockhubError } from '@blockhub/errors';
import type { Message } from '@blockhub/message';
import { describe, expect, test } from '@jest/globals';
import { done, retry } from '../outcome.ts';
import { depth, handling, ids, inOut, keepLog, out, SECOND } from '../testing/fixtures.ts';
import { testWorker } from '../testing/test-worker.ts';
import type { Context } from '../types.ts';

type Any = Context<Record<never, never>, unknown>;
const many = (count: number): { id: string }[] => Array.from({ length: count }, (_, n) => ({ id: `m${n}` }));

describe('stop', () => {
  test('under load: what is in handlers is finished, the rest stays in the queue, nothing is lost or done twice', async () => {
    const handle = async ({ id }: Message, { clock, random }: Any) => {
      await clock.sleep(10 + 40 * random());
      return done([out(id)]);
    };
    const sample = await handling(handle, { take: { prefetch: 20 } });
    await sample.publish('in', ...many(200));
    await sample.run(95);
    await sample.stop();
    expect(sample.worker.state).toBe('stopped');
    const after = await ids(sample, 'out');
    expect(after.length).toBeGreaterThan(40);
    expect([...after, ...(await ids(sample, 'in'))].sort()).toEqual(
      many(200)
        .map(({ id }) => id)
        .sort(),
    );
    expect((await sample.queue('in')).every(({ attempts }) => attempts === 0)).toBe(true);
  });

  test('batches go at once, those below their min go back', async () => {
    const seen: string[][] = [];
    const key = ({ id }: Message): string => id.slice(0, 1);
    const handleBatch = (messages: readonly Message[]): void => void seen.push(messages.map(({ id }) => id));
    const sample = await testWorker(inOut({ handleBatch, take: { batch: { min: 2, max: 10, ttlMs: 60 * SECOND, key } } }));
    await sample.publish('in', { id: 'a1' }, { id: 'b1' }, { id: 'a2' });
    await sample.run(10);
    await sample.stop();
    expect(seen).toEqual([['a1', 'a2']]);
    expect(await ids(sample, 'in')).toEqual(['b1']);
  });

  test('a message without a batch is a dead letter before the stop is over', async () => {
    const key = (): string => {
      throw new BlockhubError('MESSAGE_INVALID', 'no key');
    };
    const sample = await testWorker(inOut({ handleBatch: () => {}, take: { batch: { max: 10, ttlMs: 60 * SECOND, key } } }));
    const order: string[] = [];
    void sample.worker.stopped.then(() => order.push('stopped'));
    const { connection } = sample;
    const publish = connection.publish.bind(connection);
    connection.publish = async (messages) => {
      await sample.clock.sleep(200);
      await publish(messages);
      order.push('published');
    };
    await sample.publish('in', { id: 'm' });
    await sample.run(10);
    await sample.stop(5 * SECOND);
    expect(order).toEqual(['published', 'stopped']);
    expect([await ids(sample, 'in'), await ids(sample, 'dead-letter')]).toEqual([[], ['m']]);
  });

  test('after the grace everything goes back, without an attempt', async () => {
    const log = keepLog();
    const sample = await handling(() => new Promise<void>(() => {}), { log });
    await sample.publish('in', ...many(3));
    await sample.run(10);
    const before = sample.clock.now();
    await sample.stop(5 * SECOND);
    expect(sample.clock.now() - before).toBeLessThanOrEqual(6 * SECOND);
    expect(await sample.queue('in')).toMatchObject([{ attempts: 0 }, { attempts: 0 }, { attempts: 0 }]);
    expect(log.lines).toContainEqual(expect.objectContaining({ messages: 3, text: 'grace is over, messages released' }));
  });

  test('a handler that waits is notified and gives up at once, without an attempt', async () => {
    const handle = async ({ id }: Message, { draining }: Any) => {
      await new Promise((resolve) => draining.addEventListener('abort', resolve));
      if (id === 'm0') throw new BlockhubError('STORE_UNAVAILABLE', 'closing');
      return retry(0, 'draining');
    };
    const sample = await handling(handle);
    await sample.publish('in', ...many(2));
    await sample.run(10);
    const before = sample.clock.now();
    await sample.stop(60 * SECOND);
    expect(sample.clock.now() - before).toBeLessThan(2 * SECOND);
    expect(await sample.queue('in')).toMatchObject([
      { id: 'm0', attempts: 0 },
      { id: 'm1', attempts: 0 },
    ]);
  });

  test('a publish that fails then gives up, and its message goes back', async () => {
    const sample = await handling(() => done([out('x')]));
    sample.connection.publish = () => Promise.reject(new BlockhubError('BROKER_UNAVAILABLE', 'away'));
    await sample.publish('in', { id: 'a' });
    await sample.run(10 * SECOND);
    expect(sample.health.report().checks['sample: publishing']).toMatchObject({ ok: false });
    await sample.stop();
    expect(await sample.queue('in')).toMatchObject([{ id: 'a', attempts: 0 }]);
  });

  test('is one stop, however often it is asked for; a shorter grace counts', async () => {
    let stops = 0;
    const sample = await testWorker(inOut({ handle: () => new Promise<void>(() => {}), stop: () => void stops++ }));
    await sample.publish('in', { id: 'a' });
    await sample.run(10);
    const slow = sample.worker.stop({ graceMs: 60 * SECOND });
    await sample.run(SECOND);
    expect(sample.worker.state).toBe('draining');
    expect(sample.worker.stop({ graceMs: 0 })).toBe(slow);
    await slow;
    await sample.worker.stopped;
    expect(sample.worker.state).toBe('stopped');
    expect(stops).toBe(1);
    // No timer is left behind: it would keep the process.
    await sample.worker.stop({ graceMs: 60 * SECOND });
    await sample.run(10);
    expect(sample.clock.runNext()).toBe(false);
    expect(await ids(sample, 'in')).toEqual(['a']);
  });

  test('releases in reverse, and all of it even when one fails', async () => {
    const order: string[] = [];
    const log = keepLog();
    const sample = await testWorker(
      inOut({
        handle: () => undefined,
        serve: async () => ({
          close: async () => {
            order.push('serve');
            throw new Error('no');
          },
        }),
        stop: () => {
          order.push('stop');
          throw new Error('neither');
        },
      }),
      { log },
    );
    await sample.stop();
    expect(order).toEqual(['serve', 'stop']);
    expect(sample.worker.state).toBe('stopped');
    expect(log.lines.filter(({ level }) => level === 'error').map(({ part }) => part)).toEqual(['serve', 'stop']);
  });

  test('every change of state is logged, and readiness ends with the taking', async () => {
    const log = keepLog();
    const sample = await handling(() => undefined, { log });
    expect(sample.health.ready()).toBe(true);
    await sample.stop();
    expect(log.lines.filter(({ text }) => text === 'state').map(({ state }) => state)).toEqual([
      'starting',
      'running',
      'draining',
      'stopped',
    ]);
    expect(sample.health.ready()).toBe(false);
  });

  test('a broker that does not answer does not keep it', async () => {
    const sample = await handling(() => new Promise<void>(() => {}));
    await sample.publish('in', { id: 'a' });
    await sample.run(10);
    sample.connection.kill();
    await sample.stop();
    expect(sample.worker.state).toBe('stopped');
    expect(await depth(sample, 'in')).toBe(1);
  });

  test('testWorker tells of messages that are still held', async () => {
    const sample = await handling(() => undefined);
    await sample.broker.publish([{ queue: 'in', id: 'x', meta: {}, body: Buffer.alloc(0) }]);
    await sample.worker.stop({ graceMs: 0 });
    await sample.broker.publish([{ queue: 'in', id: 'a', meta: {}, body: Buffer.alloc(0) }]);
    await sample.broker.consume('in', { prefetch: 1 }, () => {});
    await sample.run(10);
    await expect(sample.stop()).rejects.toThrow('sample still has unsettled messages of in');
  });
});
