/** `node packages/walker/src/walk.bench.ts [folder]` measures walk and verify on a file store. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { openStore, type Store } from '@blockhub/store';
import { type SampleOptions, writeSample } from './sample-chain.ts';
import type { VerifyLevel } from './types.ts';
import { verifyChain } from './verify.ts';
import { walk } from './walk.ts';

const folder = process.argv[2] ?? (await mkdtemp(join(tmpdir(), 'blockhub-bench-')));
const store = await openStore(`file://${folder}`);
try {
  await benchVerify(store, 'full packs', { blocks: 400, blobsPerBlock: 1000, blobBytes: 500, seed: 2 });
  await benchWalk(store, 'many small blocks', { blocks: 100_000, blobsPerBlock: 1, blocksPerPack: 1000, blobBytes: 500, seed: 1 });
} finally {
  await store.close();
  if (!process.argv[2]) await rm(folder, { recursive: true });
}

async function benchWalk(on: Store, name: string, options: SampleOptions): Promise<void> {
  const chain = await fixture(options);
  for (const verify of ['none', 'links'] as const) {
    await measure(`walk ${name}, verify ${verify}`, 'blocks', async () => {
      let blocks = 0;
      for await (const batch of walk(on, { chain, verify })) blocks += batch.blocks.length;
      return blocks;
    });
  }
}

async function benchVerify(on: Store, name: string, options: SampleOptions): Promise<void> {
  const chain = await fixture(options);
  for (const level of ['links', 'blocks', 'blobs', 'full'] satisfies VerifyLevel[]) {
    await measure(`verify ${name}, level ${level}`, 'events', async () => {
      const { events, faultCount, uncheckedCount } = await verifyChain(on, chain, { level });
      if (faultCount + uncheckedCount > 0) throw new Error(`${faultCount} faults, ${uncheckedCount} unchecked`);
      return events;
    });
  }
}

/** Files as the file store lays them, without waiting for the disk for each. */
async function fixture(options: SampleOptions): Promise<string> {
  const folders = new Set<string>();
  const write = async (key: string, bytes: Buffer): Promise<void> => {
    const path = join(folder, key);
    if (!folders.has(dirname(path))) mkdirSync(dirname(path), { recursive: true });
    folders.add(dirname(path));
    writeFileSync(path, bytes);
  };
  const start = performance.now();
  const { chain } = await writeSample(write, options);
  process.stderr.write(`fixture of ${options.blocks} blocks written in ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
  return chain;
}

async function measure(name: string, unit: string, run: () => Promise<number>): Promise<void> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  const count = await run();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const result = {
    name,
    [`${unit}PerSecond`]: Math.round(count / seconds),
    [`${unit}PerCpuSecond`]: Math.round((count * 1e6) / (user + system)),
    count,
    seconds: Number(seconds.toFixed(2)),
    rssMb: Math.round(process.memoryUsage().rss / 2 ** 20),
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
