import { type TestMessage, type TestWorker, testTracing, testWorker } from '@blockhub/worker';
import { afterEach, describe, expect, test } from '@jest/globals';
import { worker } from './worker.ts';

const tails = 'tails.merge-1';
const grouped = 'blobs.grouped.0';
const chain = 'a'.repeat(64);
type Plan = NonNullable<NonNullable<Parameters<typeof testWorker>[1]>['plan']>;

let merge: TestWorker;
afterEach(() => merge.stop());

const start = async (
  settings: NonNullable<Parameters<typeof testWorker<typeof worker.settings, unknown>>[1]>['settings'] = {},
  plan?: Plan,
) => {
  merge = await testWorker(worker, { instance: 'merge-1', settings, ...(plan && { plan }) });
};

const group = (...items: number[]): TestMessage => ({ meta: { chain, items: items.length }, body: items });
const tail = async (height: number, of = chain): Promise<void> => {
  await merge.connection.publish([
    {
      queue: tails,
      id: `${of}:${height}`,
      meta: { chain: of, height },
      body: Buffer.from(JSON.stringify({ chain: of, height })),
      hint: true,
    },
  ]);
  await merge.run(0);
};
const put = async (...messages: TestMessage[]): Promise<void> => {
  await merge.publish(grouped, ...messages);
  await merge.run(0);
};

interface Merged {
  readonly tail: { readonly msg: { readonly height: number }; readonly meta: object };
  readonly group: readonly { readonly msg: number[]; readonly meta: object }[];
}

const blueprints = async (): Promise<{ height: number; items: number[] }[]> =>
  (await merge.queue('blocks.staged.0')).map(({ body }) => {
    const doc = JSON.parse(body.toString()) as Merged;
    return { height: doc.tail.msg.height, items: doc.group.flatMap(({ msg }) => msg) };
  });
const asked = async (): Promise<number> => (await merge.queue('tails.wanted')).length;
const held = async (): Promise<number> => (await merge.broker.queues()).find(({ name }) => name === grouped)?.unacked ?? -1;

