import { describe, expect, test } from '@jest/globals';
import { systemClock, VirtualClock } from './index.ts';

/** Runs until nothing is due any more; gives the order in which marks were made. */
const drain = (clock: VirtualClock): void => {
  for (; clock.runNext(); );
};

describe('VirtualClock', () => {
  test('runs timers by time, and those of one time in the order in which they were set', () => {
    const clock = new VirtualClock(0);
    const seen: string[] = [];
    for (const [name, ms] of [
      ['c', 30],
      ['a1', 10],
      ['b', 20],
      ['a2', 10],
      ['a3', 10],
    ] as const)
      clock.after(ms, () => seen.push(`${name}@${clock.now()}`));
    drain(clock);
    expect(seen).toEqual(['a1@10', 'a2@10', 'a3@10', 'b@20', 'c@30']);
  });

  test('is a heap: a thousand timers in any order come out sorted', () => {
    const clock = new VirtualClock(0);
    const seen: number[] = [];
    for (let i = 0; i < 1000; i++) clock.after((i * 7919) % 1000, () => seen.push(clock.now()));
    drain(clock);
    expect(seen).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  });

  test('never runs a cancelled timer, and cancelling twice or late does nothing', () => {
    const clock = new VirtualClock(0);
    const seen: string[] = [];
    const cancel = clock.after(5, () => seen.push('cancelled'));
    const late = clock.after(1, () => seen.push('ran'));
    cancel();
    cancel();
    drain(clock);
    late();
    expect([seen, clock.now()]).toEqual([['ran'], 1]);
  });

  test('never moves back: a negative delay is now', () => {
    const clock = new VirtualClock(100);
    clock.after(-50, () => undefined);
    clock.runNext();
    expect(clock.now()).toBe(100);
  });

  test('stands on whole milliseconds, for any argument', async () => {
    const clock = new VirtualClock(0);
    clock.after(0.1, () => undefined);
    clock.runNext();
    expect(clock.now()).toBe(1);
    await clock.advance(0.5);
    expect(clock.now()).toBe(2);
  });

  test('set back or forward: the time of day follows, ticks and timers do not', async () => {
    const clock = new VirtualClock(1_000_000);
    const seen: [number, number][] = [];
    clock.after(10, () => seen.push([clock.ticks(), clock.now()]));
    await clock.advance(4);
    clock.step(-500_000.4);
    clock.after(10, () => seen.push([clock.ticks(), clock.now()]));
    expect(clock.now()).toBe(500_004);
    await clock.advance(6);
    clock.step(700_000);
    await clock.advance(10);
    expect(seen).toEqual([
      [10, 500_010],
      [14, 1_200_014],
    ]);
    expect([clock.ticks(), clock.now()]).toEqual([20, 1_200_020]);
  });

  test('lets promises go on between two timers', async () => {
    const clock = new VirtualClock(0);
    const seen: string[] = [];
    const work = async (name: string, ms: number): Promise<void> => {
      for (let i = 0; i < 2; i++) {
        await clock.sleep(ms);
        await Promise.resolve();
        seen.push(`${name}@${clock.now()}`);
      }
    };
    void work('slow', 15);
    void work('fast', 10);
    await clock.advance(100);
    expect([seen, clock.now()]).toEqual([['fast@10', 'slow@15', 'fast@20', 'slow@30'], 100]);
  });

  test('run stops as soon as it is done, else at the time given with later timers untouched', async () => {
    const clock = new VirtualClock(0);
    let ticks = 0;
    const tick = (): void => {
      ticks++;
      clock.after(10, tick);
    };
    clock.after(10, tick);
    expect(await clock.run(() => ticks === 3, 1000)).toBe(true);
    expect(clock.now()).toBe(30);
    expect(await clock.run(() => ticks === 99, 25)).toBe(false);
    expect([ticks, clock.now()]).toEqual([5, 55]);
  });
});

describe.each([
  ['virtual', () => new VirtualClock()],
  ['system', () => systemClock],
])('sleep on the %s clock', (_name, make) => {
  test('ends early, without an error, when the signal aborts', async () => {
    const clock = make();
    const abort = new AbortController();
    const sleeping = clock.sleep(60_000, abort.signal);
    abort.abort();
    await sleeping;
    await clock.sleep(60_000, AbortSignal.abort());
  });
});

test('the system clock gives the time, waits, and can be cancelled', async () => {
  const before = Date.now();
  let ran = false;
  systemClock.after(1, () => {
    ran = true;
  })();
  await systemClock.sleep(5);
  expect(ran).toBe(false);
  expect(systemClock.now()).toBeGreaterThanOrEqual(before);
});

test('ticks of the system clock go on when the time of day is set back', () => {
  const today = Date.now;
  const before = systemClock.ticks();
  Date.now = () => 0;
  try {
    expect(systemClock.now()).toBe(0);
    expect(systemClock.ticks()).toBeGreaterThanOrEqual(before);
  } finally {
    Date.now = today;
  }
});

test('the system clock does not run at once what lies further ahead than a timer of Node can', async () => {
  let ran = false;
  const cancel = systemClock.after(2 ** 40, () => {
    ran = true;
  });
  await systemClock.sleep(5);
  cancel();
  expect(ran).toBe(false);
});
