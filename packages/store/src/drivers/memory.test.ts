import { VirtualClock } from '@blockhub/clock';
import { calm, type Decision, type FaultPlan, seededPlan, seededRandom } from '@blockhub/faults';
import { describe, expect, test } from '@jest/globals';
import { storeConformance } from '../conformance.ts';
import { Store } from '../store.ts';
import { keyBehaviour } from './key-behaviour.fixture.ts';
import { MemoryStore } from './memory.ts';

storeConformance({ describe, expect, test }, 'memory', async () => ({ driver: new MemoryStore().driver() }));

const text = (value: string): Buffer => Buffer.from(value);

/** Gives the decisions in order, then calm ones. */
function scripted(decisions: Partial<Decision>[], faults: string[] = []): FaultPlan {
  return {
    ...calm,
    decide: (effect) => ({ ...calm.decide(effect), ...decisions.shift() }),
    chance: (fault) => faults[0] === fault && faults.shift() === fault,
  };
}

describe('a process on a faulty memory store', () => {
  test('sees effect and answer at their virtual times', async () => {
    const clock = new VirtualClock(0);
    const shared = new MemoryStore({ clock });
    const created = shared.driver({ plan: scripted([{ delayMs: 10, answerMs: 5 }]) }).create('a', text('x'));
    let answeredAt = -1;
    created.then(() => {
      answeredAt = clock.now();
    });
    await clock.advance(9);
    expect(await shared.driver().get('a')).toBeUndefined();
    await clock.advance(2);
    expect(await shared.driver().get('a')).toBeDefined();
    expect(answeredAt).toBe(-1);
    await clock.advance(10);
    expect(answeredAt).toBe(15);
  });

  test.each([
    ['fail-before', false],
    ['fail-after', true],
  ] as const)('%s: outcome unknown, effect %s', async (outcome, happened) => {
    const shared = new MemoryStore({ clock: new VirtualClock() });
    const driver = shared.driver({ plan: scripted([{ outcome }]) });
    const error = await driver.create('a', text('x')).catch((thrown: unknown) => thrown);
    expect(driver.classify(error)).toBe('unknown');
    expect((await driver.get('a')) !== undefined).toBe(happened);
  });

  test.each([
    ['crash-before', false],
    ['crash-after', true],
  ] as const)('%s: nothing answers, effect %s', async (outcome, happened) => {
    const shared = new MemoryStore({ clock: new VirtualClock() });
    let crashes = 0;
    const driver = shared.driver({ plan: scripted([{ outcome }]), crash: () => crashes++ });
    const answers: unknown[] = [];
    for (const asked of [driver.create('a', text('x')), driver.get('a')]) asked.then((answer) => answers.push(answer));
    await VirtualClock.settle();
    expect({ answers, crashes }).toEqual({ answers: [], crashes: 1 });
    expect((await shared.driver().get('a')) !== undefined).toBe(happened);
  });

  test('that is killed gets no answer, but what it sent still happens', async () => {
    const clock = new VirtualClock();
    const shared = new MemoryStore({ clock });
    const driver = shared.driver({ plan: scripted([{ delayMs: 10 }]) });
    let answered = false;
    driver.create('a', text('x')).then(() => {
      answered = true;
    });
    driver.kill();
    await clock.advance(100);
    expect(answered).toBe(false);
    expect(await shared.driver().get('a')).toBeDefined();
  });

  test('a create that lands late is recognized as ours, or lost to the first one', async () => {
    for (const rival of [false, true]) {
      const clock = new VirtualClock();
      const shared = new MemoryStore({ clock });
      const plan = scripted([{ delayMs: 50, answerMs: 5 }], ['land-late']);
      const mine = new Store(shared.driver({ plan }), { clock, random: () => 0.5 }).create('a', text('mine'));
      if (rival) await shared.driver().create('a', text('other'));
      let outcome: string | undefined;
      mine.then((answer) => {
        outcome = answer;
      });
      await clock.advance(1000);
      expect(outcome).toBe(rival ? 'exists' : 'created');
      expect((await shared.driver().get('a'))?.toString()).toBe(rival ? 'other' : 'mine');
    }
  });
});

test('keys encode behaviour: fail so often, then answer after the delay', async () => {
  const clock = new VirtualClock(0);
  const driver = new MemoryStore({ clock }).driver({ behaviour: keyBehaviour() });
  await expect(driver.create('x/BAD2-30', text('x'))).rejects.toThrow('failed before');
  await expect(driver.create('x/BAD2-30', text('x'))).rejects.toThrow('failed before');
  let answeredAt = -1;
  driver.create('x/BAD2-30', text('x')).then(() => {
    answeredAt = clock.now();
  });
  await clock.advance(100);
  expect(answeredAt).toBe(30);
  await expect(driver.create('LOST1', text('x'))).rejects.toThrow('failed after');
  expect(await driver.create('LOST1', text('x'))).toBe(false);
});

test('over many seeds of faults racing creates have one winner, and no caller gets a wrong answer', async () => {
  for (let seed = 1; seed <= 300; seed++) {
    const clock = new VirtualClock();
    const shared = new MemoryStore({ clock });
    const random = seededRandom(seed);
    const rates = { failBefore: 0.2, failAfter: 0.2, crashBefore: 0.05, crashAfter: 0.05, maxDelayMs: 40, named: { 'land-late': 0.1 } };
    const outcomes: (string | undefined)[] = [undefined, undefined, undefined, undefined];
    outcomes.forEach((_, at) => {
      const store = new Store(shared.driver({ plan: seededPlan(random, rates) }), { clock, random, retryMs: 60_000 });
      store.create('key', text(`process ${at}`)).then((outcome) => {
        outcomes[at] = outcome;
      });
    });
    await clock.advance(120_000);
    const there = (await shared.driver().get('key'))?.toString();
    for (const [at, outcome] of outcomes.entries()) {
      const mine = there === `process ${at}`;
      if (outcome !== undefined) expect({ seed, at, outcome }).toEqual({ seed, at, outcome: mine ? 'created' : 'exists' });
    }
  }
});
