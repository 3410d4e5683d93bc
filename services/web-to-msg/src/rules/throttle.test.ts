import { VirtualClock } from '@blockhub/clock';
import { describe, expect, test } from '@jest/globals';
import { from, headOf, ruleOf, ruleTest, verdictOf } from './rule.fixture.ts';
import { parseLimit, Throttle } from './throttle.ts';
import { throttleAllRule, throttleIpRule, throttleKeyRule } from './throttle-rules.ts';

const MAX_SENDERS = 65_536;
const open = (limit: string, clock = new VirtualClock()): Throttle => new Throttle(clock, parseLimit(limit) ?? { count: 0, periodMs: 0 });

const takeAll = (throttle: Throttle, sender: string, times: number): number =>
  Array.from({ length: times }, () => throttle.take(sender)).filter((wait) => wait === 0).length;

describe('a throttle', () => {
  test.each([
    ['1/s', 1, 1000],
    ['3/s', 3, 1000],
    ['7/m', 7, 60_000],
    ['100/h', 100, 3_600_000],
    ['999999/s', 999_999, 1000],
  ])('%s: so many at once, and so many again in each period', async (limit, count, period) => {
    const clock = new VirtualClock();
    const throttle = open(limit, clock);
    expect(takeAll(throttle, 'a', count + 5)).toBe(count);
    await clock.run(() => false, period);
    expect(takeAll(throttle, 'a', count + 5)).toBe(count);
    await clock.run(() => false, period / 2);
    expect(takeAll(throttle, 'a', count)).toBe(Math.floor(count / 2));
  });

  test('says how long to wait, and then it is long enough; what is refused costs nothing', async () => {
    const clock = new VirtualClock();
    const throttle = open('2/s', clock);
    takeAll(throttle, 'a', 2);
    expect(takeAll(throttle, 'a', 100)).toBe(0);
    expect(throttle.take('a')).toBeCloseTo(500);
    await clock.run(() => false, 500);
    expect(throttle.take('a')).toBe(0);
  });

  test('has a limit of its own for each sender', () => {
    const throttle = open('1/s');
    expect([throttle.take('a'), throttle.take('b'), throttle.take('a') > 0]).toEqual([0, 0, true]);
  });

  test('is not fooled by a clock that is set', () => {
    const clock = new VirtualClock();
    const throttle = open('1/s', clock);
    throttle.take('a');
    clock.step(3_600_000);
    expect(throttle.take('a')).toBeGreaterThan(0);
  });

  test('that is full refuses unknown senders until known ones are forgotten', async () => {
    const clock = new VirtualClock();
    const throttle = open('10/s', clock);
    for (let n = 0; n < MAX_SENDERS; n++) throttle.take(`sender ${n}`);
    expect([throttle.take('unknown'), throttle.take('sender 5')]).toEqual([1000, 0]);
    await clock.run(() => false, 1000);
    expect(throttle.take('unknown')).toBe(0);
  });

  test('of a million senders remembers a bounded number', () => {
    const throttle = open('1/h');
    let taken = 0;
    for (let n = 0; n < 1_000_000; n++) if (throttle.take(String(n)) === 0) taken++;
    expect(taken).toBe(MAX_SENDERS);
  });
});

describe('the rules', () => {
  test('are off without limits', async () => {
    const off = await ruleTest();
    expect([throttleIpRule, throttleKeyRule, throttleAllRule].map((make) => make(off))).toEqual([undefined, undefined, undefined]);
  });

  test.each(['10', '0/s', '1/d', '1.5/s', '-1/s', '1 /s', '1000000000/s', '1/s '])('%j is not a limit', async (limit) => {
    const given = await ruleTest({ throttleAll: limit });
    expect(throttleAllRule(given)).toBeUndefined();
    expect(given.mistakes).toEqual([expect.stringContaining('throttleAll')]);
  });

  test.each([
    ['the same address', '192.0.2.1', '192.0.2.1', 'THROTTLED'],
    ['the same address, mapped', '192.0.2.1', '::ffff:192.0.2.1', 'THROTTLED'],
    ['another address', '192.0.2.1', '192.0.2.2', 'passed'],
    ['the same IPv6 network', '2001:db8::1', '2001:db8::ffff:1', 'THROTTLED'],
    ['another IPv6 network', '2001:db8::1', '2001:db8:0:1::1', 'passed'],
    ['one without an address', '192.0.2.1', '', 'ADDRESS_FORBIDDEN'],
    ['one of nonsense', '192.0.2.1', 'nonsense', 'ADDRESS_FORBIDDEN'],
  ])('by address: %s', async (_name, first, second, expected) => {
    const rule = await ruleOf(throttleIpRule, { throttleIp: '1/s' });
    expect(await verdictOf(() => rule.head?.(from(first)))).toBe('passed');
    expect(await verdictOf(() => rule.head?.(from(second)))).toBe(expected);
  });

  test('by key: each subject alone, and no request without one', async () => {
    const rule = await ruleOf(throttleKeyRule, { throttleKey: '1/m' });
    const by = (subject?: string) => verdictOf(() => rule.head?.(headOf({}, { found: subject === undefined ? {} : { subject } })));
    expect([await by('key:a'), await by('key:b'), await by('key:a'), await by(), await by()]).toEqual([
      'passed',
      'passed',
      'THROTTLED',
      'passed',
      'passed',
    ]);
  });

  test('of all: from any sender', async () => {
    const rule = await ruleOf(throttleAllRule, { throttleAll: '2/h' });
    const verdicts = [];
    for (const ip of ['192.0.2.1', '192.0.2.2', '192.0.2.3']) verdicts.push(await verdictOf(() => rule.head?.(from(ip))));
    expect(verdicts).toEqual(['passed', 'passed', 'THROTTLED']);
    expect(rule.head?.(from('192.0.2.4'))).toMatchObject({
      details: { retryAfterMs: 1_800_000 },
      message: expect.stringContaining('--throttle-all'),
    });
  });
});
