import type { Clock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import type { FlattenedJWSInput, JSONWebKeySet, JWSHeaderParameters, JWTVerifyGetKey } from 'jose';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const FRESH_MS = 10 * MINUTE;
/** Keys of an issuer that is away are good for so long: its senders go on, and a key that it took back does not stay for ever. */
const STALE_MS = 60 * MINUTE;
/** Ids that somebody makes up lead to one question in this time; a key that is new must wait for it as well. */
const UNKNOWN_PAUSE_MS = 30 * SECOND;
const FAILURE_PAUSE_MS = SECOND;
/** For discovery and keys together. */
const FETCH_TIMEOUT_MS = 1500;
/** Real sets have a few KB. */
const MAX_BYTES = 256 * 1024;

type FindKey = (header: JWSHeaderParameters, token: FlattenedJWSInput) => ReturnType<JWTVerifyGetKey>;

/**
 * The public keys of an issuer (RFC 7517): read when the first JWT comes, again after ten minutes, and when a JWT names one that is not there.
 * However many JWTs come, the issuer is asked once at a time, once in half a minute for ids that are not known, once in a second while it fails.
 */
export class IssuerKeys {
  readonly #issuer: string;
  readonly #jwks: string | undefined;
  readonly #clock: Clock;
  #known: { readonly find: FindKey; readonly at: number } | undefined;
  #reading: Promise<FindKey> | undefined;
  #failure: { readonly error: BlockhubError; readonly until: number } | undefined;

  /** @param jwks where the keys are; found by OIDC discovery where it is not given */
  constructor(issuer: string, jwks: string | undefined, clock: Clock) {
    this.#issuer = issuer;
    this.#jwks = jwks;
    this.#clock = clock;
  }

  /** The key that signed a JWT, as it says. Throws ACCESS_UNAVAILABLE where nobody can tell, and what jose throws where there is no such key. */
  readonly find: FindKey = async (header, token) => {
    const find = await this.#fresh();
    try {
      return await find(header, token);
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ERR_JWKS_NO_MATCHING_KEY' || this.#age() < UNKNOWN_PAUSE_MS) throw error;
    }
    return (await this.#read())(header, token);
  };

  #age(): number {
    return this.#known ? this.#clock.ticks() - this.#known.at : Number.POSITIVE_INFINITY;
  }

  async #fresh(): Promise<FindKey> {
    if (this.#known && this.#age() < FRESH_MS) return this.#known.find;
    try {
      return await this.#read();
    } catch (error) {
      if (this.#known && this.#age() < STALE_MS) return this.#known.find;
      throw error;
    }
  }

  #read(): Promise<FindKey> {
    if (this.#failure && this.#failure.until > this.#clock.ticks()) return Promise.reject(this.#failure.error);
    this.#reading ??= this.#fetch().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #fetch(): Promise<FindKey> {
    // What is read now was true when the reading began.
    const at = this.#clock.ticks();
    try {
      const { createLocalJWKSet } = await import('jose');
      const signal = AbortSignal.timeout(FETCH_TIMEOUT_MS);
      const find = createLocalJWKSet((await fetchJson(this.#jwks ?? (await this.#discover(signal)), signal)) as unknown as JSONWebKeySet);
      this.#known = { find, at };
      this.#failure = undefined;
      return find;
    } catch (cause) {
      const error = new BlockhubError('ACCESS_UNAVAILABLE', 'The keys of the JWT issuer cannot be read now.', { cause });
      this.#failure = { error, until: this.#clock.ticks() + FAILURE_PAUSE_MS };
      throw error;
    }
  }

  /** OpenID Connect Discovery 1.0, section 4. */
  async #discover(signal: AbortSignal): Promise<string> {
    const url = `${this.#issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const { issuer, jwks_uri: jwks } = await fetchJson(url, signal);
    if (issuer !== this.#issuer) throw new Error(`${url} is about another issuer`);
    if (typeof jwks !== 'string') throw new Error(`${url} names no jwks_uri`);
    return jwks;
  }
}

/** A JSON object of bounded size. */
async function fetchJson(url: string, signal: AbortSignal): Promise<Record<string, unknown>> {
  const answer = await fetch(url, { redirect: 'error', signal, headers: { accept: 'application/json' } });
  const parts: Uint8Array[] = [];
  let length = 0;
  // Leaving the loop ends the transfer.
  for await (const part of answer.body ?? []) {
    if (!answer.ok) break;
    length += part.length;
    if (length > MAX_BYTES) throw new Error(`${url} answered with more than ${MAX_BYTES} bytes`);
    parts.push(part);
  }
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
  const value: unknown = JSON.parse(Buffer.concat(parts).toString());
  if (typeof value !== 'object' || value === null) throw new Error(`${url} answered with no JSON object`);
  return value as Record<string, unknown>;
}