describe('a chain', () => {
  test('whose tail is unknown is asked for once, then again after a while, less and less often', async () => {
    await start({ ask: 2000 });
    await put(group(1), group(2));
    expect(await asked()).toBe(1);
    const [question] = await merge.queue('tails.wanted');
    expect(question?.meta).toEqual({ chain, tailsTo: tails });
    expect(JSON.parse(question?.body.toString() ?? '')).toEqual({ chain, tailsTo: tails });
    await merge.run(1999);
    expect(await asked()).toBe(1);
    await merge.run(1);
    expect(await asked()).toBe(2);
    await merge.run(3999);
    expect(await asked()).toBe(2);
    await merge.run(1);
    expect(await asked()).toBe(3);
    expect(await held()).toBe(2);
  });

  test('goes on with the trace of the last group that waits, which names the others, and never with that of its tail', async () => {
    const tracing = testTracing();
    merge = await testWorker(worker, { instance: 'merge-1', tracing });
    const traceparentOf = (letter: string): string => `00-${letter.repeat(32)}-${'d'.repeat(16)}-01`;
    const traced = (letter: string): TestMessage => ({ meta: { chain, items: 1, traceparent: traceparentOf(letter) }, body: [1] });
    await put(traced('a'), traced('b'));
    const meta = { chain, height: 5, traceparent: traceparentOf('c') };
    await merge.connection.publish([{ queue: tails, id: 't', meta, body: Buffer.from(JSON.stringify({ chain, height: 5 })), hint: true }]);
    await merge.run(0);
    const sent = tracing.spans.find(({ name }) => name === 'send blocks.staged.0');
    expect([sent?.traceId[0], sent?.links.map((link) => link[0])]).toEqual(['b', ['a']]);
    expect((await merge.queue('blocks.staged.0')).map((message) => message.meta.traceparent)).toEqual([sent?.traceparent]);
  });

  test('whose tail comes is merged with all that waits, and then acked', async () => {
    await start();
    await put(group(1), group(2, 3));
    await tail(5);
    expect(await blueprints()).toEqual([{ height: 5, items: [1, 2, 3] }]);
    const [message] = await merge.queue('blocks.staged.0');
    expect(message?.meta).toEqual({ chain, height: 5, items: 3, tailsTo: tails });
    expect(JSON.parse(message?.body.toString() ?? '')).toMatchObject({
      tail: { meta: { chain, height: 5 } },
      group: [{ meta: { chain, items: 1 } }, { meta: { chain, items: 2 } }],
    });
    expect(await held()).toBe(0);
  });

  test('with a known tail goes at once, without a request', async () => {
    await start();
    await tail(5);
    await put(group(1));
    expect(await blueprints()).toEqual([{ height: 5, items: [1] }]);
    expect(await asked()).toBe(0);
  });

  test('with a blueprint out waits for a tail at or above its height', async () => {
    await start();
    await tail(5);
    await put(group(1));
    await put(group(2), group(3));
    await tail(4);
    expect(await blueprints()).toHaveLength(1);
    await tail(6);
    expect(await blueprints()).toEqual([
      { height: 5, items: [1] },
      { height: 6, items: [2, 3] },
    ]);
    await put(group(4));
    await tail(6);
    expect((await blueprints())[2]).toEqual({ height: 6, items: [4] });
  });

  test('whose answer is lost is asked for in time', async () => {
    await start({ wait: 5000 });
    await tail(5);
    await put(group(1));
    await put(group(2));
    await merge.run(4999);
    expect(await asked()).toBe(0);
    await merge.run(1);
    expect(await asked()).toBe(1);
    await tail(5);
    expect((await blueprints())[1]).toEqual({ height: 5, items: [2] });
  });

  test('that is slow is left more and more time', async () => {
    await start({ wait: 1000 });
    await tail(5);
    for (const wait of [1000, 2000, 4000]) {
      await put(group(wait));
      await put(group(0));
      const before = await asked();
      await merge.run(wait - 1);
      expect(await asked()).toBe(before);
      await merge.run(1);
      expect(await asked()).toBe(before + 1);
      await tail(5);
      await merge.run(0);
    }
  });

  test('whose answer took a while rests twice as long, so that more share the next merge', async () => {
    await start();
    await tail(5);
    await put(group(1));
    await merge.run(300);
    await put(group(2));
    await tail(6);
    await merge.run(300);
    await put(group(3));
    await merge.run(299);
    expect(await blueprints()).toEqual([{ height: 5, items: [1] }]);
    await merge.run(1);
    expect((await blueprints())[1]).toEqual({ height: 6, items: [2, 3] });
  });

  test('rests for no longer than it may', async () => {
    await start({ rest: 100 });
    await tail(5);
    await put(group(1));
    await merge.run(300);
    await tail(6);
    await put(group(2));
    await merge.run(99);
    expect(await blueprints()).toHaveLength(1);
    await merge.run(1);
    expect(await blueprints()).toHaveLength(2);
  });

  test('does not rest if the queue is nearly full', async () => {
    await start({ prefetch: 4 });
    await tail(5);
    await put(group(1));
    await merge.run(300);
    await tail(6);
    await put(group(2), group(3));
    expect(await blueprints()).toHaveLength(1);
    await put(group(4));
    expect((await blueprints())[1]).toEqual({ height: 6, items: [2, 3, 4] });
  });

  test('without work costs nothing', async () => {
    await start();
    await tail(5);
    await merge.run(3_600_000);
    expect(await asked()).toBe(0);
    expect(await blueprints()).toEqual([]);
  });

  test('takes part up to the limits', async () => {
    await start({ maxItems: 3 });
    await put(group(1, 2), group(3), group(4), group(5, 6, 7, 8));
    await tail(1);
    await tail(2);
    await tail(3);
    expect((await blueprints()).map(({ items }) => items)).toEqual([[1, 2, 3], [4], [5, 6, 7, 8]]);
  });
});

