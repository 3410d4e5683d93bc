import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Connections } from './connection.ts';

interface AsSent {
  readonly rawHeaders: readonly string[];
  readonly connection: string | undefined;
}

const ignore = (): void => {};
/** A connection option without a meaning, as long as `upgrade`. */
const NO_UPGRADE = 'plain11';
/** Headers in which the parser looks for `upgrade`. */
const OPTIONS = /^(?:proxy-)?connection$/i;

/**
 * Serves requests for another protocol (h2c, WebSocket) as HTTP/1.1, as RFC 9110, 7.8, allows.
 * Node's parser stops after one, and Node drops the rest of the packet: its body and further
 * requests. So the bytes are parsed again, without the word that stops the parser.
 */
export class Upgrades {
  readonly #server: Server;
  readonly #asSent = new WeakMap<Socket, AsSent>();
  #any = false;

  constructor(server: Server, connections: Connections, refuse: (request: IncomingMessage, socket: Socket) => boolean) {
    this.#server = server;
    server.on('upgrade', (request: IncomingMessage, socket: Socket, rest: Buffer) => {
      // Node has removed its own listener.
      if (!socket.listeners('error').includes(ignore)) socket.on('error', ignore);
      // Two parsers on one connection would write at the same time.
      connections.of(socket).afterAnswers(() => {
        if (!socket.destroyed && !refuse(request, socket)) this.#again(request, socket, rest);
      });
    });
  }

  /** Restores the headers of a request that was parsed again. */
  restore(request: IncomingMessage): void {
    if (!this.#any) return;
    const sent = this.#asSent.get(request.socket);
    if (!sent) return;
    this.#asSent.delete(request.socket);
    request.rawHeaders.splice(0, request.rawHeaders.length, ...sent.rawHeaders);
    if (sent.connection !== undefined) request.headers.connection = sent.connection;
  }

  #again(request: IncomingMessage, socket: Socket, rest: Buffer): void {
    const { method, url, httpVersion, rawHeaders, headers } = request;
    // It was parsed again already, and still stops the parser.
    if (this.#asSent.has(socket)) {
      socket.destroy();
      return;
    }
    this.#any = true;
    this.#asSent.set(socket, { rawHeaders: [...rawHeaders], connection: headers.connection });
    let head = `${method} ${url} HTTP/${httpVersion}\r\n`;
    for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
      const [name = '', value = ''] = rawHeaders.slice(at, at + 2);
      head += `${name}: ${OPTIONS.test(name) ? value.replace(/(^|[\s,])upgrade(?=$|[\s,])/gi, `$1${NO_UPGRADE}`) : value}\r\n`;
    }
    socket.removeAllListeners('timeout').setTimeout(0);
    socket.unshift(Buffer.concat([Buffer.from(`${head}\r\n`, 'latin1'), rest]));
    this.#server.emit('connection', socket);
  }
}
