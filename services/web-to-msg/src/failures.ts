import { type Clock, Pace } from '@blockhub/clock';
import type { BlockhubError, ErrorCode } from '@blockhub/errors';
import type { Logger } from '@blockhub/telemetry';

/** A failure that lasts is logged again after so long. */
const LOG_AGAIN_MS = 60_000;
/** Without failures for so long while requests are taken, it is over. */
const WELL_MS = 10_000;

interface Trouble {
  /** Requests that failed. */
  requests: number;
  lastAt: number;
}

/**
 * Tells in the log of requests that fail with 5xx. An outage fails as many as are sent, so each is a line at debug only, without a stack; the
 * trouble itself is told when it begins, once a minute while it lasts, and at its end. Defects of ours are told each time.
 */
export class Failures {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #troubles = new Map<ErrorCode, Trouble>();
  readonly #pace: Pace;

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
    this.#pace = new Pace(clock, LOG_AGAIN_MS);
  }

  failed(error: BlockhubError, requestId: string): void {
    const { code, message } = error;
    if (code === 'INTERNAL') {
      this.#log.error({ code, err: error, requestId }, 'request failed');
      return;
    }
    this.#log.debug({ code, reason: message, requestId }, 'request failed');
    const now = this.#clock.ticks();
    const trouble = this.#troubles.get(code) ?? { requests: 0, lastAt: now };
    this.#troubles.set(code, trouble);
    trouble.requests++;
    trouble.lastAt = now;
    const requests = this.#pace.pass(code);
    if (requests > 0) this.#log.warn({ code, err: error, requestId, requests }, 'requests fail');
  }

  /** A request was taken. */
  taken(): void {
    if (this.#troubles.size === 0) return;
    const now = this.#clock.ticks();
    for (const [code, { lastAt, requests }] of this.#troubles) {
      if (now - lastAt < WELL_MS) continue;
      this.#troubles.delete(code);
      this.#pace.forget(code);
      this.#log.info({ code, requests }, 'requests fail no more');
    }
  }
}
