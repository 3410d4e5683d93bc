/**
 * Creates per second of the file store at concurrency 16, beside the bare system calls with the same syncs:
 * `node src/drivers/file.bench.ts [folder] [seconds]` prints JSON, one line a size.
 */
import { randomBytes } from 'node:crypto';
import { link, mkdir, mkdtemp, open, rm, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore } from '../open.ts';
import { FolderSync } from './folder-sync.ts';

const CONCURRENCY = 16;
const [parent = tmpdir(), seconds = '4'] = process.argv.slice(2);

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

/** What the driver must do at least, without keys, errors, limits or retries. */
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

for (const size of [1000, 100_000]) {
  const bytes = randomBytes(size);
  const measured: Record<string, number> = {};
  for (const round of [1, 2]) {
    const shared = new FolderSync();
    measured[`bare ${round}`] = await inFolder((root) => rate(bare(root, syncAlone), bytes));
    measured[`bareSharedSync ${round}`] = await inFolder((root) =>
      rate(
        bare(root, (folder) => shared.sync(folder)),
        bytes,
      ),
    );
    measured[`store ${round}`] = await inFolder(async (root) => {
      const store = await openStore(root);
      return rate((name, body) => store.create(name, body), bytes);
    });
  }
  process.stdout.write(`${JSON.stringify({ size, concurrency: CONCURRENCY, createsPerSecond: measured })}\n`);
}
