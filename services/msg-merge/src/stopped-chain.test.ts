import { type TestWorker, testWorker } from '@blockhub/worker';
import { expect, test } from '@jest/globals';
import { worker } from './worker.ts';

const SECOND = 1000;
const tails = 'tails.merge-1';
const grouped = 'blobs.grouped.0';
const group = (chain: string, item: number) => ({ meta: { chain, items: 1 }, body: [item] });

/** What an operator sees. */
async function seen({ metrics }: TestWorker): Promise<{ oldest: number; expired: number }> {
  const text = await metrics.text();
  const read = (name: string): number => Number(new RegExp(`^blockhub_msg_merge_${name} (.+)$`, 'm').exec(text)?.[1]);
  return { oldest: read('oldest_seconds'), expired: read('expired_total') };
}

test('a chain that stopped shows in metrics, whatever others do, and until its groups went', async () => {
  await using merge = await testWorker(worker, { instance: 'merge-1', settings: { hold: ['60s'] } });
  const tail = (chain: string, height: number) =>
    merge.connection.publish([{ queue: tails, id: `${chain}:${height}`, meta: { chain, height }, body: Buffer.from('{}'), hint: true }]);
  expect(await seen(merge)).toEqual({ oldest: 0, expired: 0 });
  await merge.publish(grouped, group('stuck', 1));
  await merge.run(30 * SECOND);
  await merge.publish(grouped, group('fine', 2));
  await tail('fine', 7);
  await merge.run(0);
  expect(await seen(merge)).toEqual({ oldest: 30, expired: 0 });
  // The first one waits for a minute in vain, and comes again half a minute later, behind another
  // one: it is not younger then.
  await merge.run(40 * SECOND);
  await merge.publish(grouped, group('stuck', 3));
  await merge.run(20 * SECOND);
  await merge.publish(grouped, group('stuck', 4));
  await merge.run(0);
  expect(await seen(merge)).toEqual({ oldest: 90, expired: 1 });
  await tail('stuck', 9);
  await merge.run(0);
  expect(await seen(merge)).toEqual({ oldest: 0, expired: 1 });
  expect(await merge.queue('blocks.staged.0')).toHaveLength(2);
});
