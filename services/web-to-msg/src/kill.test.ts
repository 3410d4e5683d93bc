import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { seededRandom } from '@blockhub/faults';
import { openStore } from '@blockhub/store';
import { createChain } from '@blockhub/writer';
import { afterAll, expect, test } from '@jest/globals';

const KILLS = 25;
const SENDERS = 6;
const folder = mkdtempSync(join(tmpdir(), 'blockhub-spool-kill-'));
const [storeUrl, spool] = [`file://${folder}/store`, join(folder, 'spool')];
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A broker that works, does not answer, or is unreachable. It keeps messages in order. */
class UnreliableBroker {
  readonly messages: { readonly id: string; readonly body: string }[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  #mode: 'here' | 'silent' | 'mute' | 'gone' = 'here';

  constructor() {
    this.#server = createServer((socket) => {
      if (this.#mode === 'gone') socket.destroy();
      socket.on('error', () => {});
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      createInterface(socket)
        .on('line', (line) => this.#take(socket, line))
        .on('error', () => {});
    });
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  become(mode: 'here' | 'silent' | 'mute' | 'gone'): void {
    this.#mode = mode;
    if (mode === 'gone') for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.become('gone');
    this.#server.close();
  }

  #take(socket: Socket, line: string): void {
    if (this.#mode === 'silent' || this.#mode === 'gone') return;
    let parsed: [number, [string, string][]];
    try {
      parsed = JSON.parse(line);
    } catch {
      // The end of what a process wrote when it was killed.
      return;
    }
    for (const [id, body] of parsed[1]) this.messages.push({ id, body });
    if (this.#mode === 'here') socket.write(`${parsed[0]}\n`);
  }
}

async function startCapture(port: number): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'kill-child.ts'), storeUrl, spool, String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(createInterface(child.stdout as NodeJS.ReadableStream), 'line');
  return { child, url: String(line) };
}

test('kill -9 again and again, while the broker comes and goes: all that was answered arrives, once and in order, and nothing else', async () => {
  const store = await openStore(storeUrl);
  await createChain(store, { name: 'default', now: Date.now(), random: Math.random, settings: { requests: false } });
  const random = seededRandom(20261121);
  const broker = new UnreliableBroker();
  const port = await broker.listen();
  const posted = new Set<string>();
  /** Of each sender, the events of its answers in their order. */
  const answered = Array.from({ length: SENDERS }, (): string[] => []);
  const statuses: Record<number, number> = {};
  let count = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const { child, url } = await startCapture(port);
    broker.become((['gone', 'silent', 'mute', 'here'] as const)[Math.floor(random() * 4)] ?? 'gone');
    // The moments are numbers of answers, drawn from the seed; what is under way then is cut at
    // random.
    const last = 1 + Math.floor(random() * 120);
    const back = random() < 0.5 ? Math.floor(random() * last) : last;
    let answers = 0;
    let alive = true;
    const send = async (sender: number): Promise<void> => {
      while (alive) {
        const body = `body ${count++} ${'x'.repeat(Math.floor(random() * 3000))}`;
        posted.add(body);
        try {
          const answer = await fetch(`${url}/`, { method: 'POST', body });
          const { event } = (await answer.json()) as { event: string };
          statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
          if (answer.ok) answered[sender]?.push(event);
          if (++answers === back) broker.become('here');
          if (answers !== last) continue;
        } catch (error) {
          if (alive) throw error;
        }
        alive = false;
        child.kill('SIGKILL');
      }
    };
    const ended = once(child, 'exit');
    await Promise.all(answered.map((_, sender) => send(sender)));
    expect(await ended).toEqual([null, 'SIGKILL']);
  }
  broker.become('here');
  const { child } = await startCapture(port);
  while (readdirSync(spool).some((name) => name.endsWith('.spool'))) await pause(20);
  child.kill('SIGKILL');
  broker.close();

  // A disk that is slow for a moment is a 503.
  expect(['201', '202', '503']).toEqual(expect.arrayContaining(Object.keys(statuses)));
  expect(statuses[202]).toBeGreaterThan(200);
  // A chain takes each event once, where it comes first.
  const arrived = new Map<string, { at: number; body: string }>();
  broker.messages.forEach(({ id, body }, at) => {
    if (arrived.has(id)) expect(arrived.get(id)?.body).toBe(body);
    else arrived.set(id, { at, body });
  });
  const all = answered.flat();
  expect(new Set(all).size).toBe(all.length);
  expect(all.filter((event) => !arrived.has(event))).toEqual([]);
  for (const events of answered) {
    const places = events.map((event) => arrived.get(event)?.at ?? -1);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
  }
  const bodies = [...arrived.values()].map(({ body }) => body);
  expect(bodies.filter((body) => !posted.has(body))).toEqual([]);
  expect(new Set(bodies).size).toBe(bodies.length);
  await store.close();
}, 300_000);
