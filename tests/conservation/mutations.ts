import { join } from 'node:path';
import { EDITS, type Edit } from '../simulation/edits.ts';
import { isClean } from '../simulation/judge.ts';
import type { FaultKind } from './plan.ts';
import { describeRun, type RunOptions, run } from './run.ts';
import { openServers } from './servers.ts';

/** A promise broken on purpose, in the code that the services of a run load. */
interface Mutation {
  readonly name: string;
  readonly edits: readonly Edit[];
  /** Faults that this promise is for. */
  readonly only: readonly FaultKind[];
  /** Targets of the faults. If absent, all. */
  readonly on?: RegExp;
}

export const mutations: readonly Mutation[] = [
  {
    name: 'messages are acked before what comes of them is confirmed',
    edits: [
      {
        file: 'packages/worker/src/take/settlement.ts',
        find: 'if (messages.length > 0) await this.#parts.publish(messages, unsettled);',
        replace:
          "if (!each && outcome.kind === 'done') this.#ackAll(unsettled);\n    if (messages.length > 0) await this.#parts.publish(messages, unsettled);",
      },
    ],
    only: ['kill', 'delay'],
    on: /^(?:deploy-blobs|grouper|msg-merge|builder)-\d(?:>broker)?$/,
  },
  {
    name: 'a create whose answer was lost counts as done, without reading back',
    edits: [
      {
        file: 'packages/store/src/store.ts',
        find: "if (this.#driver.classify(error) !== 'unknown') throw error;",
        replace: "if (this.#driver.classify(error) !== 'unknown') throw error;\n        return 'created';",
      },
    ],
    only: ['cut', 'silence', 'refuse', 'lost-answer', 'down', 'kill'],
  },
  {
    name: 'the duplicate check looks at nothing',
    edits: [
      {
        file: 'services/builder/src/worker.ts',
        find: 'const unseen = await windows.unseen(tail, uniqueByEvent(receipts));',
        replace: 'const unseen = [...uniqueByEvent(receipts).values()];',
      },
    ],
    only: ['kill', 'cut', 'duplicate'],
  },
  {
    name: 'the tail that a block was built behind is trusted',
    edits: [
      { file: 'packages/store/src/block-store.ts', find: 'if (!options.known) {', replace: 'if (options.known === null) {' },
      { file: 'services/next-field/src/worker.ts', find: 'if (!result.mine) {', replace: 'if (result === undefined) {' },
    ],
    only: ['kill', 'cut', 'pause', 'duplicate'],
  },
  {
    // The memory of the process stands for the cache of a system that loses its power.
    name: 'the spool answers 202 before its disk has synced',
    edits: [
      {
        file: 'services/web-to-msg/src/spool/spool-log.ts',
        find: '        await file.append(group.flatMap(({ parts }) => parts));',
        replace: `        for (const { done } of group) done();
        await new Promise((resolve) => setTimeout(resolve, 2_000));
        await file.append(group.flatMap(({ parts }) => parts));`,
      },
    ],
    only: ['kill', 'silence', 'refuse'],
    on: /^web-to-msg-\d(?:>broker)?$/,
  },
  {
    name: 'a request that names its event asks for no claim',
    edits: [
      {
        file: 'services/web-to-msg/src/capture/appender.ts',
        find: "const first = await within(clock, deadline, this.#idempotencyKeys.claim(key, mine), 'registry');",
        replace: 'const first: FirstRequest = mine;',
      },
    ],
    only: ['kill', 'cut', 'wipe'],
  },
  {
    name: 'a claim says that its events are durable before they are',
    edits: [
      {
        file: 'services/web-to-msg/src/capture/appender.ts',
        find: "const first = await within(clock, deadline, this.#idempotencyKeys.claim(key, mine), 'registry');",
        replace:
          "const first = await within(clock, deadline, this.#idempotencyKeys.claim(key, { ...mine, confirmed: true }).then((made) => made.event === mine.event ? mine : made), 'registry');",
      },
    ],
    only: ['kill', 'delay'],
    on: /^web-to-msg-\d(?:>broker)?$/,
  },
];

const MOST_SEEDS = 5;
/** A broken mesh may never become quiet, and need not. */
const REST_MS = 90_000;

/**
 * Runs each mutation, or those whose names contain one of these words, with new seeds until a run
 * finds it. Gives whether all were found.
 */
export async function findMutations(options: RunOptions, words: readonly string[]): Promise<boolean> {
  let all = true;
  const wanted = mutations.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
  for (const { name, edits, ...plan } of wanted) {
    let caught: string | undefined;
    let seed = options.seed;
    for (; caught === undefined && seed < options.seed + MOST_SEEDS; seed++) {
      const servers = await openServers();
      if ('absent' in servers) throw new Error(servers.absent);
      try {
        const logs = join(options.logs, `${name.replaceAll(/\W+/g, '-')}-${seed}`);
        const result = await run(servers, {
          ...options,
          ...plan,
          ...{ seed, logs, restMs: REST_MS },
          env: { [EDITS]: JSON.stringify(edits) },
        });
        if (!isClean(result.verdict)) caught = describeRun(result);
      } finally {
        await servers.close();
      }
    }
    console.log(`${caught ? 'caught' : 'NOT CAUGHT'}: ${name}, ${seed - options.seed} seeds\n  ${caught?.split('\n')[0] ?? ''}`);
    all &&= caught !== undefined;
  }
  return all;
}
