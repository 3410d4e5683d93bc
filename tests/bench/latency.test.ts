import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '@blockhub/clock';
import { MemoryStore, Store } from '@blockhub/store';
import { eventIds, systemRandom } from '@blockhub/worker';
import { append, createChain } from '@blockhub/writer';
import { expect, test } from '@jest/globals';
import { waitsOf } from './latency.ts';

const newEvent = eventIds(systemClock, systemRandom);

/** A server that answers each post like this, and a store with a new chain. */
async function open(answer: (event: string, response: ServerResponse, store: Store) => unknown) {
  const store = new Store(new MemoryStore().driver(), { clock: systemClock });
  await createChain(store, { name: 'a', now: Date.now(), random: Math.random });
  const server = createServer((request, response) => {
    request.resume().once('end', () => answer(newEvent(), response, store));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const plan = { url: `http://127.0.0.1:${port}`, store, chain: 'a', perSecond: 1_000, seconds: 0.005, pollMs: 1 };
  return { plan, [Symbol.asyncDispose]: async () => void server.close().closeAllConnections() };
}

const receipt = (event: string, response: ServerResponse) => response.writeHead(201).end(JSON.stringify({ event }));
const commit = (event: string, store: Store) => append(store, 'a', [{ bytes: Buffer.from(event) }], { newEvent: () => event });

test('the result has a time for every event', async () => {
  await using mesh = await open(async (event, response, store) => {
    receipt(event, response);
    await commit(event, store);
  });
  expect(await waitsOf(mesh.plan)).toHaveLength(5);
});

test('the time is 0 if the block is seen before the answer', async () => {
  await using mesh = await open(async (event, response, store) => {
    await commit(event, store);
    // Only the follower asks for this. When it asks for the next block, it has noted what it found.
    const find = store.find.bind(store);
    const asked = new Promise<void>((resolve) => {
      let times = 0;
      store.find = (key) => {
        if (++times === 3) resolve();
        return find(key);
      };
    });
    await asked;
    receipt(event, response);
  });
  expect(await waitsOf({ ...mesh.plan, perSecond: 1, seconds: 1 })).toEqual([0]);
});

test('an answer other than 201 ends the measurement', async () => {
  await using mesh = await open((_, response) => response.writeHead(503).end('{"code":"BROKER_UNAVAILABLE"}'));
  await expect(waitsOf({ ...mesh.plan, seconds: 3_600 })).rejects.toThrow('answered with 503 {"code":"BROKER_UNAVAILABLE"}');
});

test('an event that gets into no block ends the measurement', async () => {
  await using mesh = await open(receipt);
  await expect(waitsOf({ ...mesh.plan, patienceMs: 2_000 })).rejects.toThrow('5 of 5 events are in no block after 2000 ms');
});

test('a missing answer ends the measurement', async () => {
  await using mesh = await open(() => undefined);
  await expect(waitsOf({ ...mesh.plan, patienceMs: 50 })).rejects.toThrow('an event was not answered in time');
});
