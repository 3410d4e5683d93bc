import { expect, test } from '@jest/globals';
import { calm, type FaultRates, type Outcome, seededPlan, seededRandom } from './index.ts';

const rates: FaultRates = {
  failBefore: 0.1,
  failAfter: 0.2,
  crashBefore: 0.05,
  crashAfter: 0.15,
  maxDelayMs: 20,
  named: { reorder: 0.25 },
};
const draw = <T>(times: number, make: () => T): T[] => Array.from({ length: times }, make);

test('the same seed always gives the same numbers', () => {
  expect(draw(3, seededRandom(1)).map((n) => n.toFixed(6))).toEqual(['0.627074', '0.002736', '0.527447']);
  expect(draw(50, seededRandom(7))).toEqual(draw(50, seededRandom(7)));
  expect(draw(50, seededRandom(7))).not.toEqual(draw(50, seededRandom(8)));
});

test('numbers lie in [0, 1) and spread evenly', () => {
  const numbers = draw(20_000, seededRandom(42));
  expect(numbers.every((n) => n >= 0 && n < 1)).toBe(true);
  const tenths = Array.from({ length: 10 }, (_, i) => numbers.filter((n) => Math.floor(n * 10) === i).length);
  for (const count of tenths) expect(Math.abs(count - 2000)).toBeLessThan(200);
});

test('a calm plan does nothing at all', () => {
  expect(calm.decide('create')).toEqual({ outcome: 'ok', delayMs: 0, answerMs: 0 });
  expect(calm.chance('reorder')).toBe(false);
});

test('outcomes come at their rates, delays within their bound', () => {
  const plan = seededPlan(seededRandom(3), rates);
  const decisions = draw(20_000, () => plan.decide('publish'));
  const share = (outcome: Outcome): number => decisions.filter((d) => d.outcome === outcome).length / decisions.length;
  expect(share('fail-before')).toBeCloseTo(0.1, 1);
  expect(share('fail-after')).toBeCloseTo(0.2, 1);
  expect(Math.abs(share('crash-before') - 0.05)).toBeLessThan(0.01);
  expect(Math.abs(share('crash-after') - 0.15)).toBeLessThan(0.02);
  expect(Math.abs(share('ok') - 0.5)).toBeLessThan(0.02);
  expect(decisions.every((d) => d.delayMs >= 0 && d.delayMs < 20 && d.answerMs >= 0 && d.answerMs < 20)).toBe(true);
});

test('named faults come at their rate, unnamed ones never', () => {
  const plan = seededPlan(seededRandom(4), rates);
  expect(Math.abs(draw(20_000, () => plan.chance('reorder')).filter(Boolean).length / 20_000 - 0.25)).toBeLessThan(0.02);
  expect(draw(1000, () => plan.chance('deliver-twice')).some(Boolean)).toBe(false);
});

test('an inactive plan keeps the delays and stops the faults', () => {
  let active = true;
  const plan = seededPlan(seededRandom(5), { ...rates, failBefore: 1 }, () => active);
  expect(plan.decide('ack').outcome).toBe('fail-before');
  active = false;
  const quiet = draw(1000, () => plan.decide('ack'));
  expect(quiet.every((d) => d.outcome === 'ok')).toBe(true);
  expect(quiet.some((d) => d.delayMs > 0)).toBe(true);
  expect(draw(1000, () => plan.chance('reorder')).some(Boolean)).toBe(false);
});
