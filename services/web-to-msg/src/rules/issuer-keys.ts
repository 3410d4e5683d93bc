import type { Clock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import { type FetchBounds, fetchJson, UnusableAnswer } from './fetch-json.ts';
import { explainIssuers, IssuerMismatch, type IssuerStatus } from './issuer-status.ts';
import { KeySet } from './key-set.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const FRESH_MS = 10 * MINUTE;
/** How long keys are used if the issuer does not answer. Then a removed key ends too. */
const STALE_MS = 60 * MINUTE;
const FAILURE_PAUSE_MS = SECOND;
/** The time is for discovery and keys together. Real sets have a few KB. */
const bounds: FetchBounds = { timeoutMs: 1500, maxBytes: 256 * 1024 };

export interface IssuerOptions {
  readonly issuer: string;
  /** URL of the keys. If it is undefined, OIDC discovery finds it. */
  readonly jwks: string | undefined;
  /** Shortest time between two early reads, which are made because no known key verifies a JWT. */
  readonly refreshMs: number;
  readonly clock: Clock;
  readonly status: IssuerStatus;
}

/**
 * The public keys of an issuer (RFC 7517), read at the start, after ten minutes, and early if none
 * verifies a JWT. The issuer gets one request at a time, one early one in `refreshMs`, and one in a
 * second while it fails.
 */
export class IssuerKeys {
  readonly #options: IssuerOptions;
  #known: { readonly set: KeySet; readonly text: string; readonly at: number } | undefined;
  #reading: Promise<KeySet> | undefined;
  #failure: { readonly error: BlockhubError; readonly until: number } | undefined;
  /** Time of the last early read. */
  #refreshedAt = Number.NEGATIVE_INFINITY;

  constructor(options: IssuerOptions) {
    this.#options = options;
  }

  /**
   * The keys as the issuer had them within ten minutes, or an hour if it does not answer.
   * @throws ACCESS_UNAVAILABLE
   */
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
   * Newer keys for a JWT that none of `tried` verifies. Undefined within `refreshMs` after the last
   * early read: invented JWTs must not cause a request each. @throws ACCESS_UNAVAILABLE
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
    // The keys are as old as the begin of the read.
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
      // Senders see this text. The cause has the URL and the reason, and is only logged.
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
      // An empty set means that the issuer has removed all keys.
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
    if (typeof jwks !== 'string' || !URL.canParse(jwks)) throw new UnusableAnswer(`${url} has no jwks_uri`);
    const { protocol } = new URL(jwks);
    // Keys that are fetched without TLS may come from an attacker between.
    if (protocol !== 'https:' && !(protocol === 'http:' && issuer.startsWith('http:')))
      throw new UnusableAnswer(`${url} has a jwks_uri with ${protocol}, expected https:`);
    return jwks;
  }
}
