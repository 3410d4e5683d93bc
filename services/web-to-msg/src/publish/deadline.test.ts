import { MessageChannel, Worker } from 'node:worker_threads';
import { systemClock, VirtualClock } from '@blockhub/clock';
import { expect, test } from '@jest/globals';
import { within } from './deadline.ts';

const LIMIT_MS = 50;

/**
 * Sends a message when this thread has been stopped for longer than the limit, and lets it go on
 * after that.
 */
const DOES_MEANWHILE = `
const { workerData: { port, gate } } = require('node:worker_threads');
Atomics.wait(gate, 0, 0, ${4 * LIMIT_MS});
port.postMessage('done');
Atomics.store(gate, 1, 1);
Atomics.notify(gate, 1);
`;

test('a process that stood still sees what came meanwhile before it says that it is late', async () => {
  const { port1, port2 } = new MessageChannel();
  const gate = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(DOES_MEANWHILE, { eval: true, workerData: { port: port2, gate }, transferList: [port2] });
  try {
    const work = new Promise((resolve) => port1.once('message', resolve));
    const waiting = within(systemClock, systemClock.ticks() + LIMIT_MS, work, 'broker');
    expect(Atomics.wait(gate, 1, 0, 10_000)).not.toBe('timed-out');
    expect(await waiting).toBe('done');
  } finally {
    port1.close();
    await worker.terminate();
  }
});

test.each([100, 10, 3, 0, -5])('a wait that has %d ms left never ends later than that', async (left) => {
  const clock = new VirtualClock();
  await clock.advance(1000);
  const waiting = within(clock, clock.ticks() + left, new Promise(() => {}), 'store').catch((error: unknown) => error);
  let settled = false;
  void waiting.then(() => {
    settled = true;
  });
  await clock.advance(Math.max(0, left));
  expect(settled).toBe(true);
});
