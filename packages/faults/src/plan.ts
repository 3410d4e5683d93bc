import type { Random } from './random.ts';

/**
 * What happens at one outside effect (a create in the store, a publish, an ack, …):
 *
 * | outcome        | the effect happens | the caller learns              |
 * | -------------- | ------------------ | ------------------------------ |
 * | `ok`           | yes                | that it happened               |
 * | `fail-before`  | no                 | an error: outcome unknown      |
 * | `fail-after`   | yes                | an error: outcome unknown      |
 * | `crash-before` | no                 | nothing, ever: its process died |
 * | `crash-after`  | yes                | nothing, ever: its process died |
 */
export type Outcome = 'ok' | 'fail-before' | 'fail-after' | 'crash-before' | 'crash-after';

export interface Decision {
  readonly outcome: Outcome;
  /** Virtual time until the effect happens, and from then until the caller learns of it. */
  readonly delayMs: number;
  readonly answerMs: number;
}

/** Called at each outside effect. `chance` is for faults of one driver, such as `deliver-twice`. */
export interface FaultPlan {
  decide(effect: string): Decision;
  /** True with the rate of this named fault. Always false in a calm plan. */
  chance(fault: string): boolean;
  /** Seeded random numbers for choices, such as the new position of a reordered message. */
  readonly random: Random;
}

export interface FaultRates {
  /** Rates per effect of `decide`; 0 to 1. */
  readonly failBefore: number;
  readonly failAfter: number;
  readonly crashBefore: number;
  readonly crashAfter: number;
  /** Longest delay of an effect, and of its answer. */
  readonly maxDelayMs: number;
  /** Rates of named faults, see the drivers. A fault that is not listed never happens. */
  readonly named: Readonly<Record<string, number>>;
}

const nothing: Decision = { outcome: 'ok', delayMs: 0, answerMs: 0 };

/** No faults, no delays. */
export const calm: FaultPlan = { decide: () => nothing, chance: () => false, random: () => 0.5 };

/**
 * Draws each decision from a seeded generator. While `active()` is false there are delays but no
 * faults, so that a run can become quiet.
 */
export function seededPlan(random: Random, rates: FaultRates, active: () => boolean = () => true): FaultPlan {
  return {
    random,
    chance: (fault) => active() && random() < (rates.named[fault] ?? 0),
    decide() {
      const delayMs = random() * rates.maxDelayMs;
      const answerMs = random() * rates.maxDelayMs;
      let dice = active() ? random() : Number.POSITIVE_INFINITY;
      for (const [outcome, rate] of [
        ['fail-before', rates.failBefore],
        ['fail-after', rates.failAfter],
        ['crash-before', rates.crashBefore],
        ['crash-after', rates.crashAfter],
      ] as const) {
        if (dice < rate) return { outcome, delayMs, answerMs };
        dice -= rate;
      }
      return { outcome: 'ok', delayMs, answerMs };
    },
  };
}
