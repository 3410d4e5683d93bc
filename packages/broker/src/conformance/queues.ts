import { expect } from '@jest/globals';
import { arrive, browse, type Check, code, collect, declare, eventually, expectInfo, fill, ids, message, numbered, sorted } from './kit.ts';

export const declaring: Readonly<Record<string, Check>> = {
  async 'refuses a message without a queue'({ broker }) {
    await declare(broker, 'a');
    await expect(broker.publish([message('a', '1'), message('none', '2')])).rejects.toEqual(code('BROKER_QUEUE_MISSING'));
    await expect(broker.consume('none', { prefetch: 1 }, () => {})).rejects.toEqual(code('BROKER_QUEUE_MISSING'));
    await expect(browse(broker, 'none')).rejects.toEqual(code('BROKER_QUEUE_MISSING'));
    expect(await broker.queues(['none'])).toEqual([]);
  },
  async 'what fails leaves nothing behind'({ broker }) {
    await declare(broker, 'a');
    await expect(broker.publish([message('a', '1'), message('none', '2')])).rejects.toEqual(code('BROKER_QUEUE_MISSING'));
    await expectInfo(broker, 'a', { ready: 0, bytes: 0 });
    const otherwise = { name: 'a', kind: 'durable', singleActive: true } as const;
    await expect(broker.declare([{ name: 'b', kind: 'durable' }, otherwise])).rejects.toEqual(code('BROKER_QUEUE_MISMATCH'));
    expect((await broker.queues()).map(({ name }) => name)).toEqual(['a']);
  },
  async 'a hint without a queue is not an error'({ broker }) {
    await declare(broker, 'a');
    await broker.publish([{ ...message('none', '1'), hint: true }, message('a', '2')]);
    await broker.publish([]);
    expect(ids(await browse(broker, 'a'))).toEqual(['2']);
  },
  async 'a full queue refuses that publish only'({ broker, harness }) {
    await broker.declare([
      { name: 'few', kind: 'durable', maxMessages: 3 },
      { name: 'light', kind: 'durable', maxBytes: 20 },
      { name: 'free', kind: 'durable' },
    ]);
    const some = [
      broker.publish(numbered('few', 1, 2)),
      broker.publish([message('free', '1'), ...numbered('few', 3, 4)]),
      broker.publish(numbered('few', 5, 5)),
    ];
    const results = await Promise.allSettled(some);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    await expect(some[1]).rejects.toEqual(code('BROKER_QUEUE_FULL'));
    await broker.publish([message('light', '1', Buffer.alloc(20))]);
    await expect(broker.publish([message('light', '2', Buffer.alloc(1))])).rejects.toEqual(code('BROKER_QUEUE_FULL'));
    await expectInfo(broker, 'free', { ready: 0 });
    const { all } = await collect(broker, 'few', 10);
    await eventually(harness, () => expect(ids(all)).toEqual(['1', '2', '5']));
    await expect(broker.publish([message('few', '6')])).rejects.toEqual(code('BROKER_QUEUE_FULL'));
    all[0]?.ack();
    await harness.pass(20);
    await broker.publish([message('few', '6')]);
    await broker.declare([{ name: 'few', kind: 'durable', maxMessages: 4 }]);
    await broker.publish([message('few', '7')]);
  },
  async 'declares alike as often as wanted, but not otherwise'({ broker }) {
    await fill(broker, 1);
    await declare(broker, 'a');
    await expectInfo(broker, 'a', { ready: 1 });
    await expect(broker.declare([{ name: 'a', kind: 'private' }])).rejects.toEqual(code('BROKER_QUEUE_MISMATCH'));
    await expect(broker.declare([{ name: 'a', kind: 'durable', singleActive: true }])).rejects.toEqual(code('BROKER_QUEUE_MISMATCH'));
    for (const name of ['', 'amq.x', 'é'.repeat(128)]) await expect(declare(broker, name)).rejects.toEqual(code('BROKER_QUEUE_MISMATCH'));
    expect((await broker.queues()).map(({ name }) => name)).toEqual(['a']);
    await declare(broker, 'é'.repeat(127));
  },
  async 'a private queue works and is gone after a restart'({ broker, harness }) {
    await broker.declare([{ name: 'mine', kind: 'private' }]);
    const collecting = await collect(broker, 'mine', 1);
    const { all } = collecting;
    await broker.publish([message('mine', '1'), message('mine', '2')]);
    await arrive(harness, collecting, 1);
    all[0]?.retry(50);
    await eventually(harness, () => expect(ids(all)).toEqual(['1', '2']));
    all[1]?.release();
    await eventually(harness, () => expect(all[2]).toMatchObject({ id: '2', attempts: 0 }));
    all[2]?.ack();
    await harness.pass(100);
    await eventually(harness, async () => {
      expect(all[3]).toMatchObject({ id: '1', attempts: 1 });
      await expectInfo(broker, 'mine', { kind: 'private', ready: 0, unacked: 1 });
    });
    const again = await harness.restart(broker);
    expect(await again.queues()).toEqual([]);
    await expect(again.publish([message('mine', '3')])).rejects.toEqual(code('BROKER_QUEUE_MISSING'));
  },
  async 'a private queue belongs to one connection'({ broker, harness }) {
    const other = await harness.connect();
    await broker.declare([{ name: 'mine', kind: 'private' }]);
    await other.publish([{ ...message('mine', '1'), hint: true }, message('mine', '2')]);
    await expect(other.consume('mine', { prefetch: 1 }, () => {})).rejects.toEqual(code('BROKER_QUEUE_MISMATCH'));
    await expect(other.declare([{ name: 'mine', kind: 'private' }])).rejects.toEqual(code('BROKER_QUEUE_MISMATCH'));
    expect(await other.queues(['mine'])).toEqual([]);
    await eventually(harness, () => expectInfo(broker, 'mine', { ready: 2 }));
    await harness.kill(broker);
    await eventually(harness, () => expect(other.publish([message('mine', '3')])).rejects.toEqual(code('BROKER_QUEUE_MISSING')));
  },
};

export const singleActive: Readonly<Record<string, Check>> = {
  async 'single active: the oldest consumer gets all, the next takes over'({ broker, harness }) {
    await broker.declare([{ name: 'a', kind: 'durable', singleActive: true }]);
    const one = await collect(broker, 'a', 2);
    const two = await collect(broker, 'a', 10);
    await broker.publish(numbered('a', 1, 5));
    await eventually(harness, () => expect([ids(one.all), ids(two.all)]).toEqual([['1', '2'], []]));
    await one.cancel();
    await eventually(harness, () => expect(ids(two.all)).toEqual(['3', '4', '5']));
    one.all[0]?.release();
    await eventually(harness, () => expect(ids(two.all)).toEqual(['3', '4', '5', '1']));
  },
  async 'single active: the next takes over when a process dies'({ broker, harness }) {
    const other = await harness.connect();
    await broker.declare([{ name: 'a', kind: 'durable', singleActive: true }]);
    const one = await collect(broker, 'a', 2);
    const two = await collect(other, 'a', 10);
    await other.publish(numbered('a', 1, 4));
    await eventually(harness, () => expect([ids(one.all), ids(two.all)]).toEqual([['1', '2'], []]));
    await harness.kill(broker);
    await eventually(harness, () => expect(sorted(two.all)).toEqual(['1', '2', '3', '4']));
    one.all[0]?.ack();
    await eventually(harness, () => expectInfo(other, 'a', { unacked: 4 }));
  },
};
