/**
 * `pnpm bench [name …]`: measures, prints a JSON line per figure on stdout and a table on stderr.
 * No figure is judged, since machines differ.
 */
import { availableParallelism, cpus, totalmem } from 'node:os';
import { benchCapture } from './capture.ts';
import { benchDistributed, partNames } from './distributed.ts';
import { benchIdle, benchLatency, benchPipeline } from './pipeline.ts';
import { benchReading } from './reading.ts';
import { benchStages } from './stages.ts';
import { print, type Row } from './table.ts';

type Bench = () => Promise<Row[]> | AsyncIterable<Row[]>;

const benches: Readonly<Record<string, Bench>> = {
  capture: benchCapture,
  stages: benchStages,
  'one-chain': () => benchPipeline(1, true),
  'one-chain-plain': () => benchPipeline(1, false),
  'many-chains': () => benchPipeline(100, true),
  'many-chains-plain': () => benchPipeline(100, false),
  latency: benchLatency,
  idle: benchIdle,
  reading: benchReading,
  distributed: benchDistributed,
};

/** These run only if they are named. */
const parts: Readonly<Record<string, Bench>> = Object.fromEntries(
  partNames.map((name) => [`distributed-${name}`, () => benchDistributed([name])]),
);

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in benches || name in parts));
if (unknown.length > 0) {
  console.error(`unknown: ${unknown.join(', ')}; there are ${Object.keys({ ...benches, ...parts }).join(', ')}`);
  process.exitCode = 2;
} else {
  console.error(`${availableParallelism()} × ${cpus()[0]?.model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}\n`);
  // An exit stops the processes and containers that were started, too.
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));
  const chosen = wanted.length === 0 ? Object.values(benches) : wanted.map((name) => (benches[name] ?? parts[name]) as Bench);
  for (const bench of chosen) {
    const rows = bench();
    if (Symbol.asyncIterator in rows) for await (const some of rows) print(some);
    else print(await rows);
  }
}
