import { BlockhubError } from '@blockhub/errors';
import { describe, expect, test } from '@jest/globals';
import { done } from '../outcome.ts';
import { depth, handling, inOut, keepLog, MINUTE, SECOND } from '../testing/fixtures.ts';
import { testWorker } from '../testing/test-worker.ts';

const HOUR = 60 * MINUTE;

describe.each([
  ['back', -HOUR],
  ['forward', HOUR],
])('a clock that is set %s by an hour', (_, stepMs) => {
  test('does not move the end of a batch', async () => {
    const seen: string[][] = [];
    const handleBatch = (messages: readonly { readonly id: string }[]) => {
      seen.push(messages.map(({ id }) => id));
      return done();
    };
    await using sample = await testWorker(inOut({ handleBatch, take: { batch: { max: 1000, ttlMs: 25 } } }));
    await sample.publish('in', { id: 'a' });
    await sample.run(10);
    sample.clock.step(stepMs);
    await sample.publish('in', { id: 'b' });
    await sample.run(14);
    expect(seen).toEqual([]);
    await sample.run(1);
    expect(seen).toEqual([['a', 'b']]);
  });

  test('does not change how long a handler may take', async () => {
    let tries = 0;
    await using sample = await handling(() => (++tries < 2 ? new Promise<void>(() => {}) : undefined));
    await sample.publish('in', { id: 'a' });
    await sample.run(10 * MINUTE);
    sample.clock.step(stepMs);
    await sample.run(4 * MINUTE);
    expect([tries, await depth(sample, 'in')]).toEqual([1, 1]);
    await sample.run(2 * MINUTE);
    expect([tries, await depth(sample, 'in')]).toEqual([2, 0]);
  });

  test('does not change how long what fails in a pause waits', async () => {
    let away = true;
    await using sample = await handling(async ({ id }, { clock }) => {
      if (id === 'slow') await clock.sleep(20);
      if (away) throw new BlockhubError('STORE_UNAVAILABLE', 'away');
    });
    await sample.publish('in', { id: 'quick' }, { id: 'slow' });
    await sample.run(10);
    sample.clock.step(stepMs);
    await sample.run(20);
    away = false;
    await sample.run(MINUTE);
    expect(await depth(sample, 'in')).toBe(0);
  });

  test('neither silences warnings nor lets them flood the log', async () => {
    const log = keepLog();
    await using sample = await handling(
      () => {
        throw new Error('no');
      },
      { log },
    );
    const warnings = (): number => log.lines.filter(({ level }) => level === 'warn').length;
    await sample.publish('in', { id: 'a' });
    await sample.run(0);
    sample.clock.step(stepMs);
    await sample.publish('in', { id: 'b' });
    await sample.run(0);
    expect(warnings()).toBe(1);
    await sample.run(SECOND);
    await sample.publish('in', { id: 'c' });
    await sample.run(0);
    expect(warnings()).toBe(2);
  });

  test('is not seen in how long handling took', async () => {
    await using sample = await handling((_message, { clock }) => clock.sleep(2 * SECOND));
    await sample.publish('in', { id: 'a' });
    await sample.run(SECOND);
    sample.clock.step(stepMs);
    await sample.run(SECOND);
    expect(await sample.metrics.text()).toContain('blockhub_handle_seconds_sum{worker="sample",queue="in"} 2\n');
  });
});
