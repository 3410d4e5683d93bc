import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { openFaultyProxy } from './faulty-proxy.ts';

const releases: (() => unknown)[] = [];
afterEach(async () => {
  for (const release of releases.splice(0).reverse()) await release();
});

test('keeps the last 1,000 requests, and no more', async () => {
  const server = createServer((_, answer) => answer.end()).listen(0, '127.0.0.1');
  releases.push(() => server.close());
  await once(server, 'listening');
  const proxy = await openFaultyProxy(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  releases.push(() => proxy.close());
  proxy.choose = () => '503';
  for (let n = 0; n < 1_000; n++) await (await fetch(`http://${proxy.address}/`)).text();
  proxy.faults.push('500-before', '409');
  for (const method of ['PUT', 'DELETE']) await (await fetch(`http://${proxy.address}/`, { method })).text();
  expect(proxy.seen).toHaveLength(1_000);
  expect(proxy.seen.slice(-3)).toEqual(['GET 503', 'PUT 500-before', 'DELETE 409']);
});
