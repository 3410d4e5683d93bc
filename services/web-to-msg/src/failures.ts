import type { Clock } from '@blockhub/clock';
import type { BlockhubError, ErrorCode } from '@blockhub/errors';
import type { Logger } from '@blockhub/telemetry';

/** A trouble that goes on is told again after so long. */
const TELL_AGAIN_MS = 60_000;
/** Without failures for so long while requests are taken, it is over. */
const WELL_MS = 10_000;

interface Trouble {
  /** Requests that failed since it was told last, and in all. */
  untold: number;
  requests: number;
  toldAt: number;
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

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  failed(error: BlockhubError, requestId: string): void {
    const { code, message } = error;
    if (code === 'INTERNAL') {
      this.#log.error({ code, err: error, requestId }, 'request failed');
      return;
    }
    this.#log.debug({ code, reason: message, requestId }, 'request failed');
    const now = this.#clock.ticks();
    const trouble = this.#troubles.get(code) ?? { untold: 0, requests: 0, toldAt: Number.NEGATIVE_INFINITY, lastAt: now };
    this.#troubles.set(code, trouble);
    trouble.untold++;
    trouble.requests++;
    trouble.lastAt = now;
    if (now - trouble.toldAt < TELL_AGAIN_MS) return;
    this.#log.warn({ code, err: error, requestId, requests: trouble.untold }, 'requests fail');
    trouble.untold = 0;
    trouble.toldAt = now;
  }

  /** A request was taken. */
  taken(): void {
    if (this.#troubles.size === 0) return;
    const now = this.#clock.ticks();
    for (const [code, { lastAt, requests }] of this.#troubles) {
      if (now - lastAt < WELL_MS) continue;
      this.#troubles.delete(code);
      this.#log.info({ code, requests }, 'requests fail no more');
    }
  }
}
