import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer as createTlsServer } from 'node:tls';

/** A TCP proxy whose connections a test can break. */
export interface BreakableProxy {
  /** `127.0.0.1:{port}`, always the same. */
  readonly address: string;
  /** The number of open connections. */
  readonly connections: number;
  /** Where new connections go: `host:port`. */
  target: string;
  /**
   * `refuse` resets every new connection at once. `silent` receives bytes and forwards none. A
   * connection that lost bytes stays silent, as over a real network.
   */
  mode: 'pass' | 'refuse' | 'silent';
  /** Delay of all bytes. */
  delayMs: number;
  /**
   * Whether `silent` and `delayMs` apply to a connection, by its number since the start. All by
   * default.
   */
  concerns: (connection: number) => boolean;
  /** Resets all open connections. */
  cut(): void;
  close(): Promise<void>;
}

export interface ProxyOptions {
  /** Clients connect by TLS. The connection to the target is plain text. */
  readonly tls?: { readonly key: string; readonly cert: string };
}

export async function openProxy(target: string, { tls }: ProxyOptions = {}): Promise<BreakableProxy> {
  const sockets = new Set<Socket>();
  let count = 0;
  const onConnect = (socket: Socket): void => join(socket, count++, proxy, sockets);
  const server: Server = tls ? createTlsServer(tls, onConnect) : createServer(onConnect);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const proxy: BreakableProxy = {
    address: `127.0.0.1:${port}`,
    get connections() {
      return sockets.size;
    },
    target,
    mode: 'pass',
    delayMs: 0,
    concerns: () => true,
    cut() {
      for (const socket of sockets) reset(socket);
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
  return proxy;
}

function join(near: Socket, number: number, proxy: BreakableProxy, sockets: Set<Socket>): void {
  near.on('error', () => near.destroy());
  if (proxy.mode === 'refuse') {
    reset(near);
    return;
  }
  sockets.add(near);
  near.once('close', () => sockets.delete(near));
  const at = proxy.target.lastIndexOf(':');
  const far = connect({ host: proxy.target.slice(0, at), port: Number(proxy.target.slice(at + 1)), noDelay: true });
  pass(near, far, number, proxy);
  pass(far, near, number, proxy);
}

function pass(from: Socket, to: Socket, number: number, proxy: BreakableProxy): void {
  let lost = false;
  let waiting = 0;
  let arrived = Promise.resolve();
  from.on('data', (bytes: Buffer) => {
    const concerned = proxy.concerns(number);
    lost ||= concerned && proxy.mode === 'silent';
    if (lost) return;
    const delayMs = concerned ? proxy.delayMs : 0;
    if (delayMs === 0 && waiting === 0) {
      to.write(bytes);
      return;
    }
    waiting++;
    const due = sleep(delayMs);
    arrived = arrived
      .then(() => due)
      .then(() => {
        waiting--;
        if (!to.destroyed) to.write(bytes);
      });
  });
  from.on('error', () => to.destroy());
  from.once('close', () => to.destroy());
}

/** A TLS socket cannot be reset. */
const reset = (socket: Socket): void => {
  if ('encrypted' in socket) socket.destroy();
  else socket.resetAndDestroy();
};
