import { expect } from '@jest/globals';
import { bodyOf, type Check, collect, collected, declare, eventually, expectInfo, fill, ids, message, numbered, range } from './kit.ts';

export const order: Readonly<Record<string, Check>> = {
  async 'delivers in order, across publishes of one turn'({ broker, harness }) {
    await declare(broker, 'a', 'b');
    await Promise.all([
      broker.publish([message('a', '1'), message('b', '1'), message('a', '2')]),
      broker.publish([message('a', '3')]),
      broker.publish(numbered('a', 4, 60)),
    ]);
    const a = await collect(broker, 'a');
    const b = await collect(broker, 'b');
    await broker.publish([message('b', '2'), message('a', '61')]);
    await eventually(harness, () => {
      expect(ids(a.all)).toEqual(range(1, 61));
      expect(ids(b.all)).toEqual(['1', '2']);
    });
  },
  async 'counts what is published and not confirmed'({ broker }) {
    await declare(broker, 'a');
    const publishing = [broker.publish(numbered('a', 1, 3)), broker.publish([message('missing', '4')])].map((one) => one.catch(() => {}));
    expect(broker.unconfirmed).toBe(4);
    await Promise.all(publishing);
    expect(broker.unconfirmed).toBe(0);
  },
  async 'keeps id, meta and every byte'({ broker, harness }) {
    await declare(broker, 'a');
    const bodies = [Buffer.alloc(0), Buffer.from(Uint8Array.from({ length: 256 }, (_, at) => at)), Buffer.alloc(3_000_000, 'x')];
    const meta = { text: 'é "\n', whole: 7, part: 0.5, yes: true, no: false };
    await broker.publish(bodies.map((body, at) => ({ queue: 'a', id: `i${at}`, meta, body })));
    const again = await harness.restart(broker);
    const { all } = await collect(again, 'a');
    await eventually(harness, () => {
      expect(ids(all)).toEqual(['i0', 'i1', 'i2']);
      expect(all.every((delivery, at) => Buffer.isBuffer(delivery.body) && delivery.body.equals(bodies[at] as Buffer))).toBe(true);
      expect(all.map((delivery) => delivery.meta)).toEqual([meta, meta, meta]);
      expect(all.map((delivery) => [delivery.queue, delivery.attempts])).toEqual(Array(3).fill(['a', 0]));
    });
  },
  async 'delivers a long backlog once and in order'({ broker, harness }) {
    await declare(broker, 'a');
    for (let from = 1; from <= 6_000; from += 500) await broker.publish(numbered('a', from, from + 499));
    const { all } = await collect(broker, 'a', 300, (delivery) => delivery.ack());
    for (let from = 6_001; from <= 12_000; from += 3_000) await broker.publish(numbered('a', from, from + 2_999));
    for (let tries = 0; tries < 400 && all.length < 12_000; tries++) await harness.pass(5);
    await eventually(harness, () => expect(all.length).toBe(12_000));
    expect(ids(all)).toEqual(range(1, 12_000));
    await eventually(harness, () => expectInfo(broker, 'a', { ready: 0, unacked: 0, delayed: 0, bytes: 0 }));
  },
  async 'gives each consumer its turn'({ broker, harness }) {
    await declare(broker, 'a');
    const one = await collect(broker, 'a', 5);
    const two = await collect(broker, 'a', 50);
    await broker.publish(numbered('a', 1, 20));
    await eventually(harness, () => {
      expect([one.all.length, two.all.length]).toEqual([5, 15]);
      expect([...ids(one.all), ...ids(two.all)].map(Number).sort((x, y) => x - y)).toEqual(range(1, 20).map(Number));
    });
  },
};

