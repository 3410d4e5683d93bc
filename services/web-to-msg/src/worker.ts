import type { AddressInfo } from 'node:net';
import { BlockhubError } from '@blockhub/errors';
import { declaration, queues } from '@blockhub/message';
import { setting } from '@blockhub/settings';
import { listenError } from '@blockhub/telemetry';
import { type Context, defineWorker } from '@blockhub/worker';
import type { FastifyInstance } from 'fastify';
import { buildServer } from './server.ts';

const settings = {
  host: setting.text({ text: 'Address to listen on.', default: '127.0.0.1', example: '0.0.0.0' }),
  port: setting.integer({ text: 'Port to listen on; 0 takes a free one.', default: 8080, min: 0, max: 65535 }),
  defaultChain: setting.text({ text: 'Chain that `POST /` appends to, by id or name.', default: 'default' }),
  bodyLimit: setting.size({ text: 'Largest body; over it the answer is 413.', default: '16mb' }),
  messageLimit: setting.size({ text: 'Larger bodies go to the store first and travel as a reference.', default: '1mb' }),
  inFlightLimit: setting.size({ text: 'Bytes of all bodies held at once; over it the answer is 503.', default: '64mb' }),
  maxConnections: setting.integer({ text: 'Connections at once; more are closed at once.', default: 10_000, min: 1 }),
  confirmTimeout: setting.duration({ text: 'Longest wait for broker or store; past it the answer is 503.', default: '2s' }),
  requestTimeout: setting.duration({ text: 'Longest time for a whole request to arrive.', default: '15s' }),
  headersTimeout: setting.duration({ text: 'Longest time for the headers to arrive.', default: '10s' }),
  keepAliveTimeout: setting.duration({ text: 'How long an idle connection is kept.', default: '72s' }),
};

export type CaptureContext = Context<typeof settings, undefined>;

/** Turns each HTTP request into two messages, the body and a request document, and answers 201 when the broker has confirmed both. */
export const worker = defineWorker({
  name: 'web-to-msg',
  summary: 'HTTP in, messages out: the web appender.',
  settings,
  needs: ['store', 'registry'],
  gives: () => [queues.ingress.name],
  declares: () => [queues.ingress, queues.deadLetter].map((entry) => declaration(entry, entry.name)),
  async serve(context) {
    const { host, port } = context.settings;
    const { log, health } = context;
    await checkQueues(context, [queues.ingress.name, queues.deadLetter.name]);
    const app = buildServer(context);
    await listen(app, host, port);
    const { port: taken } = app.server.address() as AddressInfo;
    health.set('listening', true, `http://${host.includes(':') ? `[${host}]` : host}:${taken}`);
    log.info({ host, port: taken }, 'listening');
    return {
      async close() {
        health.set('listening', false, 'closing');
        app.server.closeIdleConnections();
        await app.close();
      },
    };
  },
});

/** Refuses to listen before the queues that take the messages exist. */
async function checkQueues({ broker, health }: CaptureContext, names: readonly string[]): Promise<void> {
  const known = new Set((await broker.queues()).map((queue) => queue.name));
  const missing = names.filter((name) => !known.has(name));
  if (missing.length > 0) throw new BlockhubError('BROKER_QUEUE_MISSING', `The broker has no queue ${missing.join(', ')}.`);
  health.set('queues', true, names.join(', '));
}

async function listen(app: FastifyInstance, host: string, port: number): Promise<void> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    await app.close();
    throw listenError(error, { host, port, setting: 'port' });
  }
}
