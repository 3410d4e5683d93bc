import { BlockhubError } from '@blockhub/errors';
import { queues } from '@blockhub/message';
import { bareHost, listenAt, listenError } from '@blockhub/telemetry';
import { defineWorker } from '@blockhub/worker';
import { Appender } from './capture/appender.ts';
import { CaptureServer } from './http/server.ts';
import { type CaptureContext, settings } from './settings.ts';

export { Appender, type Captured, type CaptureRequest } from './capture/appender.ts';
export type { SpoolDisk } from './spool/disk.ts';
export { MemoryDisk } from './spool/memory-disk.ts';

/**
 * Captures a request as two messages, the body and a request document. Answers 201 when the broker
 * has confirmed both, 202 when they are spooled.
 */
export const worker = defineWorker({
  name: 'web-to-msg',
  summary: 'Captures HTTP requests as messages.',
  settings,
  needs: ['store', 'registry'],
  // Idempotency keys are claimed in it.
  reliesOnRegistry: ({ idempotencyHeaders }) => idempotencyHeaders.length > 0,
  gives: () => [queues.ingress.name],
  setup: (context) => Appender.open(context),
  async serve(context) {
    const { log, health, state: appender } = context;
    await checkQueues(context, [queues.ingress.name, queues.deadLetter.name]);
    const server = new CaptureServer(context, appender);
    const { host, port } = await listen(server, context.settings);
    health.set('listening', true, `http://${host.includes(':') ? `[${host}]` : host}:${port}`);
    log.info({ host, port }, 'listening');
    void appender.warnOfMissingChains(log);
    appender.start();
    return {
      async close(graceOver, nearlyOver) {
        health.set('listening', false, 'closing');
        await server.drain(nearlyOver, graceOver);
        await appender.finish();
      },
    };
  },
  stop: ({ state }) => state.close(),
});

/** The service must not listen before its queues exist. @throws BROKER_QUEUE_MISSING */
async function checkQueues({ broker, health }: CaptureContext, names: readonly string[]): Promise<void> {
  const known = new Set((await broker.queues(names)).map((queue) => queue.name));
  const missing = names.filter((name) => !known.has(name));
  if (missing.length > 0) throw new BlockhubError('BROKER_QUEUE_MISSING', `The broker has no queue ${missing.join(', ')}.`);
  health.set('queues', true, names.join(', '));
}

/** Returns the address that it listens on. @throws ADDRESS_IN_USE, SETTINGS_INVALID */
async function listen(server: CaptureServer, { host: given, port }: CaptureContext['settings']): Promise<{ host: string; port: number }> {
  const host = bareHost(given);
  try {
    const taken = await listenAt(host, (one) => server.listen(one, port));
    return { host: taken.host, port: taken.listening.port };
  } catch (error) {
    throw listenError(error, { host, port, hostSetting: 'host', portSetting: 'port' });
  }
}
