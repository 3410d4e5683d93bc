import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { newEvent } from '@blockhub/chain';
import { MemoryStore, openStore, Store } from '@blockhub/store';
import { readBlobs, verifyChain, type WalkedBlock, walk } from '@blockhub/walker';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { append } from './append.ts';
import { createChain } from './create-chain.ts';

const openMemory = (): Store => new Store(new MemoryStore().driver());
const options = { newEvent: () => newEvent(1_800_000_000_000, randomBytes(10)) };
const creation = { now: 1_700_000_000_000, random: Math.random };

async function* blocksOf(store: Store, chain: string): AsyncGenerator<WalkedBlock> {
  for await (const { blocks } of walk(store, { chain })) yield* blocks;
}

describe('append', () => {
  test.each(['sha256', 'md5'] as const)('stores small and large blobs so that they are read and verified (%s)', async (crypt) => {
    const store = openMemory();
    const { id } = await createChain(store, { ...creation, name: 'mine', crypt });
    const blobs = [Buffer.from('one'), Buffer.alloc(0), Buffer.alloc(300_000, 'large'), randomBytes(9)].map((bytes) => ({
      bytes,
      meta: { mime: 'text/plain' },
    }));
    const appended = await append(store, 'mine', blobs, options);
    expect(appended).toMatchObject({ chain: id, prev: id, height: 1, time: 1_800_000_000_000 });
    expect(appended.receipts.map(({ at }) => at.key.split('/')[0])).toEqual(['packs', 'packs', 'blobs', 'packs']);
    const read = new Map<string, Buffer | undefined>();
    for await (const { receipt, bytes } of readBlobs(store, blocksOf(store, id))) read.set(receipt.event, bytes);
    expect(appended.receipts.map(({ event }) => read.get(event))).toEqual(blobs.map(({ bytes }) => bytes));
    expect(await verifyChain(store, id, { settleMs: 0 })).toMatchObject({ faults: [], events: 4 });
  });

  test('refuses no blobs, and an unknown chain', async () => {
    const store = openMemory();
    const { id } = await createChain(store, creation);
    await expect(append(store, id, [], options)).rejects.toMatchObject({ code: 'USAGE' });
    await expect(append(store, 'missing', [{ bytes: Buffer.from('x') }], options)).rejects.toMatchObject({ code: 'CHAIN_NOT_FOUND' });
  });

  test.each([9, 300_000])('refuses to refer to a damaged object of %d bytes, although its length is right', async (length) => {
    const store = openMemory();
    const { id } = await createChain(store, creation);
    const bytes = Buffer.alloc(length, 'x');
    const { receipts } = await append(store, id, [{ bytes }], options);
    await store.put(receipts[0]?.at.key ?? '', Buffer.alloc(length, 'y'));
    await expect(append(store, id, [{ bytes }], options)).rejects.toMatchObject({ code: 'OBJECT_EXISTS' });
    expect(await verifyChain(store, id, { settleMs: 0, level: 'links' })).toMatchObject({ blocks: 2 });
  });

  test('many at once in one process: each ends in a block of its own', async () => {
    const store = openMemory();
    const { id } = await createChain(store, creation);
    const appended = await Promise.all(
      Array.from({ length: 30 }, (_, number) => append(store, id, [{ bytes: Buffer.from(`${number}`) }], options)),
    );
    expect(appended.map(({ height }) => height).sort((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, index) => index + 1));
    expect(await verifyChain(store, id, { settleMs: 0 })).toMatchObject({ faults: [], events: 30 });
  });
});

describe('two processes on one chain', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'blockhub-append-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('do not fork it, and every event is there once', async () => {
    const url = `file://${folder}`;
    const store = await openStore(url);
    const { id } = await createChain(store, { ...creation, name: 'shared' });
    const child = join(import.meta.dirname, 'append-child.ts');
    const count = 25;
    const runs = ['left', 'right'].map((name) => promisify(execFile)(process.execPath, [child, url, 'shared', name, String(count)]));
    const printed = (await Promise.all(runs)).flatMap(({ stdout }) => stdout.trim().split('\n'));
    const events: string[] = [];
    const names: string[] = [];
    for await (const { receipt, bytes } of readBlobs(store, blocksOf(store, id))) {
      events.push(receipt.event);
      names.push(bytes?.toString() ?? '');
    }
    expect(events.toSorted()).toEqual(printed.toSorted());
    expect(new Set(names).size).toBe(2 * count);
    // Both were at it at the same time.
    expect(names.findLastIndex((name) => name.startsWith('left'))).toBeGreaterThan(names.findIndex((name) => name.startsWith('right')));
    expect(await verifyChain(store, id, { settleMs: 0 })).toMatchObject({ faults: [], blocks: 2 * count + 1 });
    await store.close();
  });
});
