import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { heightOfKey } from '@blockhub/chain';
import { openStore, type StoreDriver } from '@blockhub/store';
import { blockStore } from '@blockhub/walker';
import type { Row } from './table.ts';

const script = join(import.meta.dirname, '../../packages/walker/src/walk.bench.ts');
const TARGETS: Readonly<Record<string, string>> = {
  'verify full packs, level full': '≥ 100,000 per core',
  'walk many small blocks, verify links': '≥ 20,000',
};

/**
 * Verify and walk on sample chains in a folder, in a process of their own, and the requests for a
 * tail.
 */
export async function benchReading(): Promise<Row[]> {
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (chunk) => {
    text += chunk;
  });
  await once(child, 'close');
  const rows = text
    .trim()
    .split('\n')
    .flatMap((line) => rowsOf(JSON.parse(line) as Record<string, number | string>));
  return [...rows, await tailRow(1_000_000)];
}

function rowsOf(result: Record<string, number | string>): Row[] {
  const name = String(result.name);
  const target = TARGETS[name];
  return ['blocks', 'events'].flatMap((unit) =>
    `${unit}PerSecond` in result
      ? [
          { name, value: Number(result[`${unit}PerSecond`]), unit: `${unit}/s`, ...(target ? { target } : {}) },
          { name: `${name}: per second of CPU`, value: Number(result[`${unit}PerCpuSecond`]), unit: `${unit}/s` },
        ]
      : [],
  );
}

/**
 * Requests for the tail of a chain with this number of blocks, without a hint. The store has no
 * objects; it derives its answers from the height in the key.
 */
async function tailRow(heights: number): Promise<Row> {
  const known = (key: string): boolean => (heightOfKey(key) ?? heights) < heights;
  const driver: StoreDriver = {
    get: async (key) => (known(key) ? Buffer.from(key) : undefined),
    head: async (key) => (known(key) ? { length: key.length } : undefined),
    create: async () => false,
    put: async () => {},
    remove: async () => {},
    async *list() {},
    classify: () => 'permanent',
    close: async () => {},
  };
  const store = await openStore('memory:', { drivers: { memory: () => driver } });
  const tail = await blockStore(store).tail('0'.repeat(64));
  if (tail?.height !== heights - 1) throw new Error(`the tail is at ${tail?.height}`);
  const { get, head, list } = store.requests;
  return { name: `tail of ${heights.toLocaleString('en')} heights`, value: get + head + list, unit: 'requests', target: '≤ 40' };
}
