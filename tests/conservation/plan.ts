import { type Random, seededRandom } from '@blockhub/faults';

/** The targets of faults, by name. */
export interface Parties {
  readonly processes: readonly string[];
  /** Processes whose clocks give events their times. */
  readonly clocks: readonly string[];
  /** Services that can have more replicas. */
  readonly services: readonly string[];
  /** Connections between two parties, `builder-0>store`. */
  readonly links: readonly string[];
  /** Servers that can be stopped. If the environment names the servers, there are none. */
  readonly servers: readonly string[];
}

interface Kind {
  readonly on: keyof Parties | readonly [string];
  /** Relative frequency. */
  readonly weight: number;
  /** Least and longest duration in ms. */
  readonly forMs?: readonly [number, number];
}

/**
 * | kind          | what happens to its target                                                                        |
 * | ------------- | ------------------------------------------------------------------------------------------------- |
 * | kill, term    | SIGKILL, SIGTERM; it is started again after the duration                                          |
 * | pause         | SIGSTOP for the duration: longer than a heartbeat, and it goes on with what others have meanwhile |
 * | cut           | open connections are reset                                                                        |
 * | refuse        | so are new ones                                                                                   |
 * | silence       | nothing passes, and what was sent meanwhile never arrives; of all connections, or of every other  |
 * | delay         | everything passes late; of all connections, or of every other                                     |
 * | lost-answer   | half of the writes succeed, and the connection breaks where the answer would have come            |
 * | error-after   | half of the writes succeed, and the answer is 500                                                 |
 * | storm         | nine of ten requests are answered with 503                                                        |
 * | restart, down | the server stops in order, or is killed; it starts again after the duration                       |
 * | wipe          | the registry forgets everything                                                                   |
 * | duplicate     | what is published during this time comes again, some of it seconds later                          |
 * | step          | the clock is set                                                                                  |
 * | scale         | one more replica for the duration                                                                  |
 * | poison        | a message that no worker can handle                                                               |
 */
const kinds = {
  kill: { on: 'processes', weight: 14, forMs: [100, 2_000] },
  term: { on: 'processes', weight: 7, forMs: [100, 1_000] },
  pause: { on: 'processes', weight: 8, forMs: [300, 12_000] },
  cut: { on: 'links', weight: 14 },
  refuse: { on: 'links', weight: 5, forMs: [300, 5_000] },
  silence: { on: 'links', weight: 6, forMs: [300, 8_000] },
  delay: { on: 'links', weight: 5, forMs: [1_000, 8_000] },
  'lost-answer': { on: ['store'], weight: 7, forMs: [500, 3_000] },
  'error-after': { on: ['store'], weight: 7, forMs: [500, 3_000] },
  storm: { on: ['store'], weight: 4, forMs: [500, 4_000] },
  restart: { on: 'servers', weight: 1, forMs: [100, 2_000] },
  down: { on: 'servers', weight: 1, forMs: [100, 4_000] },
  wipe: { on: ['registry'], weight: 2 },
  duplicate: { on: ['broker'], weight: 8, forMs: [500, 2_000] },
  step: { on: 'clocks', weight: 6 },
  scale: { on: 'services', weight: 5, forMs: [4_000, 20_000] },
  poison: { on: ['broker'], weight: 3 },
} as const satisfies Record<string, Kind>;

export type FaultKind = keyof typeof kinds;

export interface Fault {
  /** Since the start of the storm, in ms. */
  readonly atMs: number;
  readonly kind: FaultKind;
  readonly target: string;
  readonly forMs: number;
  /** Strength of the fault, in [0, 1). Some kinds do not use it. */
  readonly amount: number;
}

export interface PlanOptions {
  readonly faults: number;
  /** Mean time between two faults. A fault lasts longer, so that they overlap. */
  readonly everyMs: number;
  /** Only these kinds, all equally often. */
  readonly only?: readonly FaultKind[] | undefined;
  /** Only these targets. */
  readonly on?: RegExp | undefined;
}

/** Draws a plan from the seed alone. Every kind occurs once before the others are random. */
export function drawPlan(seed: number, parties: Parties, { faults, everyMs, only, on = /./ }: PlanOptions): Fault[] {
  const random = seededRandom(seed);
  const targetsOf = (kind: FaultKind): readonly string[] => allTargets(kind, parties).filter((target) => on.test(target));
  const possible = faultKinds.filter((kind) => targetsOf(kind).length > 0 && (only?.includes(kind) ?? true));
  const drawn = shuffle(possible, random).slice(0, faults);
  while (drawn.length < faults) drawn.push(drawKind(possible, random, only !== undefined));
  return shuffle(drawn, random).map((kind, n) => {
    const targets = targetsOf(kind);
    const { forMs: [least, most] = [0, 0] } = kinds[kind] as Kind;
    return {
      atMs: Math.round((n + random()) * everyMs),
      kind,
      target: targets[Math.floor(random() * targets.length)] as string,
      forMs: Math.round(least + random() ** 2 * (most - least)),
      amount: random(),
    };
  });
}

export const faultKinds = Object.keys(kinds) as FaultKind[];

const allTargets = (kind: FaultKind, parties: Parties): readonly string[] => {
  const { on } = kinds[kind] as Kind;
  return typeof on === 'string' ? parties[on] : on;
};

function drawKind(possible: readonly FaultKind[], random: Random, alike: boolean): FaultKind {
  const weightOf = (kind: FaultKind): number => (alike ? 1 : kinds[kind].weight);
  let left = random() * possible.reduce((sum, kind) => sum + weightOf(kind), 0);
  for (const kind of possible) {
    left -= weightOf(kind);
    if (left < 0) return kind;
  }
  return possible[0] as FaultKind;
}

function shuffle<T>(items: readonly T[], random: Random): T[] {
  const shuffled = [...items];
  for (let at = shuffled.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1));
    [shuffled[at], shuffled[other]] = [shuffled[other] as T, shuffled[at] as T];
  }
  return shuffled;
}

export const describeFault = ({ atMs, kind, target, forMs, amount }: Fault): string =>
  `${(atMs / 1000).toFixed(1).padStart(7)} s  ${kind.padEnd(11)} ${target}${forMs === 0 ? '' : ` for ${forMs} ms`}${kind === 'step' || kind === 'delay' ? ` (${amount.toFixed(3)})` : ''}`;
