/** `pnpm bench [name …]`: measures, prints a JSON line per figure on stdout and a table on stderr. Nothing is judged: machines differ. */
import { availableParallelism, cpus, totalmem } from 'node:os';
import { benchCapture } from './capture.ts';
import { benchIdle, benchLatency, benchPipeline } from './pipeline.ts';
import { benchReading } from './reading.ts';
import { benchStages } from './stages.ts';
import { print, type Row } from './table.ts';

const benches: Readonly<Record<string, () => Promise<Row[]>>> = {
  capture: benchCapture,
  stages: benchStages,
  'one-chain': () => benchPipeline(1, true),
  'one-chain-plain': () => benchPipeline(1, false),
  'many-chains': () => benchPipeline(100, true),
  'many-chains-plain': () => benchPipeline(100, false),
  latency: benchLatency,
  idle: benchIdle,
  reading: benchReading,
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in benches));
if (unknown.length > 0) {
  console.error(`unknown: ${unknown.join(', ')}; there are ${Object.keys(benches).join(', ')}`);
  process.exitCode = 2;
} else {
  console.error(`${availableParallelism()} × ${cpus()[0]?.model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}\n`);
  for (const [name, bench] of Object.entries(benches)) if (wanted.length === 0 || wanted.includes(name)) print(await bench());
}
