/**
 * `pnpm test:simulation [--seeds N] [--from SEED] [--jobs N] [--first] [--mutations]`: runs seeds
 * in child processes and prints those that fail. With --first it ends at the first that fails.
 * `--from SEED --seeds 1` runs one seed again and prints all that is known about it.
 * With --mutations it puts defects into the code, one at a time, and prints which seed finds each.
 */
import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { findMutations } from './mutations.ts';
import { type RunResult, run } from './run.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    from: { type: 'string', default: '1' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    first: { type: 'boolean', default: false },
    mutations: { type: 'boolean', default: false },
    child: { type: 'boolean', default: false },
  },
});

function describe(result: RunResult): string {
  const { seed, verdict, quiet, restless, deadLetters, faults, crashes, virtualMs } = result;
  const { lost, doubled, unexpected, untrue, faults: damage } = verdict;
  const counts = `lost ${lost.length} doubled ${doubled.length} unexpected ${unexpected.length} untrue ${untrue.length} damaged ${damage.length} dead ${deadLetters.length}`;
  const more = [...damage, ...untrue, ...deadLetters, ...restless, ...lost.map((event) => `lost ${event}`)]
    .slice(0, 5)
    .map((line) => `\n    ${line}`);
  return `seed ${seed}: ${counts} ${quiet ? 'quiet' : 'RESTLESS'} (${faults} faults, ${crashes} crashes, ${Math.round(virtualMs / 1000)} s)${more.join('')}`;
}

if (values.mutations) {
  process.exitCode = (await findMutations()) ? 0 : 1;
} else if (values.child) {
  process.on('message', async (seed: number) => {
    const result = await run(seed);
    process.send?.({ ...result, text: describe(result) });
  });
} else {
  const first = Number(values.from);
  const last = first + Number(values.seeds) - 1;
  const total = { seeds: 0, failed: 0, faults: 0, crashes: 0, blocks: 0, events: 0, spooled: 0, longestVirtualMs: 0 };
  let next = first;
  const started = performance.now();
  await Promise.all(
    Array.from({ length: Math.min(Number(values.jobs), Number(values.seeds)) }, async () => {
      const child = fork(import.meta.filename, ['--child']);
      while (next <= last) {
        const seed = next++;
        child.send(seed);
        const result = await new Promise<RunResult & { text: string }>((resolve, reject) => {
          child.once('message', (message) => resolve(message as RunResult & { text: string }));
          child.once('exit', (code) => reject(new Error(`seed ${seed}: the process ended with ${code}`)));
        });
        child.removeAllListeners('exit');
        total.seeds++;
        total.faults += result.faults;
        total.crashes += result.crashes;
        total.blocks += result.verdict.blocks;
        total.events += result.verdict.events;
        total.spooled += result.verdict.spooled;
        total.longestVirtualMs = Math.max(total.longestVirtualMs, result.virtualMs);
        if (!result.clean) total.failed++;
        const isAlone = last === first && !values.first;
        if (!result.clean && values.first) next = last + 1;
        if (!result.clean || isAlone) console.log(result.text, isAlone ? result.digest : '');
        else if (total.seeds % 50 === 0) console.error(`${total.seeds} seeds, ${total.failed} failed`);
      }
      child.disconnect();
    }),
  );
  console.log(JSON.stringify({ ...total, seconds: Math.round((performance.now() - started) / 1000) }));
  process.exitCode = total.failed === 0 ? 0 : 1;
}
