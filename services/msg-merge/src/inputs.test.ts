import { type TestWorker, testWorker } from '@blockhub/worker';
import { afterEach, describe, expect, test } from '@jest/globals';
import { worker } from './worker.ts';

let merge: TestWorker | undefined;
afterEach(() => merge?.stop());

describe('sources that are said', () => {
  test('two held ones wait for each other', async () => {
    merge = await testWorker(worker, {
      settings: { held: ['left=l', 'right=r'], latest: 'none', key: '{msg.doc.key}', out: 'both' },
      queues: ['l', 'r', 'both'],
    });
    await merge.publish('l', { meta: { x: 1 }, body: { key: 'k', side: 'l' } }, { body: { key: 'other' } });
    await merge.run(1000);
    expect(await merge.queue('both')).toEqual([]);
    await merge.publish('r', { meta: { y: 2 }, body: { key: 'k', side: 'r' } });
    await merge.run(0);
    const [message] = await merge.queue('both');
    expect(message?.meta).toEqual({ x: 1, y: 2 });
    expect(JSON.parse(message?.body.toString() ?? '')).toEqual({
      left: [{ msg: { key: 'k', side: 'l' }, meta: { x: 1 } }],
      right: [{ msg: { key: 'k', side: 'r' }, meta: { y: 2 } }],
    });
  });

  const leftAndRight = (settings: object): ReturnType<typeof testWorker> =>
    testWorker(worker, {
      settings: { held: ['left=l', 'right=r'], latest: 'none', key: '{msg.doc.key}', out: 'both', ...settings },
      queues: ['l', 'r', 'both', 'tails.wanted'],
    });

  const placeOf = async (name: string): Promise<string> => {
    const { unacked = 0, delayed = 0 } = (await merge?.broker.queues())?.find((queue) => queue.name === name) ?? {};
    return unacked > 0 ? 'held' : delayed > 0 ? 'back' : 'gone';
  };

  test('each has its own time, and an end of its own', async () => {
    merge = await leftAndRight({ hold: ['20s', 'left=5s'], expired: ['left=drop'] });
    await merge.publish('l', { body: { key: 'a' } });
    await merge.publish('r', { body: { key: 'b' } });
    await merge.run(4999);
    expect([await placeOf('l'), await placeOf('r')]).toEqual(['held', 'held']);
    await merge.run(1);
    expect([await placeOf('l'), await placeOf('r')]).toEqual(['gone', 'held']);
    await merge.run(14_999);
    expect(await placeOf('r')).toBe('held');
    await merge.run(1);
    expect(await placeOf('r')).toBe('back');
    expect(await merge.queue('tails.wanted')).toEqual([]);
  });

  test('what is missing at the end is asked for, once for all that waited, and merged when it came', async () => {
    merge = await leftAndRight({ hold: ['40s', 'left=5s'], expired: ['left=request'], ask: 60_000 });
    await merge.publish('l', { body: { key: 'a', n: 1 } }, { body: { key: 'a', n: 2 } });
    await merge.run(5000);
    expect((await merge.queue('tails.wanted')).map(({ meta, body }) => [meta, JSON.parse(body.toString())])).toEqual([
      [{ key: 'a' }, { key: 'a' }],
    ]);
    await merge.publish('r', { body: { key: 'a' } });
    await merge.run(30_000);
    expect(await merge.queue('both')).toHaveLength(1);
    await merge.publish('l', { body: { key: 'a', n: 3 } });
    await merge.run(5000);
    expect(await merge.queue('tails.wanted')).toHaveLength(2);
  });

  test('is asked for less and less often, until the answer came', async () => {
    merge = await leftAndRight({ hold: ['40s', 'left=5s'], expired: ['left=request'], ask: 30_000 });
    for (const asked of [2, 4]) {
      await merge.publish('l', { body: { key: 'a' } });
      await merge.run(40_000);
      expect(await merge.queue('tails.wanted')).toHaveLength(asked);
      await merge.publish('r', { body: { key: 'a' } });
      await merge.run(30_000);
      expect(await merge.queue('both')).toHaveLength(asked / 2);
    }
  });

  test.each([
    [{ held: ['x'] }],
    [{ held: [] }],
    [{ held: ['tail=x'] }],
    [{ hold: ['other=5s'] }],
    [{ hold: ['5s', '6s'] }],
    [{ hold: ['11m'] }],
    [{ hold: ['group=soon'] }],
    [{ expired: ['burn'] }],
  ])('%j is refused', async (settings) => {
    await expect(testWorker(worker, { settings })).rejects.toMatchObject({ code: 'SETTINGS_INVALID' });
  });
});