export const settling: Readonly<Record<string, Check>> = {
  async 'prefetch bounds what a consumer holds'({ broker, harness }) {
    await fill(broker, 10);
    const { all } = await collect(broker, 'a', 3);
    await eventually(harness, async () => {
      expect(ids(all)).toEqual(['1', '2', '3']);
      await expectInfo(broker, 'a', { ready: 7, unacked: 3, delayed: 0, consumers: 1 });
    });
    all[1]?.ack();
    await eventually(harness, async () => {
      expect(ids(all)).toEqual(['1', '2', '3', '4']);
      await expectInfo(broker, 'a', { ready: 6, unacked: 3 });
    });
  },
  async 'an acked message never comes again'({ broker, harness }) {
    await fill(broker, 50);
    const { all } = await collected(harness, broker, 'a', 50);
    for (const delivery of all) if (Number(delivery.id) % 3 !== 0) delivery.ack();
    await harness.pass(20);
    const again = await collect(await harness.restart(broker), 'a');
    await eventually(harness, () => expect(ids(again.all)).toEqual(range(1, 50).filter((id) => Number(id) % 3 === 0)));
  },
  async 'a release goes back to its place without an attempt'({ broker, harness }) {
    await fill(broker, 4);
    const { all } = await collected(harness, broker, 'a', 2);
    all[0]?.release();
    await eventually(harness, () => {
      expect(ids(all)).toEqual(['1', '2', '1']);
      expect(all[2]?.attempts).toBe(0);
    });
    for (const delivery of [...all]) delivery.ack();
    await eventually(harness, () => expect(ids(all)).toEqual(['1', '2', '1', '3', '4']));
  },
  async 'a retry comes later with its attempt and blocks nothing'({ broker, harness }) {
    await fill(broker, 1);
    const { all, attempts } = await collected(harness, broker, 'a', 1);
    const firstAt = all[0]?.firstAt;
    all[0]?.retry(2_000);
    await broker.publish([message('a', '2')]);
    await eventually(harness, async () => {
      expect(ids(all)).toEqual(['1', '2']);
      await expectInfo(broker, 'a', { ready: 0, unacked: 1, delayed: 1 });
    });
    all[1]?.ack();
    await harness.pass(200);
    expect(all.length).toBe(2);
    await harness.pass(1_800);
    await eventually(harness, () => expect(attempts()).toEqual(['1: 0', '2: 0', '1: 1']));
    expect(all[2]?.firstAt).toBe(firstAt);
    all[2]?.retry(0);
    await eventually(harness, () => expect(all[3]).toMatchObject({ id: '1', attempts: 2 }));
  },
  async 'a retry keeps id, body and meta, and adds nothing'({ broker, harness }) {
    await fill(broker, 1);
    const { all } = await collect(broker, 'a', 1, (delivery) => {
      if (delivery.attempts < 2) delivery.retry(100);
    });
    await harness.pass(500);
    await eventually(harness, () => expect(all.length).toBe(3));
    for (const { id, body, meta } of all) expect({ id, body, meta }).toEqual({ id: '1', body: bodyOf('1'), meta: { chain: 'c', n: 1 } });
  },
  async 'many retries each come at their own time'({ broker, harness }) {
    await fill(broker, 30);
    const { all } = await collect(broker, 'a', 30, (delivery) => {
      if (delivery.attempts === 0) delivery.retry(1_000 - 30 * Number(delivery.id));
    });
    await harness.pass(2_000);
    expect(ids(all.slice(30))).toEqual(range(1, 30).reverse());
  },
  async 'a retry survives a restart'({ broker, harness }) {
    await fill(broker, 2);
    const before = await collected(harness, broker, 'a', 2);
    before.all[0]?.retry(4_000);
    const again = await collect(await harness.restart(broker), 'a');
    await harness.pass(1_000);
    await eventually(harness, () => expect(ids(again.all)).toEqual(['2']));
    await harness.pass(3_000);
    await eventually(harness, () => expect(again.attempts()).toEqual(['2: 0', '1: 1']));
  },
  async 'only the first settlement counts'({ broker, harness }) {
    await fill(broker, 2);
    const { all } = await collected(harness, broker, 'a', 2);
    all[0]?.release();
    all[0]?.ack();
    all[0]?.retry(0);
    all[1]?.ack();
    all[1]?.release();
    await eventually(harness, () => {
      expect(ids(all)).toEqual(['1', '2', '1']);
      expect(all[2]?.attempts).toBe(0);
    });
    all[0]?.ack();
    await eventually(harness, () => expectInfo(broker, 'a', { ready: 0, unacked: 1, delayed: 0 }));
  },
  async 'cancel ends deliveries and leaves those held'({ broker, harness }) {
    await fill(broker, 6);
    const one = await collected(harness, broker, 'a', 3);
    await one.cancel();
    one.all[0]?.ack();
    one.all[1]?.release();
    await eventually(harness, async () => {
      expect(one.all.length).toBe(3);
      await expectInfo(broker, 'a', { ready: 4, unacked: 1 });
    });
    const two = await collect(broker, 'a', 10);
    await eventually(harness, () => expect(ids(two.all)).toEqual(['2', '4', '5', '6']));
    one.all[2]?.ack();
    await eventually(harness, () => expectInfo(broker, 'a', { ready: 0, unacked: 4 }));
  },
};
