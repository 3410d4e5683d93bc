import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Header with the address from which the test's connection is to come. The proxy removes it. */
export const PEER = 'x-test-peer';

export interface ReverseProxy extends AsyncDisposable {
  readonly port: number;
}

/**
 * A reverse proxy that does only what docs/guides/senders.md requires: it passes on every request
 * unchanged and writes the address of the peer into X-Forwarded-For.
 */
export async function startProxy(to: URL, mode: 'append' | 'overwrite' = 'append'): Promise<ReverseProxy> {
  const server = createServer((incoming, answer) => {
    const pairs = Array.from({ length: incoming.rawHeaders.length / 2 }, (_, n) => incoming.rawHeaders.slice(2 * n, 2 * n + 2));
    const valuesOf = (name: string): string[] => pairs.filter(([one]) => one?.toLowerCase() === name).map(([, value = '']) => value);
    const claimed = mode === 'append' ? valuesOf('x-forwarded-for') : [];
    const own = new Set([PEER, 'x-forwarded-for', 'connection', 'keep-alive']);
    const headers = pairs.filter(([name = '']) => !own.has(name.toLowerCase())).flat();
    headers.push('X-Forwarded-For', [...claimed, ...valuesOf(PEER)].join(', '), 'Connection', 'keep-alive');
    const { method, url: path } = incoming;
    const outgoing = request({ host: to.hostname, port: to.port, method, path, headers }, (answered) => {
      answer.writeHead(answered.statusCode ?? 502, answered.rawHeaders);
      answered.pipe(answer);
    });
    outgoing.on('error', () => answer.destroy());
    incoming.pipe(outgoing);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
