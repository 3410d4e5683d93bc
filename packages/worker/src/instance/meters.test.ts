import { createMetrics } from '@blockhub/telemetry';
import { expect, test } from '@jest/globals';
import { done, reject, retry } from '../outcome.ts';
import { handling, out, SECOND } from '../testing/fixtures.ts';
import { Meters } from './meters.ts';

test('every way of a message is counted, by stable names', async () => {
  const sample = await handling(({ id }) => {
    if (id === 'retry') return retry(60 * SECOND, 'later');
    if (id === 'reject') return reject('MESSAGE_INVALID', 'no');
    return id === 'hold' ? new Promise<void>(() => {}) : done([out('x'), out('y')]);
  });
  await sample.publish('in', ...['done', 'retry', 'reject', 'hold'].map((id) => ({ id })));
  await sample.run(SECOND);
  const text = await sample.metrics.text();
  const labels = '{worker="sample",queue="in"}';
  for (const line of [
    `blockhub_messages_taken_total${labels} 4`,
    `blockhub_messages_done_total${labels} 1`,
    `blockhub_messages_retried_total${labels} 1`,
    'blockhub_messages_rejected_total{worker="sample",queue="in",code="MESSAGE_INVALID"} 1',
    `blockhub_held_messages${labels} 1`,
    `blockhub_handle_seconds_count${labels} 3`,
    'blockhub_published_total{worker="sample",queue="out"} 2',
    'blockhub_published_total{worker="sample",queue="dead-letter"} 1',
  ])
    expect(text.split('\n')).toContain(line);
  await sample.stop();
  expect((await sample.metrics.text()).split('\n')).toContain(`blockhub_held_messages${labels} 0`);
});

test('a queue per chain is one series', async () => {
  const metrics = createMetrics();
  const meters = new Meters(metrics, 'w', ['blobs.deployed.{p}', '{msg.meta.chain}_chain', 'plain']);
  for (const queue of ['plain', 'blobs.deployed.12', 'abc_chain', 'dead-letter', 'blobs_deployed_1', 'plain2'])
    meters.published([{ queue, id: 'x', meta: {}, body: Buffer.alloc(0) }]);
  const series = [...(await metrics.text()).matchAll(/queue="(.*)"} (\d)/g)].map(([, queue, count]) => [queue, count]);
  expect(series).toEqual([
    ['plain', '1'],
    ['blobs.deployed.{p}', '1'],
    ['{msg.meta.chain}_chain', '1'],
    ['dead-letter', '1'],
    ['other', '2'],
  ]);
});

test('many queues leave few series', async () => {
  const metrics = createMetrics();
  const meters = new Meters(metrics, 'w', ['{chain}_chain']);
  for (let n = 0; n < 5000; n++) meters.published([{ queue: `${n}_chain`, id: 'x', meta: {}, body: Buffer.alloc(0) }]);
  expect((await metrics.text()).split('\n').filter((line) => line.startsWith('blockhub_'))).toEqual([
    'blockhub_published_total{worker="w",queue="{chain}_chain"} 5000',
  ]);
});
