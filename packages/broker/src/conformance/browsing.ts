import { expect } from '@jest/globals';
import type { Broker } from '../types.ts';
import {
  arrive,
  type Bench,
  bodyOf,
  browse,
  type Check,
  code,
  collect,
  collected,
  declare,
  eventually,
  expectInfo,
  fill,
  ids,
  message,
  numbered,
  range,
  sorted,
  take,
} from './kit.ts';

export const browsing: Readonly<Record<string, Check>> = {
  async 'browse shows what waits and takes nothing'({ broker, harness }) {
    await fill(broker, 250);
    await collected(harness, broker, 'a', 2);
    const found = await browse(broker, 'a');
    expect(ids(found)).toEqual(range(3, 250));
    expect(found[0]).toMatchObject({ id: '3', attempts: 0, meta: { chain: 'c', n: 1 }, body: bodyOf('3'), firstAt: expect.any(Number) });
    for await (const { id } of broker.browse('a')) if (id === '5') break;
    await eventually(harness, () => expectInfo(broker, 'a', { ready: 248, unacked: 2 }));
    expect(sorted(await browse(broker, 'a'))).toEqual(range(3, 250));
  },
  async 'browse and take reach delayed messages'({ broker, harness }) {
    await fill(broker, 10);
    const { all } = await collected(harness, broker, 'a', 2);
    all[0]?.retry(10_000);
    all[1]?.retry(100);
    await arrive(harness, { all }, 4);
    const found = await browse(broker, 'a');
    expect(ids(found)).toEqual(['1', '2', ...range(5, 10)]);
    expect(found[0]).toMatchObject({ id: '1', attempts: 1, firstAt: all[0]?.firstAt });
    await take(broker, 'a', ['1', '2']);
    await harness.pass(300);
    expect(all.length).toBe(4);
    await expectInfo(broker, 'a', { ready: 6, unacked: 2, delayed: 0, bytes: 7 * bodyOf('1').length + bodyOf('10').length });
  },
  async 'browse goes on while its messages are taken, and ends with those that were there'({ broker, harness }) {
    await fill(broker, 250);
    const shown: string[] = [];
    for await (const { id, seq } of broker.browse('a')) {
      shown.push(id);
      // Every second one is put behind the others, as a message is that fails again.
      if (Number(id) % 2 === 0) await broker.take('a', [seq], [message('a', id)]);
    }
    expect(shown).toEqual(range(1, 250));
    await eventually(harness, async () => expect(sorted(await browse(broker, 'a'))).toEqual(range(1, 250)));
  },
  async 'browse leaves the order as it is'({ broker, harness }) {
    await fill(broker, 250);
    for await (const { id, seq } of broker.browse('a')) if (id === '100') await broker.take('a', [seq], [message('a', id)]);
    const { all } = await collected(harness, broker, 'a', 250);
    expect(ids(all)).toEqual([...range(1, 99), ...range(101, 250), '100']);
  },
  async 'take removes what was browsed and leaves the replacement'({ broker, harness }) {
    await declare(broker, 'a', 'b');
    await broker.publish(numbered('a', 1, 6));
    await take(broker, 'a', ['2', '5'], [message('b', '2'), message('a', '7')]);
    await eventually(harness, async () => {
      expect(sorted(await browse(broker, 'a'))).toEqual(['1', '3', '4', '6', '7']);
      expect(ids(await browse(broker, 'b'))).toEqual(['2']);
      await expectInfo(broker, 'a', { ready: 5, bytes: 5 * bodyOf('1').length });
    });
    const { all } = await collect(broker, 'a');
    await eventually(harness, () => expect(sorted(all)).toEqual(['1', '3', '4', '6', '7']));
  },
  async 'take of something missing does nothing'({ broker, harness }) {
    await declare(broker, 'a', 'b');
    await broker.publish(numbered('a', 1, 3));
    const [first, second, third] = (await browse(broker, 'a')).map(({ seq }) => seq) as [string, string, string];
    const { all } = await collected(harness, broker, 'a', 1);
    await expect(broker.take('a', [second, first], [message('b', '1')])).rejects.toEqual(code('BROKER_MESSAGE_MISSING'));
    await expect(broker.take('a', [second, 'nonsense'], [message('b', '1')])).rejects.toEqual(code('BROKER_MESSAGE_MISSING'));
    await expect(broker.take('a', [second], [message('none', '1')])).rejects.toEqual(code('BROKER_QUEUE_MISSING'));
    await broker.take('a', [third]);
    await expect(broker.take('a', [third])).rejects.toEqual(code('BROKER_MESSAGE_MISSING'));
    await expectInfo(broker, 'b', { ready: 0, bytes: 0 });
    all[0]?.ack();
    await eventually(harness, async () => {
      expect(ids(all)).toEqual(['1', '2']);
      await expectInfo(broker, 'a', { ready: 0, unacked: 1 });
    });
  },
};

