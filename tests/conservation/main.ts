/**
 * `pnpm test:conservation [--faults N] [--seed N] [--every MS] [--chains N] [--only kill,pause] [--mutations]`: the whole mesh as processes on
 * RabbitMQ, S3 and Redis, under a plan of faults that follows from the seed; then the bucket is judged.
 * Plan and logs lie in a folder that it names. The last line is the figures of the run as JSON.
 * With --mutations each of some promises is broken on purpose, to see whether that is found; words say which.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findMutations } from './mutations.ts';
import { type FaultKind, faultKinds } from './plan.ts';
import { describeRun, figuresOf, type RunOptions, run } from './run.ts';
import { openServers } from './servers.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    faults: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    every: { type: 'string', default: '1500' },
    chains: { type: 'string', default: '200' },
    senders: { type: 'string', default: '8' },
    pause: { type: 'string', default: '250' },
    replicas: { type: 'string', default: '2' },
    rest: { type: 'string', default: '300' },
    only: { type: 'string' },
    logs: { type: 'string' },
    mutations: { type: 'boolean', default: false },
  },
});

const only = values.only?.split(',') as FaultKind[] | undefined;
for (const kind of only ?? []) if (!faultKinds.includes(kind)) throw new Error(`--only ${kind}: there are ${faultKinds.join(', ')}`);

const options: RunOptions = {
  seed: Number(values.seed),
  faults: Number(values.faults),
  everyMs: Number(values.every),
  only,
  chains: Number(values.chains),
  senders: Number(values.senders),
  pauseMs: Number(values.pause),
  replicas: Number(values.replicas),
  restMs: Number(values.rest) * 1000,
  logs: values.logs ?? mkdtempSync(join(tmpdir(), 'blockhub-conservation-')),
  say: (line) => console.error(line),
};

if (values.mutations) process.exitCode = (await findMutations(options, positionals)) ? 0 : 1;
else {
  const servers = await openServers();
  if ('absent' in servers) throw new Error(servers.absent);
  try {
    const result = await run(servers, options);
    console.log(describeRun(result));
    console.log(JSON.stringify(figuresOf(result)));
    process.exitCode = result.clean ? 0 : 1;
  } catch (error) {
    // Now: what went wrong with a server goes wrong at its end once more.
    console.error(error);
    process.exitCode = 1;
  } finally {
    await servers.close();
  }
}
// Node was seen to wait for ever, busily, for requests of connections that nobody holds any more.
process.exit();
