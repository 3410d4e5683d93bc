import { request as https } from 'node:https';
import type { QueueInfo } from '../../types.ts';
import { delayPrefix } from './arguments.ts';
import { login, tlsFiles } from './dial.ts';
import { unavailable } from './link.ts';
import type { AmqpTarget } from './url.ts';

// Imported by name, it would load fetch and WebSocket too.
const { request: http } = process.getBuiltinModule('node:http');

const ANSWER_MS = 10_000;
// Of `messages_ready` those are missing that a queue passes on and another one has not taken yet.
const columns = 'name,exclusive,messages,messages_unacknowledged,message_bytes,consumers';

interface QueueRow {
  readonly name: string;
  readonly exclusive: boolean;
  readonly messages?: number;
  readonly messages_unacknowledged?: number;
  readonly message_bytes?: number;
  readonly consumers?: number;
}

/**
 * Every queue of the virtual host as the management API counts it, some seconds late. `isOurs` tells which exclusive ones to list.
 * BROKER_UNAVAILABLE, also where the API refuses.
 */
export async function listQueues(target: AmqpTarget, base: string, isOurs: (name: string) => boolean): Promise<QueueInfo[]> {
  const rows = await get(target, `${base}/api/queues/${encodeURIComponent(target.vhost)}?columns=${columns}`);
  return rows
    .filter(({ name, exclusive }) => !name.startsWith(delayPrefix) && (!exclusive || isOurs(name)))
    .map((row) => ({
      name: row.name,
      kind: row.exclusive ? ('private' as const) : ('durable' as const),
      ready: (row.messages ?? 0) - (row.messages_unacknowledged ?? 0),
      unacked: row.messages_unacknowledged,
      delayed: undefined,
      bytes: row.message_bytes,
      consumers: row.consumers ?? 0,
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function get(target: AmqpTarget, url: string): Promise<readonly QueueRow[]> {
  const { user, password } = await login(target);
  const files = await tlsFiles(target);
  const options = { auth: `${user}:${password}`, ...files, timeout: ANSWER_MS, signal: AbortSignal.timeout(ANSWER_MS) };
  try {
    return await new Promise((resolve, reject) => {
      const request = (url.startsWith('https:') ? https : http)(url, options, async (response) => {
        try {
          const parts = await response.toArray();
          if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`);
          resolve(JSON.parse(Buffer.concat(parts).toString('utf8')) as QueueRow[]);
        } catch (error) {
          reject(error);
        }
      });
      request.on('error', reject);
      request.end();
    });
  } catch (cause) {
    throw unavailable(
      `the management API at ${new URL(url).origin} does not answer: ${cause instanceof Error ? cause.message : cause}`,
      cause,
    );
  }
}
