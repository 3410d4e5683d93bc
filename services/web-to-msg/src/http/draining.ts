import type { Server } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';
import type { Clock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import type { Connections } from './connection.ts';
import { linger } from './linger.ts';

/** How long a stopping process takes new connections, because load balancers notice the stop later. */
const ACCEPT_MS = 100;
/** Turns of the event loop without a new connection, after which the accept queue is taken to be empty. */
const QUIET_TURNS = 3;
/** Of a turn that counts: in a longer one connections come behind the look at the queue. */
const QUICK_TURN_MS = 1;
/** How long quick turns are waited for; on a busy machine there may be none. */
const PATIENCE_MS = 500;
/** How long a connection without any byte may still send its first request. */
const FRESH_MS = 500;

export const stopping = (): BlockhubError =>
  new BlockhubError('CAPTURE_STOPPING', 'This instance is stopping, and the request had not arrived completely.');

export interface DrainingParts {
  readonly server: Server;
  readonly clock: Clock;
  readonly connections: Connections;
  /** Answers by hand a connection on which half of the headers came. */
  refuse(socket: Socket): void;
}

/**
 * The end of a server, so that no sender is reset:
 * 1. New connections are taken for a moment, and until none stands in the accept queue of the kernel any more. The last answer of each connection says `connection: close`.
 * 2. Listening ends, and so do idle connections.
 * 3. Shortly before the grace is over, requests that are half sent get 503.
 * 4. When it is over, what is left is cut off.
 */
export class Draining {
  readonly #parts: DrainingParts;
  readonly #sockets = new Set<Socket>();
  /** Each fails the read of one body that is under way. */
  readonly #reading = new Set<(error: BlockhubError) => void>();
  #accepted = 0;
  #begun = false;

  constructor(parts: DrainingParts) {
    this.#parts = parts;
    parts.server.on('connection', (socket: Socket) => this.#add(socket));
  }

  /** Gives what ends the registration. */
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
    // Node's http would first end idle connections, and its time-outs as well.
    await this.#onceQuiet(nearlyOver, () => NetServer.prototype.close.call(server, () => resolve()));
    server.closeIdleConnections();
    const cancel = clock.after(FRESH_MS, () => this.#endFresh());
    await closed;
    cancel();
    // It ends the check of time-outs.
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
   * Each turn of the event loop takes one connection of the queue: one without any says that it is empty, and `stop` runs at once, before anything else could
   * take its time. No clock ends it before the grace does: a process that stood still has a long queue.
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
    // What is still open and has no request is in the middle of its headers.
    for (const socket of this.#sockets) if (socket.writable && connections.of(socket).unanswered === 0) refuse(socket);
  }
}

/** However the connection ends, the sender can read the answer first. */
function lingering(socket: Socket): void {
  socket.destroySoon = () => linger(socket);
}

function onAbort(signal: AbortSignal, run: () => void): void {
  if (signal.aborted) run();
  else signal.addEventListener('abort', run, { once: true });
}
