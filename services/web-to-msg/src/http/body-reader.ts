import type { BlockhubError } from '@blockhub/errors';
import { type ByteBudget, readBody } from '../body.ts';
import type { Draining } from './draining.ts';
import type { Exchange } from './exchange.ts';

const EMPTY = Buffer.alloc(0);

/** A body counts against the budget while its request is open, and while work goes on that needs it: also behind an answer that would not wait. */
export class HeldBody {
  readonly bytes: Buffer;
  readonly #giveBack: () => void;
  #users = 1;

  constructor(bytes: Buffer, giveBack: () => void) {
    this.bytes = bytes;
    this.#giveBack = giveBack;
  }

  /** Keeps it until the work ends, well or badly. */
  during(work: Promise<unknown>): void {
    this.#users++;
    const end = (): void => this.leave();
    work.then(end, end);
  }

  leave(): void {
    if (--this.#users === 0) this.#giveBack();
  }
}

const none = new HeldBody(EMPTY, () => {});

/** Reads the bodies of all requests within one budget. */
export class BodyReader {
  readonly #limit: number;
  readonly #budget: ByteBudget;
  readonly #draining: Draining;

  constructor(limit: number, budget: ByteBudget, draining: Draining) {
    this.#limit = limit;
    this.#budget = budget;
    this.#draining = draining;
  }

  /** The body, held until its answer has gone. The sender is told to go on only here, where nothing refuses its head. @throws as `readBody` */
  read(exchange: Exchange): HeldBody | Promise<HeldBody> {
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
        const held = new HeldBody(bytes, () => this.#budget.give(taken));
        exchange.connection.hold(exchange.response, held);
        resolve(held);
      });
    });
  }

  #read(exchange: Exchange, declared: number | undefined, done: (error: BlockhubError | null, bytes: Buffer, taken: number) => void): void {
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
