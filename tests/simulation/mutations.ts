import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { EDITS, type Edit } from './edits.ts';

/** A defect put into the code on purpose. */
interface Mutation extends Edit {
  readonly name: string;
  /** This defect is found within two seeds, so each run of the tests checks that it is. */
  readonly quick?: true;
}

export const mutations: readonly Mutation[] = [
  {
    name: 'capture answers 201 before the broker has confirmed',
    file: 'services/web-to-msg/src/publish/publisher.ts',
    find: "return within(clock, deadline, publishing, 'broker');",
    replace: 'publishing.catch(() => undefined);\n    return Promise.resolve();',
  },
  {
    name: 'capture refers to a large body before the store has it',
    file: 'services/web-to-msg/src/publish/publisher.ts',
    find: "await within(clock, deadline, storing, 'store');",
    replace: 'storing.catch(() => undefined);',
  },
  {
    name: 'capture waits for an answer without limit',
    quick: true,
    file: 'services/web-to-msg/src/publish/deadline.ts',
    find: 'let cancel = clock.after(left - lastChance, () =>',
    replace: 'let cancel = clock.after(Number.MAX_SAFE_INTEGER, () =>',
  },
  {
    name: 'capture answers 202 before the disk has synced',
    quick: true,
    file: 'services/web-to-msg/src/spool/spool-log.ts',
    find: 'await file.sync();',
    replace: '',
  },
  {
    name: 'a spooled request is dropped before the broker has confirmed it',
    file: 'services/web-to-msg/src/spool/spool.ts',
    find: 'const published = await this.#publish(entries);',
    replace: 'const published = entries.length;\n    this.#publish(entries).catch(() => undefined);',
  },
  {
    name: 'what an earlier process spooled is forgotten',
    file: 'services/web-to-msg/src/spool/spool-log.ts',
    find: 'await opened.#recover();',
    replace: '',
  },
  {
    name: 'the duplicate check looks at nothing: redelivered events are built in again',
    quick: true,
    file: 'services/builder/src/worker.ts',
    find: 'const unseen = await windows.unseen(tail, uniqueByEvent(receipts));',
    replace: 'const unseen = [...uniqueByEvent(receipts).values()];',
  },
  {
    name: 'the duplicate check trusts its memory and reads nothing back from the chain',
    file: 'services/builder/src/window.ts',
    find: 'if (floor.time < since) return found;',
    replace: 'return found;',
  },
  {
    name: 'messages are acked before what comes of them is confirmed',
    file: 'packages/worker/src/take/settlement.ts',
    find: 'if (messages.length > 0) await this.#parts.publish(messages, unsettled);',
    replace:
      "if (!each && outcome.kind === 'done') this.#ackAll(unsettled);\n    if (messages.length > 0) await this.#parts.publish(messages, unsettled);",
  },
  {
    name: 'the next entry is written, not created if absent',
    quick: true,
    file: 'packages/store/src/block-store.ts',
    find: "if ((await this.#store.create(key, bytes)) === 'created') return { mine: true };",
    replace: 'await this.#store.put(key, bytes);\n    return { mine: true };',
  },
  {
    name: 'a create whose answer was lost counts as done, without reading back',
    file: 'packages/store/src/store.ts',
    find: "if (this.#driver.classify(error) !== 'unknown') throw error;",
    replace: "if (this.#driver.classify(error) !== 'unknown') throw error;\n        return 'created';",
  },
  {
    name: 'the items of a block that lost its place are dropped',
    file: 'services/next-field/src/worker.ts',
    find: 'return done(await goBack(saved, block, context));',
    replace: 'return done();',
  },
];

const MOST_SEEDS = 100;
const main = join(import.meta.dirname, 'main.ts');
const loader = join(import.meta.dirname, 'edits.ts');

/**
 * The line of the first seed that finds a defect, of this number of seeds; undefined if none does.
 */
export async function findMutation({ file, find, replace }: Mutation, seeds: number): Promise<string | undefined> {
  const child = spawn(process.execPath, ['--no-warnings', '--import', loader, main, '--seeds', String(seeds), '--first'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, [EDITS]: JSON.stringify([{ file, find, replace }]) },
  });
  return (await text(child.stdout)).split('\n').find((line) => line.startsWith('seed '));
}

/** Runs seeds on each defect; gives whether each was found. */
export async function findMutations(): Promise<boolean> {
  let all = true;
  for (const mutation of mutations) {
    const found = await findMutation(mutation, MOST_SEEDS);
    console.log(`${found ? 'found' : 'NOT FOUND'}: ${mutation.name}\n  ${found ?? `by ${MOST_SEEDS} seeds`}`);
    all &&= found !== undefined;
  }
  return all;
}
