import { VirtualClock } from '@blockhub/clock';
import { createMetrics } from '@blockhub/telemetry';
import { describe, expect, test } from '@jest/globals';
import { keepLog, MINUTE, SECOND } from '../testing/fixtures.ts';
import { DelayedRetries, type RetryCause } from './delayed-retries.ts';

const HOUR = 60 * MINUTE;

function begin() {
  const clock = new VirtualClock();
  const metrics = createMetrics();
  const log = keepLog();
  const delayedRetries = new DelayedRetries({ clock, log, metrics, worker: 'deploy' });
  const text = (): Promise<string> => metrics.text();
  const read = async (name: string, labels = 'worker="deploy"'): Promise<number> =>
    Number(
      (await text())
        .split('\n')
        .find((line) => line.startsWith(`blockhub_put_off_${name}{${labels}}`))
        ?.split(' ')[1],
    );
  return {
    clock,
    log,
    delayedRetries,
    count: (why: RetryCause) => read('messages', `worker="deploy",why="${why}"`),
    next: () => read('next_time_seconds'),
    latest: () => read('latest_time_seconds'),
    add: (afterMs: number, kind: RetryCause = 'asked', reason = 'its time', fix?: string) =>
      delayedRetries.add({ afterMs, kind, reason, fix }),
    after: (ms: number) => clock.run(() => false, ms),
  };
}

describe('what is put off', () => {
  test('is counted by why until its time, with the first and the last time', async () => {
    const { clock, add, count, next, latest, after } = begin();
    expect([await count('asked'), await next(), await latest()]).toEqual([0, 0, 0]);
    const now = Math.round(clock.now() / SECOND);
    for (const ms of [5 * SECOND, 5 * SECOND, HOUR]) add(ms);
    add(30 * SECOND, 'transient');
    add(10 * SECOND, 'failed');
    expect([await count('asked'), await count('transient'), await count('failed')]).toEqual([3, 1, 1]);
    expect((await next()) - now).toBeGreaterThanOrEqual(5);
    expect((await next()) - now).toBeLessThanOrEqual(6);
    expect((await latest()) - now).toBeGreaterThanOrEqual(3_600);
    expect((await latest()) - now).toBeLessThanOrEqual(3_600 * (1 + 2 / 32));
    await after(10 * SECOND);
    expect(await count('asked')).toBe(1);
    await after(2 * HOUR);
    expect([await count('asked'), await count('transient'), await count('failed'), await next(), await latest()]).toEqual([0, 0, 0, 0, 0]);
  });

  test.each([0, 1, 100, 999, Number.NaN, -5])('is not what comes again after %d ms', async (ms) => {
    const { add, count, log, after } = begin();
    add(ms);
    expect(await count('asked')).toBe(0);
    await after(2 * MINUTE);
    expect(log.lines).toEqual([]);
  });

  test('is remembered in little room, however much it is', () => {
    const { delayedRetries, add } = begin();
    for (let n = 0; n < 100_000; n++) add(SECOND + ((n * 7_919_123) % (30 * 24 * HOUR)));
    expect(delayedRetries.entries).toBeGreaterThan(100);
    expect(delayedRetries.entries).toBeLessThan(1_000);
  });
});

describe('a line of the log', () => {
  const lines = (log: ReturnType<typeof keepLog>) =>
    log.lines.filter(({ text }) => text === 'messages wait for longer than a minute until they are retried');

  test('logs once a minute how many wait, until when, why and what to do, while one waits for longer than a minute', async () => {
    const { add, after, log, clock } = begin();
    const begun = clock.now();
    add(2 * MINUTE, 'transient', 'the store is away');
    for (let n = 0; n < 40; n++) add(3 * MINUTE + 30 * SECOND, 'asked', 'the event is of tomorrow', 'Set the clock.');
    await after(2 * SECOND);
    expect(lines(log)).toEqual([
      expect.objectContaining({ level: 'warn', messages: 41, why: 'asked', reason: 'the event is of tomorrow', fix: 'Set the clock.' }),
    ]);
    const { until, next } = lines(log)[0] as unknown as { until: string; next: string };
    expect(Date.parse(next) - begun).toBeGreaterThanOrEqual(2 * MINUTE);
    expect(Date.parse(until) - begun).toBeGreaterThanOrEqual(3 * MINUTE + 30 * SECOND);
    await after(10 * MINUTE);
    // At one, 61 and 121 seconds; later it is less than a minute.
    expect(lines(log).map(({ messages }) => messages)).toEqual([41, 41, 40]);
  });

  test('is not written for what comes again within a minute, nor after the end', async () => {
    const { add, after, log, delayedRetries } = begin();
    add(MINUTE);
    await after(2 * MINUTE);
    add(HOUR);
    delayedRetries.end();
    add(HOUR);
    await after(HOUR);
    expect(lines(log)).toEqual([]);
  });

  test('has no secrets of the reason', async () => {
    const { add, after, log } = begin();
    add(HOUR, 'failed', 'no way to https://user:hunter2@host/ token=hunter3\nand more');
    await after(2 * SECOND);
    expect(lines(log)).toHaveLength(1);
    expect(JSON.stringify(lines(log))).not.toMatch(/hunter|and more/);
  });
});
