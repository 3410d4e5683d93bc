import type { Server } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';
import type { Clock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import type { Connections } from './connection.ts';
import { linger } from './linger.ts';

/** How long a stopping process takes new connections: load balancers notice the stop later. */
const ACCEPT_MS = 100;
/** Turns of the event loop without a new connection until the accept queue counts as empty. */
const QUIET_TURNS = 3;
/** Longest turn that counts. In a longer one connections may arrive after the queue was read. */
const QUICK_TURN_MS = 1;
/** How long to wait for quick turns. On a busy machine there may be none. */
const PATIENCE_MS = 500;
/** How long a connection that has sent nothing may still send its first request. */
const FRESH_MS = 500;

export const stopping = (): BlockhubError =>
  new BlockhubError('CAPTURE_STOPPING', 'This instance is stopping, and the request has not arrived completely.');

export interface DrainingParts {
  readonly server: Server;
  readonly clock: Clock;
  readonly connections: Connections;
  /** Answers a connection on which only a part of the headers has arrived. */
  refuse(socket: Socket): void;
}

/**
 * Stops a server without resetting a sender:
 * 1. New connections are taken for a moment, and until the accept queue of the kernel is empty.
 *    The last answer of each connection has `connection: close`.
 * 2. The server stops listening, and idle connections end.
 * 3. Shortly before the grace period is over, requests that have arrived in part get 503.
 * 4. When it is over, connections that are still open are destroyed.
 */
export class Draining {
  readonly #parts: DrainingParts;
  readonly #sockets = new Set<Socket>();
  /** Each function fails the read of one body. */
  readonly #reading = new Set<(error: BlockhubError) => void>();
  #accepted = 0;
  #begun = false;

  constructor(parts: DrainingParts) {
    this.#parts = parts;
    parts.server.on('connection', (socket: Socket) => this.#add(socket));
  }

  /** Registers a read. Returns a function that ends the registration. */
  reading(fail: (error: BlockhubError) => void): () => void {
    this.#reading.add(fail);
    return () => this.#reading.delete(fail);
  }

  /** Resolves when all connections have ended. */
  async run(nearlyOver: AbortSignal, graceOver: AbortSignal): Promise<void> {
    const { server, clock } = this.#parts;
    this.#begun = true;
    for (const socket of this.#sockets) lingering(socket);
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    onAbort(nearlyOver, () => this.#endHalfSent());
    onAbort(graceOver, () => {
      for (const socket of this.#sockets) socket.destroy();
    });
    await clock.sleep(ACCEPT_MS, nearlyOver);
    // Node's http `close` would also end idle connections and the check of time-outs, too early.
    await this.#onceQuiet(nearlyOver, () => NetServer.prototype.close.call(server, () => resolve()));
    server.closeIdleConnections();
    const cancel = clock.after(FRESH_MS, () => this.#endFresh());
    await closed;
    cancel();
    // This ends the check of time-outs.
    server.close();
  }

  #add(socket: Socket): void {
    this.#accepted++;
    if (this.#begun) lingering(socket);
    if (this.#sockets.has(socket)) return;
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  /**
   * Each turn of the event loop accepts one connection, so turns without one mean an empty queue.
   * Then `stop` runs in the same turn. Only the end of the grace period ends the wait: the queue is
   * long after a pause of the process.
   */
  #onceQuiet(nearlyOver: AbortSignal, stop: () => void): Promise<void> {
    const { clock } = this.#parts;
    const patient = clock.ticks() + PATIENCE_MS;
    let [quiet, accepted, lookedAt] = [0, this.#accepted, clock.ticks()];
    return new Promise((resolve) => {
      const look = (): void => {
        const now = clock.ticks();
        const isQuick = now - lookedAt < QUICK_TURN_MS || now > patient;
        if (this.#accepted > accepted) quiet = 0;
        else if (isQuick) quiet++;
        if (quiet < QUIET_TURNS && !nearlyOver.aborted) {
          [accepted, lookedAt] = [this.#accepted, now];
          setImmediate(look);
          return;
        }
        stop();
        resolve();
      };
      setImmediate(look);
    });
  }

  #endFresh(): void {
    for (const socket of this.#sockets) if (socket.bytesRead === 0) linger(socket);
  }

  #endHalfSent(): void {
    const { server, connections, refuse } = this.#parts;
    for (const fail of [...this.#reading]) fail(stopping());
    this.#endFresh();
    server.closeIdleConnections();
    // An open connection without a request has sent a part of its headers.
    for (const socket of this.#sockets) if (socket.writable && connections.of(socket).unanswered === 0) refuse(socket);
  }
}

function lingering(socket: Socket): void {
  socket.destroySoon = () => linger(socket);
}

function onAbort(signal: AbortSignal, run: () => void): void {
  if (signal.aborted) run();
  else signal.addEventListener('abort', run, { once: true });
}
