import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Broker } from '../../types.ts';
import { numbered } from './deliveries.fixture.ts';
import { Bench, onRabbit } from './server.fixture.ts';

await onRabbit('looking into queues of RabbitMQ', (server) => {
  let bench: Bench;
  let broker: Broker;
  beforeEach(async () => {
    bench = await new Bench(server).open();
    broker = await bench.connect();
  });
  afterEach(() => bench.close());

  async function* shown(queue: string): AsyncGenerator<string> {
    for await (const { seq } of broker.browse(queue)) yield seq;
  }

  // Most acks of a burst were lost with their channel in most runs.
  test.each([500, 1000])('what is taken never comes back, however much it is: %i', async (count) => {
    await broker.declare([{ name: 'a', kind: 'durable' }]);
    await broker.publish(numbered('a', 1, count));
    const seqs: string[] = [];
    for await (const seq of shown('a')) {
      seqs.push(seq);
      if (seqs.length === count) await broker.take('a', seqs, []);
    }
    expect(seqs).toHaveLength(count);
    expect(await Array.fromAsync(shown('a'))).toEqual([]);
  });

  test('nor what is taken behind a browse', async () => {
    await broker.declare([{ name: 'a', kind: 'durable' }]);
    await broker.publish(numbered('a', 1, 400));
    const seqs = await Array.fromAsync(shown('a'));
    await broker.take('a', seqs.slice(0, 300), []);
    expect((await Array.fromAsync(shown('a'))).toSorted()).toEqual(seqs.slice(300).toSorted());
  });

  test('a browse that takes part by part shows each message once', async () => {
    await broker.declare([{ name: 'a', kind: 'durable' }]);
    await broker.publish(numbered('a', 1, 300));
    const seqs: string[] = [];
    const part: string[] = [];
    for await (const seq of shown('a')) {
      seqs.push(seq);
      part.push(seq);
      if (part.length === 40) await broker.take('a', part.splice(0), []);
    }
    expect(new Set(seqs).size).toBe(300);
    expect(seqs).toHaveLength(300);
    expect(await Array.fromAsync(shown('a'))).toHaveLength(20);
  });
});
