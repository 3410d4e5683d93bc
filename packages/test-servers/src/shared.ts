import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type RabbitmqServer, rabbitmq } from './servers.ts';
import type { Absent } from './start.ts';

/** The server that suites share, while a run of tests lasts. */
export interface SharedServers {
  /** For BLOCKHUB_TEST_SHARED in the environment of the suites. */
  readonly url: string;
  /** Stops what was started. */
  close(): Promise<void>;
}

/** Starts RabbitMQ when the first suite asks for it, and gives the same one to all others. */
export async function shareServers(env: NodeJS.ProcessEnv = process.env): Promise<SharedServers> {
  let broker: ReturnType<typeof rabbitmq> | undefined;
  const server = createServer(async (_, response) => {
    broker ??= rabbitmq(env);
    const answer = await broker.then(
      (found) => ({ status: 200, body: 'absent' in found ? found : { url: found.url, management: found.management } }),
      (error: Error) => ({ status: 500, body: `${error.message}: ${(error.cause as Error | undefined)?.message}` }),
    );
    response.writeHead(answer.status).end(JSON.stringify(answer.body));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.close();
      server.closeAllConnections();
      const started = await broker?.catch(() => undefined);
      if (started && !('absent' in started)) await started.close();
    },
  };
}

/**
 * RabbitMQ for a suite that changes nothing outside of virtual hosts of its own, which it makes by
 * the management API. The suites of a run share one server. If a suite runs alone, without
 * BLOCKHUB_TEST_SHARED, it gets a server of its own.
 */
export async function sharedRabbitmq(env: NodeJS.ProcessEnv = process.env): Promise<RabbitmqServer | Absent> {
  const { BLOCKHUB_TEST_SHARED: sharer } = env;
  if (!sharer) return rabbitmq(env);
  const response = await fetch(sharer);
  const answer = (await response.json()) as Pick<RabbitmqServer, 'url' | 'management'> | Absent | string;
  if (typeof answer === 'string') throw new Error(answer);
  return 'absent' in answer ? answer : { ...answer, close: async () => undefined };
}
