import type { FaultRates, Random } from '@blockhub/faults';

/**
 * How hard a run is, drawn from its seed. Some runs are long with few faults, and some have many.
 */
export interface Hardness {
  readonly rates: FaultRates;
  readonly chains: number;
  /** Number of requests to capture. A request with a document is two events. */
  readonly requests: number;
  readonly partitions: number;
  readonly instances: number;
}

const between = (random: Random, low: number, high: number): number => low + (high - low) * random();
const whole = (random: Random, low: number, high: number): number => Math.floor(between(random, low, high + 1));

export function drawHardness(random: Random): Hardness {
  const storm = random() ** 2;
  return {
    chains: whole(random, 12, 36),
    requests: whole(random, 1000, 2500),
    partitions: whole(random, 1, 4),
    instances: 2,
    rates: {
      failBefore: 0.03 * storm,
      failAfter: 0.03 * storm,
      crashBefore: 0.004 * storm,
      crashAfter: 0.004 * storm,
      maxDelayMs: between(random, 2, 60),
      named: {
        'deliver-twice': 0.05 * storm,
        reorder: 0.1 * storm,
        'lose-hint': 0.1 * storm,
        disconnect: 0.003 * storm,
        'two-active': 0.02 * storm,
        'part-publish': 0.5 * storm,
        'land-late': 0.01 * storm,
        reset: 0.02 * storm,
        'far-step': 0.2 * storm,
      },
    },
  };
}
