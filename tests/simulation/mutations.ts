import { spawnSync } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A defect put into the code on purpose. */
interface Mutation {
  readonly name: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
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
    name: 'capture waits for an answer for ever',
    file: 'services/web-to-msg/src/publish/deadline.ts',
    find: 'let cancel = clock.after(left - lastChance, () =>',
    replace: 'let cancel = clock.after(Number.MAX_SAFE_INTEGER, () =>',
  },
  {
    name: 'capture answers 202 before the disk has synced',
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

const root = join(import.meta.dirname, '../..');
const MOST_SEEDS = '100';

/** Puts each defect into a copy of the code and runs seeds on it; tells whether every one was found. */
export async function findMutations(): Promise<boolean> {
  let all = true;
  for (const mutation of mutations) {
    const copy = await mkdtemp(join(tmpdir(), 'blockhub-mutation-'));
    try {
      for (const folder of ['packages', 'services', 'tests'])
        await cp(join(root, folder), join(copy, folder), { recursive: true, verbatimSymlinks: true });
      await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
      const file = join(copy, mutation.file);
      const source = await readFile(file, 'utf8');
      if (source.split(mutation.find).length !== 2) throw new Error(`${mutation.file} must have this once: ${mutation.find}`);
      await writeFile(
        file,
        source.replace(mutation.find, () => mutation.replace),
      );
      const child = spawnSync(process.execPath, [join(copy, 'tests/simulation/main.ts'), '--seeds', MOST_SEEDS], { encoding: 'utf8' });
      const found = child.stdout.split('\n').filter((line) => line.startsWith('seed '));
      console.log(
        `${found.length > 0 ? 'found' : 'NOT FOUND'}: ${mutation.name}\n  ${found.length} of ${MOST_SEEDS} seeds fail, e.g. ${found[0] ?? child.stderr.slice(0, 500)}`,
      );
      all &&= found.length > 0;
    } finally {
      await rm(copy, { recursive: true });
    }
  }
  return all;
}
