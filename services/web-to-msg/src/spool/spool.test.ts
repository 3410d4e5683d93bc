import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Broker } from '@blockhub/broker';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { startCapture } from '../capture-server.fixture.ts';
import { type Wayward, wayward } from '../publish/wayward-broker.fixture.ts';

let spool: string;
beforeEach(() => {
  spool = mkdtempSync(join(tmpdir(), 'blockhub-spool-'));
});
afterEach(() => rmSync(spool, { recursive: true }));

/** The service with a spool in this folder. */
async function start(given: Record<string, unknown> = {}): Promise<Awaited<ReturnType<typeof startCapture>> & Pick<Wayward, 'become'>> {
  let moody: Wayward | undefined;
  const server = await startCapture({ spool, ...given }, (real: Broker) => {
    moody = wayward(real);
    return moody.broker;
  });
  return Object.assign(server, { become: (mood: Parameters<Wayward['become']>[0]) => moody?.become(mood) });
}
const post = async (url: string, body: string): Promise<{ status: number; retryAfter: string | null; answer: Record<string, unknown> }> => {
  const answer = await fetch(`${url}/append/chain/plain`, { method: 'POST', body });
  return { status: answer.status, retryAfter: answer.headers.get('retry-after'), answer: (await answer.json()) as Record<string, unknown> };
};

test('while the broker is away the answer is 202 with the receipt; when it stops or the broker is back, what is spooled gets there', async () => {
  await using server = await start();
  const direct = await post(server.url, 'a');
  server.become('blocked');
  const spooled = await post(server.url, 'b');
  expect([direct.status, spooled.status]).toEqual([201, 202]);
  expect(Object.keys(spooled.answer)).toEqual(Object.keys(direct.answer));
  expect(server.health()).toMatchObject({ ready: true, checks: { spool: { detail: expect.stringContaining('1 requests') } } });
  expect((await server.ingress()).map(({ id }) => id)).toEqual([direct.answer.event]);
  server.become('connected');
  while (server.health().checks.spool?.detail !== 'empty') await new Promise(setImmediate);
  expect((await server.ingress()).map(({ id }) => id)).toEqual([direct.answer.event, spooled.answer.event]);
  expect(await server.metrics()).toMatch(/blockhub_capture_requests_total\{.*status="202".*\} 1\n/);
});

test('what one process leaves, the next one brings to the broker', async () => {
  const first = await start();
  first.become('blocked');
  const { answer } = await post(first.url, 'left');
  await first[Symbol.asyncDispose]();
  await using next = await start();
  while (next.health().checks.spool?.detail !== 'empty') await new Promise(setImmediate);
  expect((await next.ingress()).map(({ id }) => id)).toEqual([answer.event]);
});

test('full: 503 with Retry-After and a code', async () => {
  await using server = await start({ spoolLimit: 500 });
  server.become('disconnected');
  expect(await post(server.url, 'x'.repeat(500))).toMatchObject({ status: 503, retryAfter: '2', answer: { code: 'SPOOL_FULL' } });
  expect((await post(server.url, 'x')).status).toBe(202);
});

test('a folder that another process has: it does not start, and says which process', async () => {
  await using _server = await start();
  await expect(start()).rejects.toMatchObject({ code: 'SPOOL_IN_USE', message: expect.stringContaining(String(process.pid)) });
});
