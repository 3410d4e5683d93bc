import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Something that a request keeps until its answer has gone, or never will. */
interface Held {
  leave(): void;
}

/**
 * The requests of one connection whose answers have not gone yet. Node tells when an answer ends, but where the connection ends it forgets
 * the answers in line behind the first.
 */
export class Connection {
  readonly #socket: Socket;
  readonly #waiting = new Map<ServerResponse, Held | undefined>();
  #last: (() => void) | undefined;
  #newest: ServerResponse | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.once('close', () => {
      this.#last = undefined;
      for (const answer of this.#waiting.keys()) this.#leave(answer);
    });
  }

  /** Answers that have not gone. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Whether no other answer is in line behind this one. */
  isLast(answer: ServerResponse): boolean {
    return this.#newest === answer;
  }

  /** Whether the request that is still arriving has its answer. */
  get answeredEarly(): boolean {
    return this.#waiting.keys().some(({ req, headersSent }) => headersSent && !req.complete);
  }

  join(answer: ServerResponse): void {
    this.#newest = answer;
    if (this.#socket.destroyed) return;
    this.#waiting.set(answer, undefined);
    answer.once('close', () => this.#leave(answer));
  }

  /** `held` is left once, with the answer; at once where nobody waits for it any more. */
  hold(answer: ServerResponse, held: Held): void {
    if (this.#waiting.has(answer)) this.#waiting.set(answer, held);
    else held.leave();
  }

  /** Runs `last` when the answers to all requests that arrived whole have gone: now, later, or never where the connection ends before. */
  afterAnswers(last: () => void): void {
    this.#last = last;
    this.#runLast();
  }

  #leave(answer: ServerResponse): void {
    if (!this.#waiting.has(answer)) return;
    const held = this.#waiting.get(answer);
    this.#waiting.delete(answer);
    held?.leave();
    if (this.#last) this.#runLast();
  }

  #runLast(): void {
    for (const { req } of this.#waiting.keys()) if (req.complete) return;
    const last = this.#last;
    this.#last = undefined;
    last?.();
  }
}

/** One value per connection, for as long as it lasts. */
export class Connections {
  readonly #all = new WeakMap<Socket, Connection>();

  of(socket: Socket): Connection {
    let found = this.#all.get(socket);
    if (!found) {
      found = new Connection(socket);
      this.#all.set(socket, found);
    }
    return found;
  }
}
