import { expect } from '@jest/globals';
import type { Broker, Delivery, Outgoing, QueueInfo, StoredMessage } from '../types.ts';

/** One broker under test, fresh for each test. */
export interface Harness {
  connect(): Promise<Broker>;
  /** Stops all processes and the broker, starts them again, and returns a new connection. */
  restart(broker: Broker): Promise<Broker>;
  /** Ends the process of this connection without closing it. */
  kill(broker: Broker): Promise<void>;
  pass(ms: number): Promise<void>;
  /** How many times more to wait 20 ms for an expectation. The default is 0. */
  readonly patience?: number;
  dispose(): Promise<void>;
}

export interface Bench {
  readonly harness: Harness;
  broker: Broker;
}

export type Check = (bench: Bench) => Promise<void>;

export const bodyOf = (id: string): Buffer => Buffer.from(`body of ${id}`);

export const message = (queue: string, id: string, body = bodyOf(id)): Outgoing => ({
  queue,
  id,
  meta: { chain: 'c', n: id.length },
  body,
});

export const numbered = (queue: string, from: number, to: number): Outgoing[] =>
  Array.from({ length: to - from + 1 }, (_, at) => message(queue, String(from + at)));

export const ids = (list: readonly { readonly id: string }[]): string[] => list.map(({ id }) => id);

export const sorted = (list: readonly { readonly id: string }[]): string[] => ids(list).sort((a, b) => Number(a) - Number(b));

export const range = (from: number, to: number): string[] => Array.from({ length: to - from + 1 }, (_, at) => String(from + at));

export interface Collected {
  readonly all: Delivery[];
  ids(): string[];
  /** Of each delivery, such as `7: 0`. */
  attempts(): string[];
  cancel(): Promise<void>;
}

/** Collects deliveries without settling them. */
export async function collect(
  broker: Broker,
  queue: string,
  prefetch = 100,
  onDelivery: (delivery: Delivery) => void = () => {},
): Promise<Collected> {
  const all: Delivery[] = [];
  const consumer = await broker.consume(queue, { prefetch }, (delivery) => {
    all.push(delivery);
    onDelivery(delivery);
  });
  const attempts = (): string[] => all.map((delivery) => `${delivery.id}: ${delivery.attempts}`);
  return { all, ids: () => ids(all), attempts, cancel: () => consumer.cancel() };
}

export const browse = (broker: Broker, queue: string): Promise<StoredMessage[]> => Array.fromAsync(broker.browse(queue));

export async function take(broker: Broker, queue: string, wanted: readonly string[], replacement?: readonly Outgoing[]): Promise<void> {
  const seqs: string[] = [];
  for await (const { id, seq } of broker.browse(queue)) {
    if (wanted.includes(id)) seqs.push(seq);
    if (seqs.length === wanted.length) return await broker.take(queue, seqs, replacement);
  }
  throw new Error(`${wanted.join()} are not all there`);
}

export const declare = (broker: Broker, ...names: string[]): Promise<void> =>
  broker.declare(names.map((name) => ({ name, kind: 'durable' })));

/** Declares the queue `a` and publishes the messages 1 to `count`. */
export async function fill(broker: Broker, count: number): Promise<void> {
  await declare(broker, 'a');
  await broker.publish(numbered('a', 1, count));
}

export async function collected(harness: Harness, broker: Broker, queue: string, prefetch: number): Promise<Collected> {
  const collecting = await collect(broker, queue, prefetch);
  await arrive(harness, collecting, prefetch);
  return collecting;
}

export async function eventually({ pass, patience = 0 }: Harness, expectation: () => void | Promise<void>): Promise<void> {
  for (let left = patience; ; left--) {
    await pass(20);
    try {
      return await expectation();
    } catch (error) {
      if (left <= 0) throw error;
    }
  }
}

export const arrive = (harness: Harness, { all }: Pick<Collected, 'all'>, count: number): Promise<void> =>
  eventually(harness, () => expect(all.length).toBe(count));

/** Counts that the driver does not have are not compared. */
export async function expectInfo(broker: Broker, queue: string, expected: Partial<QueueInfo>): Promise<void> {
  const [info] = await broker.queues([queue]);
  const known = Object.entries(expected).filter(([field]) => info === undefined || info[field as keyof QueueInfo] !== undefined);
  expect(info).toMatchObject(Object.fromEntries(known));
}

export const code = (expected: string) => expect.objectContaining({ code: expected });
