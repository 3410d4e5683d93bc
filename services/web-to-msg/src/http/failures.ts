import { type Clock, Pace } from '@blockhub/clock';
import type { BlockhubError, ErrorCode } from '@blockhub/errors';
import type { Logger } from '@blockhub/telemetry';

/** Time between two log lines about the same outage. */
const LOG_AGAIN_MS = 60_000;
/** An outage has ended when a request succeeds and none has failed for this time. */
const QUIET_MS = 10_000;

interface Outage {
  requests: number;
  lastAt: number;
}

/**
 * Logs requests that fail with 5xx. Those of an outage are logged at debug, without a stack; the
 * outage itself when it begins, once a minute, and when it ends. INTERNAL is logged each time.
 */
export class Failures {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #outages = new Map<ErrorCode, Outage>();
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
    const outage = this.#outages.get(code) ?? { requests: 0, lastAt: now };
    this.#outages.set(code, outage);
    outage.requests++;
    outage.lastAt = now;
    const requests = this.#pace.pass(code);
    if (requests > 0) this.#log.warn({ code, err: error, requestId, requests }, 'requests fail');
  }

  succeeded(): void {
    if (this.#outages.size === 0) return;
    const now = this.#clock.ticks();
    for (const [code, { lastAt, requests }] of this.#outages) {
      if (now - lastAt < QUIET_MS) continue;
      this.#outages.delete(code);
      this.#pace.forget(code);
      this.#log.info({ code, requests }, 'requests fail no more');
    }
  }
}
