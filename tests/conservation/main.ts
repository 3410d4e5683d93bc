/**
 * `pnpm test:conservation [--faults N] [--seed N] [--every MS] [--chains N] [--only kill,pause]
 * [--mutations [WORD…]]`: runs the whole mesh as processes on RabbitMQ, S3 and Redis, under a plan
 * of faults that follows from the seed. Then it judges the bucket.
 * The plan and the logs are in a folder whose path is printed. The last line is the figures of the
 * run as JSON.
 * With --mutations it breaks promises in the code, one at a time, and prints whether a run finds
 * each. Words select the mutations whose names contain one of them.
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
    // Printed at once: after a failure of a server, its close() may fail too.
    console.error(error);
    process.exitCode = 1;
  } finally {
    await servers.close();
  }
}
// Node sometimes never ends by itself here: it waits, with full CPU load, for requests of
// connections that are not in use any more.
process.exit();
