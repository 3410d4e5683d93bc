import { type BuiltBlock, buildBlock, buildRoot, entryKey, hashOf, newEvent, parseBlock, type Tail, tailOf } from '@blockhub/chain';
import { type TestWorker, testWorker } from '@blockhub/worker';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { worker } from './worker.ts';

const START = Date.UTC(2026, 0, 1);
const chain = buildRoot({ salt: '0'.repeat(32), time: START });
const tailOfBuilt = ({ bytes }: BuiltBlock): Tail => tailOf(parseBlock(bytes));

let patch: TestWorker;
beforeEach(async () => {
  patch = await testWorker(worker, { queues: ['tails.x', 'tails.y'] });
});
afterEach(() => patch.stop());

async function grow(heights: number): Promise<Tail> {
  let block = chain;
  await patch.store.create(entryKey(chain.id, 0), chain.bytes);
  for (let height = 1; height <= heights; height++) {
    const body = Buffer.from(String(height));
    const item = {
      event: newEvent(START + height, Buffer.alloc(10)),
      crypt: 'sha256' as const,
      hash: hashOf('sha256', body),
      length: body.length,
    };
    block = buildBlock(tailOfBuilt(block), [{ ...item, at: { key: 'k' }, meta: {} }]);
    await patch.store.create(entryKey(chain.id, height), block.bytes);
  }
  return tailOfBuilt(block);
}

const ask = async (...tailsTo: string[]): Promise<void> => {
  await patch.publish(
    'tails.wanted',
    ...tailsTo.map((to) => ({ meta: { chain: chain.id, tailsTo: to }, body: { chain: chain.id, tailsTo: to } })),
  );
  await patch.run(0);
};

const answers = async (queue: string): Promise<unknown[]> => (await patch.queue(queue)).map(({ body }) => JSON.parse(body.toString()));

describe('patchblock', () => {
  test('publishes the true tail to the queue in the request', async () => {
    const tail = await grow(20);
    await ask('tails.x');
    expect(await answers('tails.x')).toEqual([tail]);
  });

  test('a hint of the registry makes it cheap, not wrong', async () => {
    const tail = await grow(40);
    await patch.registry.putHint(chain.id, 40);
    await ask('tails.x');
    expect(await answers('tails.x')).toEqual([tail]);
    expect(patch.store.requests.head).toBe(2);
  });

  test('many questions for one chain cost one search', async () => {
    const tail = await grow(3);
    await ask(...Array.from({ length: 50 }, (_, at) => (at % 2 ? 'tails.x' : 'tails.y')));
    expect(await answers('tails.x')).toEqual(Array.from({ length: 25 }, () => tail));
    expect(await answers('tails.y')).toHaveLength(25);
    expect(patch.store.requests.get).toBe(1);
  });

  test('a chain that is missing, or shorter than it was, is not guessed at', async () => {
    await ask('tails.x');
    await grow(3);
    await patch.registry.putHint(chain.id, 9);
    await ask('tails.x');
    expect(await answers('tails.x')).toEqual([]);
    expect(await patch.queue('dead-letter')).toEqual([]);
    expect(await patch.metrics.text()).toContain('blockhub_patchblock_detached_total 2');
  });

  test('a question that is none is a dead letter', async () => {
    await patch.publish('tails.wanted', { body: { chain: 'x' } });
    await patch.run(0);
    expect(await patch.queue('dead-letter')).toHaveLength(1);
  });
});
