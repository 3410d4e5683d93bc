import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hashOf } from '@blockhub/chain';
import { seededRandom } from '@blockhub/faults';
import { openStore } from '@blockhub/store';
import { getChain, verifyChain, walk } from '@blockhub/walker';
import { afterAll, expect, test } from '@jest/globals';
import { freePort, quiet, startStandalone } from './standalone.ts';

const KILLS = 50;
const SENDERS = 8;
/** A small limit, so that some bodies are stored before their message is published. */
const flags = ['--message-limit', '4kb'];
const data = mkdtempSync(join(tmpdir(), 'blockhub-kill-'));
afterAll(() => rmSync(data, { recursive: true, force: true }));

interface Answer {
  readonly status: number;
  readonly body: string;
}

const agent = new Agent({ keepAlive: true, maxSockets: SENDERS });
function post(url: string, body: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', agent, headers: { 'content-length': Buffer.byteLength(body) } }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

test('kill -9 again and again: every event with a 201 is in its chain exactly once, and no other', async () => {
  const ports = { port: await freePort(), probePort: await freePort() };
  const random = seededRandom(20261121);
  const posted = new Set<string>();
  const receipts = new Map<string, string>();
  let count = 0;
  let mesh = await startStandalone(data, ports, flags);
  for (let kill = 0; kill < KILLS; kill++) {
    // The seed gives the number of answers before the kill. The work that it interrupts is random.
    const last = receipts.size + 1 + Math.floor(random() * 150);
    let alive = true;
    const senders = Array.from({ length: SENDERS }, async () => {
      while (alive) {
        const body = `body ${count++} ${'x'.repeat(Math.floor(random() * (random() < 0.2 ? 8000 : 800)))}`;
        posted.add(hashOf('sha256', Buffer.from(body)));
        try {
          const answer = await post(`${mesh.url}/append/chain/default`, body);
          expect(answer.status).toBe(201);
          const { event, hash } = JSON.parse(answer.body) as { event: string; hash: string };
          receipts.set(event, hash);
        } catch (error) {
          if (alive && (error as { code?: string }).code === undefined) throw error;
        }
        if (alive && receipts.size >= last) {
          alive = false;
          mesh.process.kill('SIGKILL');
        }
      }
    });
    await Promise.all(senders);
    expect(await mesh.ended).toBe('SIGKILL');
    mesh = await startStandalone(data, ports, flags);
  }
  await quiet(data);
  mesh.process.kill('SIGTERM');
  expect(await mesh.ended).toBe(0);

  const store = await openStore(`file://${data}/store`);
  const chain = (await getChain(store, 'default')).id;
  const report = await verifyChain(store, chain, { level: 'full' });
  expect(report.faults).toEqual([]);
  expect(report.unchecked).toEqual([]);
  const seen = new Map<string, string>();
  const bodies = new Set<string>();
  for await (const { blocks } of walk(store, { chain })) {
    for (const { event, hash, meta } of blocks.flatMap((block) => block.blobs)) {
      expect(seen.has(event)).toBe(false);
      seen.set(event, hash);
      if (meta.about === undefined) {
        // Each body was posted once, so the same hash twice is a doubled event.
        expect(bodies.has(hash)).toBe(false);
        expect(posted.has(hash)).toBe(true);
        bodies.add(hash);
      }
    }
  }
  const lost = [...receipts].filter(([event, hash]) => seen.get(event) !== hash);
  expect(lost).toEqual([]);
  await store.close();
}, 600_000);
