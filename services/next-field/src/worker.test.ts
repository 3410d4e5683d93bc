import {
  type BuiltBlock,
  buildBlock,
  buildRoot,
  entryKey,
  hashOf,
  newEvent,
  parseBlock,
  type Receipt,
  type Tail,
  tailOf,
} from '@blockhub/chain';
import { writeBlock } from '@blockhub/message';
import { type TestWorker, testWorker } from '@blockhub/worker';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { worker } from './worker.ts';

type Plan = NonNullable<NonNullable<Parameters<typeof testWorker>[1]>['plan']>;

const START = Date.UTC(2026, 0, 1);
const root = buildRoot({ salt: '0'.repeat(32), time: START });
const tailOfBuilt = ({ bytes }: BuiltBlock): Tail => tailOf(parseBlock(bytes));

function receipt(number: number, pack = 'one'): Receipt {
  const body = Buffer.from(`body ${number}`);
  const event = newEvent(START + number, Buffer.alloc(10, number));
  return {
    event,
    crypt: 'sha256',
    hash: hashOf('sha256', body),
    length: body.length,
    at: { key: `packs/${pack}.pack`, offset: 0 },
    meta: { mime: 'text/plain' },
  };
}

const first = buildBlock(tailOfBuilt(root), [receipt(1), receipt(2)]);
const second = buildBlock(tailOfBuilt(first), [receipt(3)]);

let next: TestWorker;
beforeEach(async () => {
  next = await testWorker(worker, { queues: ['tails.asker'] });
  await next.store.create(entryKey(root.id, 0), root.bytes);
});
afterEach(() => next.stop());

async function link(block: BuiltBlock, prev: string, body = block.bytes): Promise<void> {
  const { id, meta } = writeBlock(block, { prev, tailsTo: 'tails.asker' });
  await next.publish('blocks.newblocksaved.0', { id, meta, body });
  await next.run(0);
}

const entry = (height: number): Promise<Buffer | undefined> => next.store.find(entryKey(root.id, height));
const tails = async (): Promise<Tail[]> => (await next.queue('tails.asker')).map(({ body }) => JSON.parse(body.toString()) as Tail);
const notices = async (): Promise<unknown[]> => (await next.queue('blocks.committed')).map(({ body }) => JSON.parse(body.toString()));
const dead = async (): Promise<unknown[]> => (await next.queue('dead-letter')).map(({ meta }) => meta['dead-code']);

