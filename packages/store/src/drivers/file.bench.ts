/**
 * Creates per second, 16 at a time, beside the bare system calls with the same syncs, as JSON.
 * `node src/drivers/file.bench.ts [folder] [seconds a round]`
 */
import { randomBytes } from 'node:crypto';
import { link, mkdir, mkdtemp, open, rm, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore } from '../open.ts';
import { FolderSync } from './folder-sync.ts';

const CONCURRENCY = 16;
const [parent = tmpdir(), seconds = '1'] = process.argv.slice(2);

type Create = (name: string, bytes: Buffer) => Promise<unknown>;

async function rate(create: Create, bytes: Buffer): Promise<number> {
  const began = performance.now();
  const endMs = began + Number(seconds) * 1000;
  let made = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() < endMs) await create(`objects/${made++}`, bytes);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  return Math.round((made * 1000) / (performance.now() - began));
}

/** The minimum that the driver must do, without keys, errors, limits or retries. */
function bare(root: string, sync: (folder: string) => Promise<void>): Create {
  return async (name, bytes) => {
    const temporary = join(root, '.tmp', name.slice(8));
    const file = await open(temporary, 'wx');
    await file.write(bytes);
    await file.datasync();
    await file.close();
    await link(temporary, join(root, name));
    await unlink(temporary);
    await sync(join(root, 'objects'));
  };
}

async function syncAlone(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  await handle.sync();
  await handle.close();
}

async function inFolder<T>(run: (root: string) => Promise<T>): Promise<T> {
  const root = await mkdtemp(join(parent, 'blockhub-bench-'));
  for (const folder of ['.tmp', 'objects']) await mkdir(join(root, folder));
  try {
    return await run(root);
  } finally {
    await rm(root, { recursive: true });
  }
}

/** Rounds take turns, because other programs use the disk too. The median counts. */
const ROUNDS = 7;
const median = (numbers: number[]): number => numbers.sort((a, b) => a - b)[numbers.length >> 1] ?? 0;

const contenders: Record<string, (root: string) => Create | Promise<Create>> = {
  bare: (root) => bare(root, syncAlone),
  bareSharedSync(root) {
    const shared = new FolderSync();
    return bare(root, (folder) => shared.sync(folder));
  },
  async store(root) {
    const store = await openStore(root);
    return (name, bytes) => store.create(name, bytes);
  },
};

for (const size of [1000, 100_000]) {
  const bytes = randomBytes(size);
  const measured: Record<string, number[]> = { bare: [], bareSharedSync: [], store: [] };
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, open] of Object.entries(contenders)) {
      measured[name]?.push(await inFolder(async (root) => rate(await open(root), bytes)));
    }
  }
  const createsPerSecond = Object.fromEntries(Object.entries(measured).map(([name, rates]) => [name, median(rates)]));
  process.stdout.write(`${JSON.stringify({ size, concurrency: CONCURRENCY, createsPerSecond, rounds: measured })}\n`);
}
