import type { Clock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import { type FetchBounds, fetchJson, UnusableAnswer } from './fetch-json.ts';
import { explainIssuers, IssuerMismatch, type IssuerStatus } from './issuer-status.ts';
import { KeySet } from './key-set.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const FRESH_MS = 10 * MINUTE;
/** Keys of an issuer that is away are good for so long: its senders go on, and a key that it took back does not stay for ever. */
const STALE_MS = 60 * MINUTE;
const FAILURE_PAUSE_MS = SECOND;
/** The time is for discovery and keys together; real sets have a few KB. */
const bounds: FetchBounds = { timeoutMs: 1500, maxBytes: 256 * 1024 };

export interface IssuerOptions {
  readonly issuer: string;
  /** Where the keys are; found by OIDC discovery where it is not given. */
  readonly jwks: string | undefined;
  /** How often keys are read before their time, because no known one verifies a JWT. */
  readonly refreshMs: number;
  readonly clock: Clock;
  readonly status: IssuerStatus;
}

/**
 * The public keys of an issuer (RFC 7517): read at the start, again after ten minutes, and when a JWT comes that none of them verifies.
 * However many JWTs come, the issuer is asked once at a time, once in `refreshMs` for what is not known, and once in a second while it fails.
 */
export class IssuerKeys {
  readonly #options: IssuerOptions;
  #known: { readonly set: KeySet; readonly text: string; readonly at: number } | undefined;
  #reading: Promise<KeySet> | undefined;
  #failure: { readonly error: BlockhubError; readonly until: number } | undefined;
  /** When keys were last read before their time. */
  #refreshedAt = Number.NEGATIVE_INFINITY;

  constructor(options: IssuerOptions) {
    this.#options = options;
  }

  /** The keys as the issuer had them within ten minutes, or an hour while it is away. Throws ACCESS_UNAVAILABLE. */
  async current(): Promise<KeySet> {
    const known = this.#known;
    const age = this.#age();
    if (known && age < FRESH_MS) return known.set;
    const reading = this.#read();
    if (!known || age >= STALE_MS) return reading;
    // While the issuer fails, requests do not wait for it.
    if (this.#failure) {
      reading.catch(() => undefined);
      return known.set;
    }
    return reading.catch((error: unknown) => {
      if (this.#known) return this.#known.set;
      throw error;
    });
  }

  /**
   * The keys as they are now, for a JWT that none of those `tried` verifies. Gives undefined where they were read for such a reason within `refreshMs`:
   * what is made up must not ask the issuer each time. Throws ACCESS_UNAVAILABLE if the keys cannot be read.
   */
  async newer(tried: KeySet): Promise<KeySet | undefined> {
    if (this.#known && this.#known.set !== tried) return this.#known.set;
    const now = this.#options.clock.ticks();
    if (!this.#reading && now - this.#refreshedAt < this.#options.refreshMs) return undefined;
    const set = await this.#read();
    this.#refreshedAt = now;
    return set === tried ? undefined : set;
  }

  #age(): number {
    return this.#known ? this.#options.clock.ticks() - this.#known.at : Number.POSITIVE_INFINITY;
  }

  #read(): Promise<KeySet> {
    if (this.#reading) return this.#reading;
    if (this.#failure && this.#failure.until > this.#options.clock.ticks()) return Promise.reject(this.#failure.error);
    this.#reading = this.#fetch().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #fetch(): Promise<KeySet> {
    const { clock, status } = this.#options;
    // What is read now was true when the reading began.
    const at = clock.ticks();
    try {
      const signal = AbortSignal.timeout(bounds.timeoutMs);
      const url = this.#options.jwks ?? (await this.#discover(signal));
      const answer = await fetchJson(url, signal, bounds);
      const text = JSON.stringify(answer.keys);
      const same = this.#known?.text === text ? this.#known.set : undefined;
      const set = same ?? this.#parse(answer, url);
      this.#known = { set, text, at };
      this.#failure = undefined;
      status.read(set, !same);
      return set;
    } catch (cause) {
      // Senders see this text. The cause, which names URL and reason, is only logged.
      const error = new BlockhubError('ACCESS_UNAVAILABLE', 'The keys of the JWT issuer cannot be read now.', { cause });
      this.#failure = { error, until: clock.ticks() + FAILURE_PAUSE_MS };
      status.failed(cause as Error);
      throw error;
    }
  }

  #parse(answer: Readonly<Record<string, unknown>>, url: string): KeySet {
    try {
      return KeySet.parse(answer, url);
    } catch (error) {
      // A set in which nothing is left takes all keys back.
      if (Array.isArray(answer.keys)) this.#known = undefined;
      throw error;
    }
  }

  /** OpenID Connect Discovery 1.0, section 4. */
  async #discover(signal: AbortSignal): Promise<string> {
    const { issuer } = this.#options;
    const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const { issuer: named, jwks_uri: jwks } = await fetchJson(url, signal, bounds);
    if (named !== issuer) throw new IssuerMismatch(`${url} belongs to another issuer: ${explainIssuers(issuer, named)}`);
    if (typeof jwks !== 'string' || !URL.canParse(jwks)) throw new UnusableAnswer(`${url} names no jwks_uri`);
    const { protocol } = new URL(jwks);
    // Keys that come in the open can be those of anybody on the way.
    if (protocol !== 'https:' && !(protocol === 'http:' && issuer.startsWith('http:')))
      throw new UnusableAnswer(`${url} names a jwks_uri with ${protocol}, expected https:`);
    return jwks;
  }
}
