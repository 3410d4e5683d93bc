import { randomBytes } from 'node:crypto';
import { blockKey, entryKey, nameKey, newEvent } from '@blockhub/chain';
import { MemoryStore, Store } from '@blockhub/store';
import { verifyChain } from '@blockhub/walker';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { append } from './append.ts';
import { createChain } from './create-chain.ts';
import { type RepairReport, repairChain } from './repair.ts';

let store: Store;
let chain: string;
const ids: string[] = [];

const repair = (dryRun = false): Promise<RepairReport> => repairChain(store, chain, { now: () => 1_800_000_000_000, dryRun, settleMs: 0 });
const actions = ({ repairs }: RepairReport): [string, number][] => repairs.map(({ action, height }) => [action, height]);

async function flip(key: string, at: number): Promise<void> {
  const bytes = await store.get(key);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await store.put(key, bytes);
}

beforeEach(async () => {
  store = new Store(new MemoryStore().driver());
  chain = (await createChain(store, { name: 'mine', now: 1_700_000_000_000, random: Math.random })).id;
  ids.splice(0, ids.length, chain);
  for (let height = 1; height <= 12; height++) {
    ids.push(
      (
        await append(store, chain, [{ bytes: Buffer.from(`blob ${height}`) }], {
          newEvent: () => newEvent(1_800_000_000_000 + height, randomBytes(10)),
        })
      ).id,
    );
  }
});

describe('repairChain', () => {
  test('has nothing to do on a whole chain', async () => {
    expect(await repair()).toEqual({ chain, repairs: [], left: [], unchecked: [] });
  });

  test('reports its progress, in the pass that repairs and in the one that checks', async () => {
    const heights: number[] = [];
    await repairChain(store, chain, { now: () => 1_800_000_000_000, settleMs: 0, onProgress: (height) => heights.push(height) });
    expect(heights.slice(0, 13)).toEqual(ids.map((_, height) => height));
    expect(heights.slice(13)).toContain(12);
  });

  test('makes entries from copies, copies from entries, and the name from the root, all in one run, and records each', async () => {
    const before = new Map<string, Buffer>();
    for (const folder of ['blocks/', 'chains/', 'names/'])
      for await (const { key } of store.list(folder)) before.set(key, await store.get(key));
    for (const height of [0, 3, 4, 12]) await store.remove(entryKey(chain, height));
    await store.remove(nameKey('mine'));
    await store.remove(blockKey(ids[8] ?? ''));
    await flip(entryKey(chain, 6), 30);
    await flip(blockKey(ids[10] ?? ''), 30);
    expect((await repair(true)).left.map(({ code }) => code)).toContain('ENTRY_MISSING');
    const report = await repair();
    expect(actions(report)).toEqual([
      ['create-entry', 0],
      ['create-entry', 3],
      ['create-entry', 4],
      ['replace-entry', 6],
      ['create-copy', 8],
      ['replace-copy', 10],
      ['create-name', 0],
      ['create-entry', 12],
    ]);
    expect(report.left).toEqual([]);
    for (const [key, bytes] of before) expect((await store.get(key)).equals(bytes)).toBe(true);
    expect(await verifyChain(store, chain, { settleMs: 0 })).toMatchObject({ faults: [], blocks: 13 });
    const records: string[] = [];
    for await (const { key } of store.list(`chains/${chain}/repairs/`)) records.push(key);
    expect(records.filter((key) => key.endsWith('.json'))).toHaveLength(8);
    expect(records.filter((key) => key.endsWith('.before'))).toHaveLength(2);
    expect(JSON.parse((await store.get(records.find((key) => key.endsWith('replace-entry.json')) ?? '')).toString())).toMatchObject({
      chain,
      height: 6,
      id: ids[6],
      from: blockKey(ids[6] ?? ''),
    });
  });

  test('a dry run changes nothing', async () => {
    await store.remove(entryKey(chain, 5));
    expect(actions(await repair(true))).toEqual([['create-entry', 5]]);
    expect(await store.head(entryKey(chain, 5))).toBeUndefined();
  });

  test('does not take a changed tail for the truth', async () => {
    const key = entryKey(chain, 12);
    const bytes = await store.get(key);
    const hash = bytes.indexOf('"hash":"') + 8;
    bytes[hash] = bytes[hash] === 0x30 ? 0x31 : 0x30;
    await store.put(key, bytes);
    const report = await repair();
    expect(report.repairs).toEqual([]);
    expect(report.left).toMatchObject([{ code: 'BLOCK_MISSING', height: 12 }]);
    expect(await store.head(report.left[0]?.key ?? '')).toBeUndefined();
  });

  test('leaves what nothing vouches for', async () => {
    await store.remove(entryKey(chain, 7));
    await store.remove(blockKey(ids[7] ?? ''));
    const report = await repair();
    expect(report.repairs).toEqual([]);
    expect(report.left.map(({ code, height }) => [code, height])).toEqual([
      ['ENTRY_MISSING', 7],
      ['BLOCK_MISSING', 7],
    ]);
  });
});
