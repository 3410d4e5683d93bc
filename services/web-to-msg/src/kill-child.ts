/**
 * Capture as a process of its own for `kill.test.ts`. Only its broker is of the test: each publish
 * is a line on a socket, and confirmed when the number of the line comes back.
 */
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Broker, BrokerState, Outgoing } from '@blockhub/broker';
import { systemClock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import { MemoryRegistry } from '@blockhub/registry';
import { defaults } from '@blockhub/settings';
import { openStore } from '@blockhub/store';
import { createHealth, createMetrics, silentLogger } from '@blockhub/telemetry';
import { startWorker, systemRandom } from '@blockhub/worker';
import { worker } from './worker.ts';

const [store = '', spool = '', brokerPort = ''] = process.argv.slice(2);

const waiting = new Map<number, { done: () => void; failed: (error: unknown) => void }>();
const listeners = new Set<(state: BrokerState) => void>();
let socket: Socket | undefined;
let count = 0;
const away = (): BlockhubError => new BlockhubError('BROKER_UNAVAILABLE', 'the connection is gone');

function reconnect(): void {
  const opened = connect(Number(brokerPort), '127.0.0.1', () => {
    socket = opened;
    for (const listener of listeners) listener('connected');
  });
  opened.on('error', () => {});
  const lines = createInterface(opened);
  lines.on('error', () => {});
  lines.on('line', (line) => {
    waiting.get(Number(line))?.done();
    waiting.delete(Number(line));
  });
  opened.on('close', () => {
    socket = undefined;
    for (const { failed } of waiting.values()) failed(away());
    waiting.clear();
    for (const listener of listeners) listener('disconnected');
    setTimeout(reconnect, 20);
  });
}
reconnect();

const broker = {
  declare: async () => {},
  queues: async () => [{ name: 'ingress' }, { name: 'dead-letter' }],
  publish(messages: readonly Outgoing[]) {
    if (!socket) return Promise.reject(away());
    const line = ++count;
    const texts = messages.map(({ id, body }) => [id, body.toString()]);
    socket.write(`${JSON.stringify([line, texts])}\n`);
    return new Promise<void>((done, failed) => waiting.set(line, { done, failed }));
  },
  get state(): BrokerState {
    return socket ? 'connected' : 'disconnected';
  },
  onState(listener: (state: BrokerState) => void) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
} as unknown as Broker;

const health = createHealth();
await startWorker(worker, {
  settings: defaults(worker.settings, { port: 0, spool, confirmTimeout: 100 }),
  broker,
  store: await openStore(store),
  registry: new MemoryRegistry(),
  clock: systemClock,
  random: systemRandom,
  log: silentLogger,
  metrics: createMetrics(),
  health,
  storeIsSafe: true,
});
process.stdout.write(`${health.report().checks.listening?.detail}\n`);
