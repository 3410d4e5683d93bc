import { expect, test } from '@jest/globals';
import { Pace } from './pace.ts';
import { VirtualClock } from './virtual.ts';

test('one of each kind passes in a period, with the number of those since the last one', async () => {
  const clock = new VirtualClock();
  const pace = new Pace(clock, 1_000);
  expect([pace.pass('a'), pace.pass('a'), pace.pass('b'), pace.pass('a')]).toEqual([1, 0, 1, 0]);
  await clock.advance(999);
  expect(pace.pass('a')).toBe(0);
  await clock.advance(1);
  expect([pace.pass('a'), pace.pass('a'), pace.pass('b')]).toEqual([4, 0, 1]);
});

test('a kind that is forgotten passes at once', () => {
  const pace = new Pace(new VirtualClock(), 1_000);
  expect(pace.forget('a')).toBe(false);
  pace.pass('a');
  expect([pace.kinds, pace.forget('a'), pace.kinds, pace.pass('a')]).toEqual([['a'], true, [], 1]);
});

test('of any number of kinds a thousand are kept, the newest', () => {
  const pace = new Pace(new VirtualClock(), 1_000);
  for (let kind = 0; kind < 3_000; kind++) pace.pass(String(kind));
  expect(pace.kinds.length).toBe(1_000);
  expect([pace.pass('2999'), pace.pass('1999')]).toEqual([0, 1]);
});
