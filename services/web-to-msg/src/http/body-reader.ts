import { type BodyRead, type ByteBudget, readBody } from './body.ts';
import type { Draining } from './draining.ts';
import type { Exchange } from './exchange.ts';

/** A body in memory. It counts against the budget until no request and no work needs it. */
export class BufferedBody {
  readonly bytes: Buffer;
  readonly #giveBack: () => void;
  #users = 1;

  constructor(bytes: Buffer, giveBack: () => void) {
    this.bytes = bytes;
    this.#giveBack = giveBack;
  }

  keepFor(work: Promise<unknown>): void {
    this.#users++;
    const end = (): void => this.free();
    work.then(end, end);
  }

  free(): void {
    if (--this.#users === 0) this.#giveBack();
  }
}

const none = new BufferedBody(Buffer.alloc(0), () => {});

export class BodyReader {
  readonly #limit: number;
  readonly #budget: ByteBudget;
  readonly #draining: Draining;

  constructor(limit: number, budget: ByteBudget, draining: Draining) {
    this.#limit = limit;
    this.#budget = budget;
    this.#draining = draining;
  }

  /** Keeps the body until the answer. Sends 100 Continue if it is awaited. @throws as `readBody` */
  read(exchange: Exchange): BufferedBody | Promise<BufferedBody> {
    const { headers } = exchange.request;
    const declared = headers['content-length'];
    if (headers['transfer-encoding'] === undefined && (declared === undefined || Number(declared) === 0)) return none;
    return new Promise((resolve, reject) => {
      this.#read(exchange, declared === undefined ? undefined : Number(declared), (error, bytes, taken) => {
        if (error) {
          this.#budget.give(taken);
          reject(error);
          return;
        }
        const body = new BufferedBody(bytes, () => this.#budget.give(taken));
        exchange.connection.freeAfter(exchange.response, body);
        resolve(body);
      });
    });
  }

  #read(exchange: Exchange, declared: number | undefined, done: BodyRead): void {
    const { request, response } = exchange;
    let ended = (): void => {};
    const fail = readBody(request, declared, this.#limit, this.#budget, (error, bytes, taken) => {
      ended();
      done(error, bytes, taken);
    });
    if (!fail) return;
    ended = this.#draining.reading(fail);
    if (!exchange.awaitsContinue) return;
    exchange.awaitsContinue = false;
    response.writeContinue();
  }
}
