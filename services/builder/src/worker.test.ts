import { parseBlock, type Receipt, type Tail } from '@blockhub/chain';
import { groupBody, mergeMessages, writeGroup, writeTail } from '@blockhub/message';
import { type TestWorker, testWorker } from '@blockhub/worker';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { receiptAt, sampleChain } from './sample-chain.ts';
import { worker } from './worker.ts';

let builder: TestWorker;
let chain: Awaited<ReturnType<typeof sampleChain>>;
beforeEach(async () => {
  builder = await testWorker(worker, { queues: ['tails.asker'] });
  chain = await sampleChain(builder.store);
});
afterEach(() => builder.stop());

async function stage(tail: Tail, ...groups: Receipt[][]): Promise<void> {
  const parts = groups.map((group) =>
    writeGroup({ queue: 'blobs.grouped.0', id: 'x', chain: tail.chain, items: group.length, body: groupBody(group) }),
  );
  // As msg-merge writes it.
  const { meta, body } = mergeMessages({ tail: writeTail('tails.asker', tail), group: parts });
  await builder.publish('blocks.staged.0', { meta: { ...meta, tailsTo: 'tails.asker' }, body });
  await builder.run(0);
}

const built = async () => builder.queue('blocks.newblockcreated');
const [a, b, c] = [receiptAt(1, 1), receiptAt(2, 2), receiptAt(3, 3)];
const root = (): Tail => chain.tails[0] as Tail;

describe('builder', () => {
  test('builds the next block, sorted by event', async () => {
    await stage(root(), [c, a], [b]);
    const [message] = await built();
    const block = parseBlock(message?.body ?? Buffer.alloc(0));
    expect(block).toMatchObject({ chain: root().chain, height: 1, prev: root().id, blobs: [a, b, c] });
    expect(message).toMatchObject({
      id: block.id,
      meta: { chain: block.chain, height: 1, prev: root().id, block: block.id, tailsTo: 'tails.asker' },
    });
  });

  test('the same tail and items give the same bytes, in any order and with twins', async () => {
    const twin = receiptAt(1, 1, 'two');
    await stage(root(), [a, twin, b]);
    await stage(root(), [b], [twin], [a]);
    const [first, second] = await built();
    expect(second?.body.equals(first?.body ?? Buffer.alloc(0))).toBe(true);
    expect(parseBlock(first?.body ?? Buffer.alloc(0)).blobs).toEqual([a, b]);
  });

  test('what is in the chain is dropped', async () => {
    await stage(await chain.append([a]), [a, b]);
    expect(parseBlock((await built())[0]?.body ?? Buffer.alloc(0)).blobs).toEqual([b]);
  });

  test('nothing left: the tail goes back', async () => {
    const tail = await chain.append([a]);
    await stage(tail, [a], [a]);
    expect(await built()).toEqual([]);
    const [hint] = await builder.queue('tails.asker');
    expect(JSON.parse(hint?.body.toString() ?? '')).toEqual(tail);
  });

  test('an invalid blueprint is a dead letter', async () => {
    await builder.publish('blocks.staged.0', {
      meta: { chain: root().chain, tailsTo: 't' },
      body: { tail: { msg: root() }, group: [{ msg: [{ event: 'x' }] }] },
    });
    await builder.run(0);
    expect((await builder.queue('dead-letter'))[0]?.meta).toMatchObject({
      'dead-code': 'MESSAGE_INVALID',
      'dead-queue': 'blocks.staged.0',
    });
  });

  test('a blueprint of a chain without one of its heights is a dead letter', async () => {
    const [tail] = [await chain.append([a])];
    await builder.store.remove(`chains/${tail.chain}/000000000001.block`);
    await stage(tail, [a]);
    expect((await builder.queue('dead-letter'))[0]?.meta).toMatchObject({ 'dead-code': 'CHAIN_DAMAGED' });
  });
});
