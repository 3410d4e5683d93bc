import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Header by which a test says from which address a connection comes; it does not go on. */
export const PEER = 'x-test-peer';

export interface ReverseProxy extends AsyncDisposable {
  readonly port: number;
}

/** What docs/guides/senders.md asks of a reverse proxy, and no more: all goes on as it came, and X-Forwarded-For gets the address of the peer. */
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