/** Restarts after a consumer got 7 of 20 messages, acked message 3 and released message 5. */
async function restartHalfway({ broker, harness }: Bench): Promise<Broker> {
  await fill(broker, 20);
  const collecting = await collected(harness, broker, 'a', 7);
  collecting.all[2]?.ack();
  collecting.all[4]?.release();
  await arrive(harness, collecting, 9);
  return harness.restart(broker);
}

export const closing: Readonly<Record<string, Check>> = {
  async 'what is not acked comes again after a restart'(bench) {
    const { harness } = bench;
    const again = await restartHalfway(bench);
    await eventually(harness, () => expectInfo(again, 'a', { ready: 19, unacked: 0, consumers: 0 }));
    const after = await collect(again, 'a');
    await arrive(harness, after, 19);
    expect(sorted(after.all)).toEqual(range(1, 20).filter((id) => id !== '3'));
    expect(after.all.every(({ attempts }) => attempts === 0)).toBe(true);
  },
  async 'what is not acked comes again in order'(bench) {
    const after = await collect(await restartHalfway(bench), 'a');
    await eventually(bench.harness, () => expect(ids(after.all)).toEqual(range(1, 20).filter((id) => id !== '3')));
  },
  async 'closing waits for what is in flight, then refuses and forgets'({ broker, harness }) {
    await fill(broker, 3);
    const { all } = await collected(harness, broker, 'a', 1);
    const states: string[] = [];
    const stop = broker.onState((state) => states.push(state));
    broker.onState((state) => states.push(`${state}!`));
    expect(broker.state).toBe('connected');
    const flying = broker.publish([message('a', '4')]);
    all[0]?.ack();
    stop();
    await Promise.all([broker.close(), broker.close()]);
    await flying;
    expect([broker.state, states]).toEqual(['closed', ['closed!']]);
    await expect(broker.publish([message('a', '5')])).rejects.toEqual(code('BROKER_CLOSED'));
    await expect(broker.queues()).rejects.toEqual(code('BROKER_CLOSED'));
    await expect(declare(broker, 'a')).rejects.toEqual(code('BROKER_CLOSED'));
    await expect(broker.consume('a', { prefetch: 1 }, () => {})).rejects.toEqual(code('BROKER_CLOSED'));
    const again = await harness.connect();
    expect(ids(await browse(again, 'a'))).toEqual(['2', '3', '4']);
  },
  async 'a delivery from before the end is worth nothing'({ broker, harness }) {
    await fill(broker, 2);
    const { all } = await collected(harness, broker, 'a', 2);
    const again = await harness.restart(broker);
    const after = await collect(again, 'a');
    await eventually(harness, () => expect(ids(after.all)).toEqual(['1', '2']));
    all[0]?.ack();
    all[1]?.retry(0);
    await harness.pass(50);
    expect(ids(after.all)).toEqual(['1', '2']);
    await expectInfo(again, 'a', { ready: 0, unacked: 2, delayed: 0 });
  },
};
