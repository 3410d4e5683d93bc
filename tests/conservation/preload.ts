/**
 * Loaded into each service of the conservation test before its own code. It shifts `Date.now`,
 * which is the system clock of Blockhub. The time in signatures of requests stays right, since no
 * server accepts one from another time.
 * It leads the host names of the three servers to this process's own links, so that all processes
 * have the same URLs, as in a cluster. It can break a promise on purpose, see `mutations.ts`.
 */
import { enableCompileCache, flushCompileCache } from 'node:module';
import { Socket } from 'node:net';
import '../simulation/edits.ts';

// Most of a run's CPU time goes into starts. The cache is written as soon as all code is loaded,
// because few processes here end in order.
enableCompileCache();
setTimeout(flushCompileCache, 5_000).unref();

const now = Date.now;
let aheadMs = Number(process.env.CONSERVATION_AHEAD_MS ?? 0);
Date.now = () => now() + aheadMs;

const links = JSON.parse(process.env.CONSERVATION_LINKS ?? '{}') as Record<string, number>;
const connect = Socket.prototype.connect as (this: Socket, ...args: unknown[]) => Socket;
Socket.prototype.connect = function (this: Socket, ...args: unknown[]) {
  // Every call of connect() arrives here with one list of options and callback.
  const given = args[0] as [{ host?: string }];
  const port = links[given[0]?.host ?? ''];
  if (port !== undefined) given[0] = { ...given[0], host: '127.0.0.1', port } as { host: string };
  return connect.apply(this, args);
} as typeof Socket.prototype.connect;

process.on('message', (message: { aheadMs: number }) => {
  aheadMs = message.aheadMs;
});
// No process outlives the test.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
process.channel?.unref();
