import { type BackOff, backOff, type Cancel, type Clock } from '@blockhub/clock';
import type { BlockhubError } from '@blockhub/errors';
import type { Health, Logger } from '@blockhub/telemetry';
import { faultText } from '../error-text.ts';
import type { Random } from '../random.ts';

const SECOND = 1000;
const lengths: BackOff = { firstMs: 100, mostMs: 30 * SECOND };
/** After so long without a failure the fault counts as over, even if no message was handled. */
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

/**
 * Pauses a take while broker, store or registry fail: messages wait instead of failing one by one.
 *
 * | mode         | meaning               | next mode, and its cause                   |
 * | ------------ | --------------------- | ------------------------------------------ |
 * | `clear`      | nothing failed lately | `paused`: a message fails                  |
 * | `paused`     | no handler starts     | `recovering`: the time is over, or the end |
 * | `recovering` | handlers start again  | `paused`, for longer: a message fails      |
 * |              |                       | `clear`: a message succeeds, or 30 s pass  |
 */
export class Pause {
  readonly #parts: PauseParts;
  #mode: 'clear' | 'paused' | 'recovering' = 'clear';
  #inRow = 0;
  #until = 0;
  /** The end of the mode. */
  #timer: Cancel | undefined;

  constructor(parts: PauseParts) {
    this.#parts = parts;
  }

  get on(): boolean {
    return this.#mode === 'paused';
  }

  /** Begins a pause, or leaves the one that is on as it is. Returns how long it lasts, in ms. */
  begin(error: BlockhubError): number {
    const { clock, random, log, health, check } = this.#parts;
    if (this.#mode === 'paused') return this.#until - clock.ticks();
    const ms = backOff(++this.#inRow, lengths, random);
    this.#until = clock.ticks() + ms;
    this.#enter('paused');
    this.#timer = clock.after(ms, () => this.#resume());
    health.set(check, false, faultText(error));
    log.warn({ check, code: error.code, error: error.message, fix: error.fix, ms }, 'handling is paused');
    return ms;
  }

  /** A handler succeeded that would have failed if the fault still lasted. */
  succeeded(): void {
    if (this.#mode !== 'recovering') return;
    this.#enter('clear');
    this.#inRow = 0;
    this.#parts.health.set(this.#parts.check, true);
    this.#parts.log.info({ check: this.#parts.check }, 'handling goes on');
  }

  /** Ends the pause when the take drains. Nothing is resumed. */
  end(): void {
    if (this.#mode !== 'clear') this.#enter('recovering');
  }

  #resume(): void {
    this.#enter('recovering');
    this.#timer = this.#parts.clock.after(CALM_MS, () => this.succeeded());
    this.#parts.resume();
  }

  #enter(mode: 'clear' | 'paused' | 'recovering'): void {
    this.#timer?.();
    this.#timer = undefined;
    this.#mode = mode;
  }
}
