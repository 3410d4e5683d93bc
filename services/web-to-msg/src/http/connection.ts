import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Memory that a request needs until its answer is sent, or cannot be sent any more. */
interface Freeable {
  free(): void;
}

/**
 * Requests of one connection whose answers are not sent yet. If the connection ends, Node emits
 * `close` for the first answer only. So the others are ended here.
 */
export class Connection {
  readonly #socket: Socket;
  readonly #unanswered = new Map<ServerResponse, Freeable | undefined>();
  #afterAnswers: (() => void) | undefined;
  #newest: ServerResponse | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.once('close', () => {
      this.#afterAnswers = undefined;
      for (const answer of this.#unanswered.keys()) this.#end(answer);
    });
  }

  get unanswered(): number {
    return this.#unanswered.size;
  }

  /** True if no later request has arrived on this connection. */
  isLast(answer: ServerResponse): boolean {
    return this.#newest === answer;
  }

  /** True if the request that is still arriving was answered already. */
  get answeredEarly(): boolean {
    return this.#unanswered.keys().some(({ req, headersSent }) => headersSent && !req.complete);
  }

  add(answer: ServerResponse): void {
    this.#newest = answer;
    if (this.#socket.destroyed) return;
    this.#unanswered.set(answer, undefined);
    answer.once('close', () => this.#end(answer));
  }

  /** Frees the memory when the answer ends, or now if it has ended already. */
  freeAfter(answer: ServerResponse, memory: Freeable): void {
    if (this.#unanswered.has(answer)) this.#unanswered.set(answer, memory);
    else memory.free();
  }

  /** Calls `run` when all complete requests are answered, but not if the connection ends before. */
  afterAnswers(run: () => void): void {
    this.#afterAnswers = run;
    this.#runAfterAnswers();
  }

  #end(answer: ServerResponse): void {
    if (!this.#unanswered.has(answer)) return;
    const memory = this.#unanswered.get(answer);
    this.#unanswered.delete(answer);
    memory?.free();
    if (this.#afterAnswers) this.#runAfterAnswers();
  }

  #runAfterAnswers(): void {
    for (const { req } of this.#unanswered.keys()) if (req.complete) return;
    const run = this.#afterAnswers;
    this.#afterAnswers = undefined;
    run?.();
  }
}

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
