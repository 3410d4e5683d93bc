import { type TestMessage, type TestWorker, testTracing, testWorker } from '@blockhub/worker';
import { afterEach, describe, expect, test } from '@jest/globals';
import { worker } from './worker.ts';

const [taken, given] = ['blobs.deployed.0', 'blobs.grouped.0'];

let grouper: TestWorker;
afterEach(() => grouper.stop());

const list = (chain: string, ...items: unknown[]): TestMessage => ({ meta: { chain, items: items.length }, body: items });

async function groups(): Promise<{ chain: unknown; items: unknown; doc: unknown }[]> {
  return (await grouper.queue(given as string)).map(({ meta, body }) => ({
    chain: meta.chain,
    items: meta.items,
    doc: JSON.parse(body.toString()),
  }));
}

const held = async (): Promise<number> => (await grouper.broker.queues()).find(({ name }) => name === taken)?.unacked ?? -1;

const publish = (...messages: TestMessage[]): Promise<void> => grouper.publish(taken as string, ...messages);

describe('grouper', () => {
  test('what comes within the time is one group per key, in order', async () => {
    grouper = await testWorker(worker, { settings: { ttl: 20 } });
    await publish(list('a', 1, 2), list('b', 9), list('a', 3));
    await grouper.run(19);
    expect(await groups()).toEqual([]);
    expect(await held()).toBe(3);
    await grouper.run(1);
    expect(await groups()).toEqual([
      { chain: 'a', items: 3, doc: [1, 2, 3] },
      { chain: 'b', items: 1, doc: [9] },
    ]);
    expect(await held()).toBe(0);
  });

  test('a group goes on with the first sampled trace, and is linked with the others', async () => {
    const tracing = testTracing();
    grouper = await testWorker(worker, { settings: { ttl: 20 }, tracing });
    const traces = ['a-00', 'b-01', 'c-01'].map((it) => `00-${(it[0] ?? '').repeat(32)}-${'d'.repeat(16)}-${it.slice(2)}`);
    await publish(...traces.map((traceparent) => ({ meta: { chain: 'a', items: 1, traceparent }, body: [1] })));
    await grouper.run(20);
    const [group] = await grouper.queue(given as string);
    const sent = tracing.spans.find(({ name }) => name === `send ${given}`);
    expect(group?.meta.traceparent).toBe(sent?.traceparent);
    expect([sent?.traceId, sent?.links]).toEqual(['b'.repeat(32), ['c'.repeat(32)]]);
    expect(tracing.spans.map(({ name, links }) => [name, links.map((link) => link[0])])).toEqual([
      [`process ${taken}`, []],
      [`process ${taken}`, ['b']],
      [`send ${given}`, ['c']],
    ]);
  });

  test.each([-3_600_000, 3_600_000])('a clock that is set by %i ms moves the end of no group', async (ms) => {
    grouper = await testWorker(worker, { settings: { ttl: 20 } });
    await publish(list('a', 1), list('b', 2));
    await grouper.run(10);
    grouper.clock.step(ms);
    await publish(list('a', 3), { meta: { chain: 'b', items: 1, 'group-ttl': 15 }, body: [4] });
    await grouper.run(9);
    expect(await groups()).toEqual([]);
    await grouper.run(1);
    expect((await groups()).map(({ doc }) => doc)).toEqual([
      [1, 3],
      [2, 4],
    ]);
  });

  test('a full group goes at once, and a message that does not fit begins the next one', async () => {
    grouper = await testWorker(worker, { settings: { ttl: 1000, max: 3 } });
    await publish(list('a', 1, 2), list('a', 3, 4), list('a', 5));
    await grouper.run(0);
    expect((await groups()).map(({ doc }) => doc)).toEqual([
      [1, 2],
      [3, 4, 5],
    ]);
  });

  test('bytes are counted too, and what is too large alone goes alone', async () => {
    grouper = await testWorker(worker, { settings: { ttl: 1000, maxBytes: 20 } });
    await publish(list('a', 'x'.repeat(50)), list('a', 1), list('a', 'y'.repeat(14)));
    await grouper.run(0);
    expect((await groups()).map(({ items }) => items)).toEqual([1, 1]);
    await grouper.run(1000);
    expect((await groups()).map(({ items }) => items)).toEqual([1, 1, 1]);
  });

  test('a message that does not count its items is one item', async () => {
    grouper = await testWorker(worker, { settings: { ttl: 5 } });
    await publish({ meta: { chain: 'a' }, body: { n: 1 } }, list('a', 2));
    await grouper.run(5);
    expect(await groups()).toEqual([{ chain: 'a', items: 2, doc: [{ n: 1 }, 2] }]);
  });

  test('the same message twice is in its group once', async () => {
    grouper = await testWorker(worker, { settings: { ttl: 5 } });
    await publish({ id: 'same', ...list('a', 1) }, { id: 'same', ...list('a', 1) }, { id: 'same', ...list('a', 2) });
    await grouper.run(5);
    expect((await groups())[0]?.doc).toEqual([1, 2]);
    expect(await held()).toBe(0);
  });

  test('limits in the meta are those of the key, within the own ones', async () => {
    grouper = await testWorker(worker, { settings: { ttl: 1000, max: 5 } });
    await publish(
      { meta: { chain: 'a', items: 1, 'group-ttl': 10 }, body: [1] },
      { meta: { chain: 'b', items: 2, 'group-max': 2 }, body: [1, 2] },
    );
    await grouper.run(0);
    expect(await groups()).toEqual([{ chain: 'b', items: 2, doc: [1, 2] }]);
    await grouper.run(10);
    expect(await groups()).toHaveLength(2);
    expect((await grouper.queue(given as string))[1]?.meta).toEqual({ chain: 'a', items: 1 });
  });

  test('keys that wait never fill the prefetch: the oldest groups go early', async () => {
    grouper = await testWorker(worker, { settings: { ttl: 600_000, prefetch: 8 } });
    await publish(...Array.from({ length: 100 }, (_, at) => list(`chain-${at}`, at)));
    await grouper.run(10);
    expect((await groups()).length).toBeGreaterThanOrEqual(92);
    expect(await held()).toBeLessThan(8);
  });

  test('at stop everything goes', async () => {
    grouper = await testWorker(worker, { settings: { ttl: 600_000 } });
    await publish(list('a', 1), list('b', 2));
    await grouper.run(0);
    await grouper.stop();
    expect(await groups()).toHaveLength(2);
  });

  test('a message that is not a list refuses only itself', async () => {
    grouper = await testWorker(worker, { settings: { ttl: 5 } });
    await publish({ meta: { chain: 'a', items: 2 }, body: '{}' }, list('a', 1), { meta: {}, body: [] });
    await grouper.run(10);
    expect((await groups())[0]?.doc).toEqual([1]);
    expect((await grouper.queue('dead-letter')).map(({ meta }) => meta['dead-code'])).toEqual([
      'MESSAGE_INVALID',
      'TEMPLATE_FIELD_MISSING',
    ]);
  });

  test('nothing is acked before the group is safe', async () => {
    let failing = true;
    const plan = {
      random: () => 0.5,
      chance: () => false,
      decide: (effect: string) => ({
        outcome: failing && effect === 'publish' ? ('fail-before' as const) : ('ok' as const),
        delayMs: 0,
        answerMs: 0,
      }),
    };
    grouper = await testWorker(worker, { settings: { ttl: 5 }, plan });
    await publish(list('a', 1));
    await grouper.run(1000);
    expect(await held()).toBe(1);
    failing = false;
    await grouper.run(30_000);
    expect(await groups()).toEqual([{ chain: 'a', items: 1, doc: [1] }]);
    expect(await held()).toBe(0);
  });
});
