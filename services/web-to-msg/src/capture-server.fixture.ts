import { connect } from 'node:net';
import { type Broker, MemoryBroker, type StoredMessage } from '@blockhub/broker';
import { systemClock } from '@blockhub/clock';
import { declarations, queues } from '@blockhub/message';
import { MemoryRegistry } from '@blockhub/registry';
import { defaults } from '@blockhub/settings';
import { openStore, type Store } from '@blockhub/store';
import { createHealth, createMetrics, type HealthReport, silentLogger } from '@blockhub/telemetry';
import { startWorker, systemRandom } from '@blockhub/worker';
import { createChain } from '@blockhub/writer';
import { worker } from './worker.ts';

/** The real service on a real socket, with memory drivers behind it. */
export interface CaptureServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly broker: Broker;
  readonly store: Store;
  /** The ids. `default` has request documents; `plain` and `old` (md5) do not. */
  readonly chains: Readonly<Record<'default' | 'plain' | 'old', string>>;
  readonly metrics: () => Promise<string>;
  readonly health: () => HealthReport;
  ingress(): Promise<StoredMessage[]>;
  /** Stops capture; disposing it does so within a short grace. */
  stop(graceMs: number): Promise<void>;
}

export async function startCapture(
  given: Record<string, unknown> = {},
  wrap: (broker: Broker) => Broker = (broker) => broker,
  log = silentLogger,
): Promise<CaptureServer> {
  const broker = new MemoryBroker({ clock: systemClock, random: systemRandom }).connect({ name: 'test' });
  const store = await openStore('memory:');
  const registry = new MemoryRegistry();
  await broker.declare(declarations(1));
  const create = async (name: string, options: object): Promise<string> =>
    (await createChain(store, { name, now: Date.now(), random: Math.random, ...options })).id;
  const chains = {
    default: await create('default', {}),
    plain: await create('plain', { settings: { requests: false } }),
    old: await create('old', { crypt: 'md5', settings: { requests: false } }),
  };
  const health = createHealth();
  const metrics = createMetrics();
  const running = await startWorker(worker, {
    settings: defaults(worker.settings, { port: 0, ...given }),
    broker: wrap(broker),
    store,
    registry,
    clock: systemClock,
    random: systemRandom,
    log,
    metrics,
    health,
    storeIsSafe: true,
  });
  const url = health.report().checks.listening?.detail ?? '';
  return {
    url,
    port: Number(new URL(url).port),
    broker,
    store,
    chains,
    metrics: () => metrics.text(),
    health: () => health.report(),
    ingress: () => Array.fromAsync(broker.browse(queues.ingress.name)),
    stop: (graceMs) => running.stop({ graceMs }),
    async [Symbol.asyncDispose]() {
      await running.stop({ graceMs: 50 });
      await broker.close();
    },
  };
}

/** Writes raw bytes to the port, and gives all that comes back until the other side ends. */
export function raw(port: number, text: string | Buffer, keepOpen = false): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(text);
      if (!keepOpen) socket.end();
    });
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', (error: NodeJS.ErrnoException) => (error.code === 'ECONNRESET' ? resolve(answer) : reject(error)));
  });
}

/** Status and body of the answer to raw bytes. */
export async function rawAnswer(port: number, text: string): Promise<{ status: number; text: string }> {
  const answer = await raw(port, text, true);
  return { status: Number(answer.split(' ')[1]), text: answer.slice(answer.indexOf('\r\n\r\n') + 4) };
}
