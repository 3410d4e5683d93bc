import { type BackOff, backOff, type Cancel, type Clock } from '@blockhub/clock';
import type { BlockhubError } from '@blockhub/errors';
import type { Health, Logger } from '@blockhub/telemetry';
import { faultText } from '../error-text.ts';
import type { Random } from '../random.ts';

const SECOND = 1000;
const lengths: BackOff = { firstMs: 100, mostMs: 30 * SECOND };
/** Without a failure for this long all is well, even where nothing came that could have failed. */
const CALM_MS = 30 * SECOND;

export interface PauseParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly health: Health;
  /** Name of its health check. */
  readonly check: string;
  resume(): void;
}

/** While broker or store fail, messages wait instead of failing one by one. Each pause in a row is longer than the one before. */
export class Pause {
  readonly #parts: PauseParts;
  #inRow = 0;
  #until = 0;
  #timer: Cancel | undefined;
  #calm: Cancel | undefined;

  constructor(parts: PauseParts) {
    this.#parts = parts;
  }

  get on(): boolean {
    return this.#timer !== undefined;
  }

  /** Begins a pause unless one is on, as what started together fails together; gives how long it still lasts. */
  begin(error: BlockhubError): number {
    const { clock, random, log, health, check } = this.#parts;
    if (this.#timer) return this.#until - clock.ticks();
    this.#calm?.();
    const ms = backOff(++this.#inRow, lengths, random);
    this.#until = clock.ticks() + ms;
    this.#timer = clock.after(ms, () => this.#resume());
    health.set(check, false, faultText(error));
    log.warn({ check, code: error.code, error: error.message, fix: error.fix, ms }, 'taking pauses');
    return ms;
  }

  /** Something succeeded that would have failed. */
  succeeded(): void {
    if (this.#inRow === 0 || this.#timer) return;
    this.#inRow = 0;
    this.#calm?.();
    this.#parts.health.set(this.#parts.check, true);
    this.#parts.log.info({ check: this.#parts.check }, 'taking goes on');
  }

  /** Ends it for good, without resuming. */
  end(): void {
    this.#timer?.();
    this.#timer = undefined;
    this.#calm?.();
  }

  #resume(): void {
    this.#timer = undefined;
    this.#calm = this.#parts.clock.after(CALM_MS, () => this.succeeded());
    this.#parts.resume();
  }
}