describe('next-field', () => {
  test('makes a block the next one, and says so', async () => {
    await link(first, root.id);
    expect(await entry(1)).toEqual(first.bytes);
    expect(await notices()).toEqual([{ chain: root.id, id: first.id, prev: root.id, height: 1, time: START + 2, blobs: 2 }]);
    expect(await tails()).toEqual([tailOfBuilt(first)]);
    expect(await next.registry.findHint(root.id)).toBe(1);
  });

  test('logs when, and how old its events were', async () => {
    await next.run(START + 2000 - next.clock.now());
    await link(first, root.id);
    const lines = (await next.metrics.text()).split('\n');
    expect(lines).toContain(`blockhub_next_field_last_commit_timestamp_seconds ${START / 1000 + 2}`);
    expect(lines).toContain('blockhub_next_field_event_age_seconds_count 2');
    expect(lines).toContain(`blockhub_next_field_event_age_seconds_sum ${1.999 + 1.998}`);
  });

  test('what it linked itself is not read again: one request per block', async () => {
    await link(first, root.id);
    const { get, create } = next.store.requests;
    await link(second, first.id);
    expect(next.store.requests).toMatchObject({ get, create: create + 1 });
    expect(await entry(2)).toEqual(second.bytes);
  });

  test('gives a receipt for each event if it is set, the same ones again after a repeat, and none for a block that comes too late', async () => {
    await using giving = await testWorker(worker, { settings: { receipts: 'events.committed' }, queues: ['tails.asker'] });
    await giving.store.create(entryKey(root.id, 0), root.bytes);
    const late = buildBlock(tailOfBuilt(root), [receipt(9)]);
    for (const block of [first, first, late]) {
      const { id, meta } = writeBlock(block, { prev: root.id, tailsTo: 'tails.asker' });
      await giving.publish('blocks.newblocksaved.0', { id, meta, body: block.bytes });
      await giving.run(0);
    }
    const given = (await giving.queue('events.committed')).map(({ id, body }) => ({ id, ...JSON.parse(body.toString()) }));
    const expected = [1, 2].map((number, position) => {
      const { event } = receipt(number);
      return { id: event, event, chain: root.id, block: first.id, height: 1, position };
    });
    expect(given).toEqual([...expected, ...expected]);
  });

  test('keeps the block until its receipts are confirmed', async () => {
    const plan: Plan = {
      random: () => 0.5,
      chance: () => false,
      decide: (effect) => ({ outcome: effect === 'publish' ? 'crash-before' : 'ok', delayMs: 0, answerMs: 0 }),
    };
    const dying = await testWorker(worker, { plan, settings: { receipts: 'events.committed' }, queues: ['tails.asker'] });
    await dying.store.create(entryKey(root.id, 0), root.bytes);
    const { id, meta } = writeBlock(first, { prev: root.id, tailsTo: 'tails.asker' });
    await dying.publish('blocks.newblocksaved.0', { id, meta, body: first.bytes });
    await dying.run(1000);
    expect(await dying.store.find(entryKey(root.id, 1))).toEqual(first.bytes);
    expect(await dying.queue('events.committed')).toEqual([]);
    expect(await dying.queue('blocks.newblocksaved.0')).toHaveLength(1);
  });

  test('a repeat is a success, also when a later block is there', async () => {
    await link(first, root.id);
    await link(second, first.id);
    await link(first, root.id);
    expect(await notices()).toHaveLength(3);
    expect((await tails()).map(({ height }) => height)).toEqual([1, 2, 1]);
    expect(await next.queue('blobs.grouped.0')).toEqual([]);
  });

  test('another try of the same block, with other places of the blobs, is the same block', async () => {
    await link(first, root.id);
    const again = buildBlock(tailOfBuilt(root), [receipt(1, 'two'), receipt(2, 'two')]);
    expect(again.id).toBe(first.id);
    await link(again, root.id);
    expect(await entry(1)).toEqual(first.bytes);
    expect(await notices()).toHaveLength(2);
  });

  test('a block that comes too late gives its items back, and the true tail', async () => {
    await link(first, root.id);
    await link(second, first.id);
    const late = buildBlock(tailOfBuilt(root), [receipt(1), receipt(9)]);
    await link(late, root.id);
    const [group] = await next.queue('blobs.grouped.0');
    expect(group).toMatchObject({ id: late.id, meta: { chain: root.id, items: 2 } });
    expect(JSON.parse(group?.body.toString() ?? '')).toEqual([receipt(1), receipt(9)]);
    expect((await tails()).at(-1)).toEqual(tailOfBuilt(second));
    expect(await entry(1)).toEqual(first.bytes);
    expect(await entry(3)).toBeUndefined();
    expect(await notices()).toHaveLength(2);
  });

  test('a block behind another block than the entry gives its items back', async () => {
    await link(first, root.id);
    const other = buildBlock(tailOfBuilt(root), [receipt(7)]);
    await link(buildBlock(tailOfBuilt(other), [receipt(8)]), other.id);
    expect(await entry(2)).toBeUndefined();
    expect(await next.queue('blobs.grouped.0')).toHaveLength(1);
    expect((await tails()).at(-1)).toEqual(tailOfBuilt(first));
  });

  test('a block behind a height without an entry is refused: the chain is damaged', async () => {
    await link(second, first.id);
    expect(await entry(2)).toBeUndefined();
    expect(await dead()).toEqual(['CHAIN_DAMAGED']);
  });

  test('a body that is not the block of its meta is refused', async () => {
    const changed = Buffer.from(first.bytes);
    changed[20] = (changed[20] ?? 0) ^ 1;
    await link(first, root.id, changed);
    await link(first, 'f'.repeat(64));
    expect(await dead()).toEqual(['MESSAGE_INVALID', 'MESSAGE_INVALID']);
    expect(await entry(1)).toBeUndefined();
  });
});
