import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VirtualClock } from '@blockhub/clock';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Broker, Delivery } from '../../types.ts';
import { openSqliteBroker } from './broker.ts';

const SECOND = 1000;
const HOUR = 3600 * SECOND;

let folder: string;
let clock: VirtualClock;
let broker: Broker;
let seen: Delivery[];

/** Opens the file and consumes from `a`. */
async function open(): Promise<void> {
  broker = await openSqliteBroker(join(folder, 'broker.sqlite'), { clock });
  await broker.declare([{ name: 'a', kind: 'durable' }]);
  await broker.consume('a', { prefetch: 10 }, (delivery) => seen.push(delivery));
}

/** The only message comes, and is to be tried again in ten seconds. */
async function retryOne(): Promise<void> {
  await broker.publish([{ queue: 'a', id: '1', meta: {}, body: Buffer.alloc(0) }]);
  await clock.advance(1);
  seen[0]?.retry(10 * SECOND);
  await clock.advance(SECOND);
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'blockhub-broker-'));
  clock = new VirtualClock();
  seen = [];
  await open();
});

afterEach(async () => {
  await broker.close();
  await rm(folder, { recursive: true });
});

describe.each([
  ['back', -HOUR],
  ['forward', HOUR],
])('a clock that is set %s by an hour', (_, stepMs) => {
  test('changes no wait that runs', async () => {
    await retryOne();
    clock.step(stepMs);
    await clock.advance(9 * SECOND - 2);
    expect([seen.length, (await broker.queues())[0]]).toMatchObject([1, { delayed: 1 }]);
    await clock.advance(2);
    expect(seen).toHaveLength(2);
  });

  test('changes no wait that begins behind it', async () => {
    await retryOne();
    await clock.advance(9 * SECOND);
    clock.step(stepMs);
    seen[1]?.retry(10 * SECOND);
    await clock.advance(10 * SECOND - 1);
    expect(seen).toHaveLength(2);
    await clock.advance(1);
    expect(seen).toHaveLength(3);
  });

  test('between two runs makes no message wait longer than its delay', async () => {
    await retryOne();
    await broker.close();
    clock.step(stepMs);
    await open();
    await clock.advance(10 * SECOND);
    expect(seen).toHaveLength(2);
  });
});

test('a wait goes on while nothing runs', async () => {
  await retryOne();
  await broker.close();
  await clock.advance(8 * SECOND);
  await open();
  await clock.advance(SECOND - 2);
  expect(seen).toHaveLength(1);
  await clock.advance(2);
  expect(seen).toHaveLength(2);
});
