import type { AddressInfo } from 'node:net';
import { BlockhubError } from '@blockhub/errors';
import { queues } from '@blockhub/message';
import { listenError } from '@blockhub/telemetry';
import { defineWorker } from '@blockhub/worker';
import type { FastifyInstance } from 'fastify';
import { Appender } from './appender.ts';
import { buildServer } from './server.ts';
import { type CaptureContext, settings } from './settings.ts';

export { Appender, type Captured, type CaptureRequest } from './appender.ts';
export type { SpoolDisk } from './spool/disk.ts';
export { MemoryDisk } from './spool/memory-disk.ts';

/** Turns each HTTP request into two messages, the body and a request document, and answers 201 when the broker has confirmed both, or 202 when they are spooled. */
export const worker = defineWorker({
  name: 'web-to-msg',
  summary: 'HTTP in, messages out: the web appender.',
  settings,
  needs: ['store', 'registry'],
  // The names of events are claims in it.
  reliesOnRegistry: ({ idempotencyHeaders }) => idempotencyHeaders.length > 0,
  gives: () => [queues.ingress.name],
  setup: (context) => Appender.open(context),
  async serve(context) {
    const { host, port } = context.settings;
    const { log, health } = context;
    await checkQueues(context, [queues.ingress.name, queues.deadLetter.name]);
    const app = buildServer(context, context.state);
    await listen(app, host, port);
    const { port: taken } = app.server.address() as AddressInfo;
    health.set('listening', true, `http://${host.includes(':') ? `[${host}]` : host}:${taken}`);
    log.info({ host, port: taken }, 'listening');
    return {
      async close(graceOver) {
        health.set('listening', false, 'closing');
        app.server.closeIdleConnections();
        // Node ends its time-outs with the listening: a body that never comes would be waited for without end.
        const cut = (): void => app.server.closeAllConnections();
        graceOver.addEventListener('abort', cut, { once: true });
        if (graceOver.aborted) cut();
        await app.close();
        await context.state.finish();
      },
    };
  },
  stop: ({ state }) => state.close(),
});

/** Refuses to listen before the queues that take the messages exist. */
async function checkQueues({ broker, health }: CaptureContext, names: readonly string[]): Promise<void> {
  const known = new Set((await broker.queues(names)).map((queue) => queue.name));
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