describe.each([
  ['back', -3_600_000],
  ['forward', 3_600_000],
])('a clock that is set %s by an hour', (_, ms) => {
  test('moves no question', async () => {
    await start({ ask: 2000 });
    await put(group(1));
    await merge.run(1000);
    merge.clock.step(ms);
    await put(group(2));
    await merge.run(999);
    expect(await asked()).toBe(1);
    await merge.run(1001);
    expect(await asked()).toBe(2);
  });

  test('leaves an answer its time, no more and no less', async () => {
    await start({ wait: 5000 });
    await tail(5);
    await put(group(1));
    await merge.run(1000);
    merge.clock.step(ms);
    await put(group(2));
    await merge.run(3999);
    expect(await asked()).toBe(0);
    await merge.run(1);
    expect(await asked()).toBe(1);
  });

  test('moves no end of a wait', async () => {
    await start({ hold: ['10s'] });
    await put(group(1));
    await merge.run(5000);
    merge.clock.step(ms);
    await merge.run(4999);
    expect(await held()).toBe(1);
    await merge.run(1);
    expect(await held()).toBe(0);
  });
});

describe('many chains', () => {
  test('that wait fill the prefetch without keeping out the tails they wait for', async () => {
    await start({ prefetch: 5 });
    const chains = Array.from({ length: 20 }, (_, at) => String(at).padStart(64, '0'));
    await put(...chains.map((name) => ({ meta: { chain: name, items: 1 }, body: [1] })));
    expect(await held()).toBe(5);
    for (const name of chains) await tail(1, name);
    await merge.run(0);
    expect(await blueprints()).toHaveLength(20);
  });

  test('without an answer make room for others if the queue is nearly full', async () => {
    await start({ prefetch: 4, ask: 1000 });
    await put(group(1), group(2), group(3), group(4));
    const other = 'b'.repeat(64);
    await tail(7, other);
    await put({ meta: { chain: other, items: 1 }, body: [5] });
    expect(await held()).toBe(4);
    await merge.run(2999);
    expect(await blueprints()).toEqual([]);
    await merge.run(1);
    expect(await blueprints()).toEqual([{ height: 7, items: [5] }]);
    expect((await merge.broker.queues()).find(({ name }) => name === grouped)).toMatchObject({ delayed: 4, unacked: 0 });
    await merge.run(30_000);
    await tail(1);
    expect((await blueprints())[1]?.items.toSorted()).toEqual([1, 2, 3, 4]);
  });

  test('without an answer stay where they are while there is room', async () => {
    await start({ prefetch: 8, ask: 1000 });
    await put(group(1), group(2));
    await merge.run(20_000);
    expect(await held()).toBe(2);
  });

  test('that are idle are forgotten beyond the limit, and asked for again', async () => {
    await start({ maxKeys: 2 });
    for (const name of ['b', 'c', 'd']) await tail(1, name.repeat(64));
    await put({ meta: { chain: 'd'.repeat(64), items: 1 }, body: [1] });
    expect(await asked()).toBe(0);
    await put({ meta: { chain: 'b'.repeat(64), items: 1 }, body: [1] });
    expect(await asked()).toBe(1);
  });
});

describe('a held message', () => {
  test('is acked when the blueprint is confirmed, not before', async () => {
    let failing = false;
    const plan: Plan = {
      random: () => 0.5,
      chance: () => false,
      decide: (effect) => ({ outcome: failing && effect === 'publish' ? 'fail-before' : 'ok', delayMs: 0, answerMs: 0 }),
    };
    await start({}, plan);
    await tail(1);
    failing = true;
    await put(group(1));
    await merge.run(1000);
    expect(await held()).toBe(1);
    failing = false;
    await merge.run(60_000);
    expect(await held()).toBe(0);
    expect(await blueprints()).toEqual([{ height: 1, items: [1] }]);
  });

  test('that waits for too long goes back for later', async () => {
    await start({ hold: ['10s'] });
    await put(group(1));
    await merge.run(10_000);
    expect(await held()).toBe(0);
    expect(await merge.queue(grouped)).toHaveLength(1);
    await tail(3);
    await merge.run(60_000);
    expect(await blueprints()).toEqual([{ height: 3, items: [1] }]);
  });

  test('is put back at stop', async () => {
    await start();
    await put(group(1));
    await merge.stop();
    expect((await merge.queue(grouped)).map(({ attempts }) => attempts)).toEqual([0]);
  });
});
