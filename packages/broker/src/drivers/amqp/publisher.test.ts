import { EventEmitter } from 'node:events';
import { VirtualClock } from '@blockhub/clock';
import { expect, test } from '@jest/globals';
import type { ChannelModel } from 'amqplib';
import { outgoing } from './deliveries.fixture.ts';
import { encodeMessage } from './messages.ts';
import { ConfirmPublisher, type LastConfirm } from './publisher.ts';

/** Confirms on demand. */
class Channel extends EventEmitter {
  readonly unconfirmed: { queue: string; properties: object; confirm: () => void }[] = [];
  closed = false;

  publish(_: string, queue: string, __: Buffer, properties: object, done: (error: Error | null) => void): void {
    this.unconfirmed.push({ queue, properties, confirm: () => done(null) });
  }

  /** Returns the unconfirmed messages of this queue, as if it were missing. */
  return(queue: string): void {
    for (const { properties } of this.unconfirmed.filter((one) => one.queue === queue))
      this.emit('return', { fields: { exchange: '', routingKey: queue }, properties });
  }

  confirm(queue: string): void {
    for (const one of this.unconfirmed.splice(0)) {
      if (one.queue === queue) one.confirm();
      else this.unconfirmed.push(one);
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    this.emit('close');
  }
}

async function begin(clock: VirtualClock, lastConfirm: LastConfirm = { at: Number.NEGATIVE_INFINITY }) {
  const channels: Channel[] = [];
  const told: string[] = [];
  const model = {
    async createConfirmChannel() {
      const channel = new Channel();
      channels.push(channel);
      return channel;
    },
  };
  const publisher = new ConfirmPublisher({
    clock,
    lastConfirm,
    onNoConfirms: () => told.push('stuck'),
    onLate: (queues) => told.push(`late ${queues.join()}`),
    onChannelClosed: () => told.push('closed'),
    onBroken: () => told.push('broken'),
  });
  await publisher.open(model as unknown as ChannelModel);
  let seq = 0;
  const send = (queue: string, bytes = 10, id?: string): Promise<string> => {
    const headers = { attempts: 0, firstAt: 0, seq: String(seq++) };
    return publisher.send([encodeMessage(outgoing(queue, id ?? headers.seq, Buffer.alloc(bytes)), headers, 2 ** 30)]).then(
      () => 'confirmed',
      (error) => error.code,
    );
  };
  return { channels, told, send };
}

const last = <T>(list: readonly T[]): T => list.at(-1) as T;

test('a queue that confirms nothing fails alone, and the others go on', async () => {
  const clock = new VirtualClock();
  const { channels, told, send } = await begin(clock);
  const dead = send('dead');
  const outcomes: Promise<string>[] = [];
  for (let seconds = 0; seconds < 31; seconds++) {
    outcomes.push(send('a'));
    await clock.advance(1_000);
    last(channels).confirm('a');
  }
  expect(await dead).toBe('BROKER_UNAVAILABLE');
  expect(new Set(await Promise.all(outcomes))).toEqual(new Set(['confirmed']));
  expect([told, channels.length]).toEqual([['late dead'], 1]);
  // Too late: it has no effect.
  channels[0]?.confirm('dead');
});

test('a channel that has to remember too much is replaced, and what is on its way there is still confirmed', async () => {
  const clock = new VirtualClock();
  const { channels, told, send } = await begin(clock, { at: 1 });
  const [first] = channels as [Channel];
  const dead = send('dead');
  for (let count = 0; count < 100_000; count++) {
    const one = send('a');
    if (count % 500 === 0) first.confirm('a');
    if (count % 4_000 === 0) await clock.advance(1_000);
    void one;
  }
  first.confirm('a');
  await clock.advance(1_000);
  const onTheWay = send('a');
  await clock.advance(20_000);
  expect(channels.length).toBe(2);
  expect([await dead, told, first.closed]).toEqual(['BROKER_UNAVAILABLE', ['late dead'], false]);
  const next = send('a');
  expect(channels[1]?.unconfirmed.length).toBe(1);
  for (const channel of channels) channel.confirm('a');
  expect(await Promise.all([onTheWay, next])).toEqual(['confirmed', 'confirmed']);
  await clock.advance(30_000);
  expect([first.closed, channels[1]?.closed, channels.length]).toEqual([true, false, 2]);
});

test('what is given up takes no room', async () => {
  const clock = new VirtualClock();
  const lastConfirm: LastConfirm = { at: 0 };
  const { channels, send } = await begin(clock, lastConfirm);
  const waiting = () => channels[0]?.unconfirmed.map(({ queue }) => queue);
  const dead = send('dead', 32 * 2 ** 20 - 50);
  await clock.advance(20_000);
  void send('b', 50);
  const behind = send('a');
  expect(waiting()).toEqual(['dead', 'b']);
  lastConfirm.at = clock.ticks();
  await clock.advance(11_000);
  expect(waiting()).toEqual(['dead', 'b', 'a']);
  channels[0]?.confirm('a');
  expect([await dead, await behind]).toEqual(['BROKER_UNAVAILABLE', 'confirmed']);
});

test('onNoConfirms is called if no queue confirms in time', async () => {
  const clock = new VirtualClock();
  const { told, send, channels } = await begin(clock);
  const lost = send('a');
  await clock.advance(29_000);
  expect(told).toEqual([]);
  await clock.advance(2_000);
  expect(told).toEqual(['stuck']);
  last(channels).emit('close');
  expect(await lost).toBe('BROKER_UNAVAILABLE');
});

test('what another publisher of the connection has confirmed keeps it', async () => {
  const clock = new VirtualClock();
  const lastConfirm: LastConfirm = { at: 0 };
  const [one, other] = [await begin(clock, lastConfirm), await begin(clock, lastConfirm)];
  const dead = one.send('dead');
  await clock.advance(20_000);
  const alive = other.send('a');
  last(other.channels).confirm('a');
  await clock.advance(11_000);
  expect([await dead, await alive]).toEqual(['BROKER_UNAVAILABLE', 'confirmed']);
  expect([one.told, other.told]).toEqual([['late dead'], []]);
});

test.each([false, true])(
  'what is returned after it was given up says nothing of the same message sent again (before: %j)',
  async (before) => {
    const clock = new VirtualClock();
    const lastConfirm: LastConfirm = { at: 0 };
    const { channels, send } = await begin(clock, lastConfirm);
    const [channel] = channels as [Channel];
    const first = send('late', 10, 'same');
    await clock.advance(20_000);
    lastConfirm.at = clock.ticks();
    await clock.advance(11_000);
    expect(await first).toBe('BROKER_UNAVAILABLE');
    let second = before ? send('late', 10, 'same') : undefined;
    const [given, again] = [channel.unconfirmed.shift(), channel.unconfirmed.shift()];
    channel.emit('return', { fields: { exchange: '', routingKey: 'late' }, properties: given?.properties });
    given?.confirm();
    again?.confirm();
    second ??= send('late', 10, 'same');
    channel.confirm('late');
    expect(await second).toBe('confirmed');
    const third = send('late', 10, 'same');
    channel.return('late');
    channel.confirm('late');
    expect(await third).toBe('BROKER_QUEUE_MISSING');
  },
);
