import { BlockhubError } from '@blockhub/errors';
import type { JWTPayload, JWTVerifyGetKey } from 'jose';
import { type Access, type AccessMethod, bearerOf, denied } from './credential.ts';
import type { RuleContext } from './rule.ts';

/** Public-key signatures only: `none` and HMAC would let who reads the issuer's public keys sign. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];
const FETCH_TIMEOUT_MS = 1500;
const SUBJECT = /^[\x21-\x7e]{1,200}$/;
/** Codes of jose that say something about the JWT; all others are about the way to the issuer. */
const ABOUT_THE_JWT = new Set([
  'ERR_JWT_CLAIM_VALIDATION_FAILED',
  'ERR_JWT_EXPIRED',
  'ERR_JWT_INVALID',
  'ERR_JWS_INVALID',
  'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
  'ERR_JOSE_ALG_NOT_ALLOWED',
  'ERR_JOSE_NOT_SUPPORTED',
  'ERR_JWKS_NO_MATCHING_KEY',
  'ERR_JWKS_MULTIPLE_MATCHING_KEYS',
]);

/** JWTs of one issuer for one audience, as Bearer. Its keys are read when the first JWT comes, and kept for ten minutes. */
export function findJwtAccess(context: RuleContext): AccessMethod | undefined {
  const { jwtIssuer: issuer, jwtAudience: audience, jwtJwks } = context.settings;
  if (issuer === undefined && audience === undefined && jwtJwks === undefined) return undefined;
  if (issuer === undefined) context.mistake('jwtIssuer', 'is missing: JWTs are taken of one issuer only');
  if (audience === undefined) context.mistake('jwtAudience', 'is missing: without it a JWT for another service would do here');
  if (issuer === undefined || audience === undefined) return undefined;
  const keys = new IssuerKeys(issuer, jwtJwks);
  return {
    credential: bearerOf,
    check: (credential) => verify(credential, { ...context, issuer, audience, keys }),
  };
}

type Verifying = RuleContext & { readonly issuer: string; readonly audience: string; readonly keys: IssuerKeys };

async function verify(credential: string, { settings, clock, issuer, audience, keys }: Verifying): Promise<Access | BlockhubError> {
  const { jwtVerify } = await import('jose');
  try {
    const { payload } = await jwtVerify(credential, await keys.get(), {
      issuer,
      audience,
      algorithms: ALGORITHMS,
      clockTolerance: settings.jwtClockSkew / 1000,
      currentDate: new Date(clock.now()),
      requiredClaims: ['exp', 'sub'],
    });
    return accessOf(payload, settings.jwtChainsClaim);
  } catch (error) {
    if (error instanceof BlockhubError) throw error;
    const { code, message } = error as Error & { code?: string };
    if (code !== undefined && ABOUT_THE_JWT.has(code)) return denied(`The JWT is not valid: ${message}.`);
    throw unavailable(error);
  }
}

function accessOf({ sub = '', ...claims }: JWTPayload, chainsClaim: string | undefined): Access | BlockhubError {
  if (!SUBJECT.test(sub)) return denied('The JWT is not valid: its sub is not 1 to 200 printable characters.');
  const subject = `jwt:${sub}`;
  if (chainsClaim === undefined) return { subject };
  const chains = claims[chainsClaim];
  if (Array.isArray(chains) && chains.every((chain) => typeof chain === 'string')) return { subject, chains };
  return denied(`The JWT is not valid: its claim ${chainsClaim} is no list of chains.`);
}

const unavailable = (cause: unknown): BlockhubError =>
  new BlockhubError('ACCESS_UNAVAILABLE', 'The keys of the JWT issuer cannot be read now.', { cause });

/** Where the keys of an issuer are, found once; jose fetches and keeps the keys themselves. */
class IssuerKeys {
  readonly #issuer: string;
  readonly #jwks: string | undefined;
  #keys: Promise<JWTVerifyGetKey> | undefined;

  constructor(issuer: string, jwks: string | undefined) {
    this.#issuer = issuer;
    this.#jwks = jwks;
  }

  /** Throws ACCESS_UNAVAILABLE; the next request tries again. */
  get(): Promise<JWTVerifyGetKey> {
    this.#keys ??= this.#open().catch((error: unknown) => {
      this.#keys = undefined;
      throw unavailable(error);
    });
    return this.#keys;
  }

  async #open(): Promise<JWTVerifyGetKey> {
    const { createRemoteJWKSet } = await import('jose');
    return createRemoteJWKSet(new URL(this.#jwks ?? (await this.#discover())), { timeoutDuration: FETCH_TIMEOUT_MS });
  }

  /** OpenID Connect Discovery 1.0, section 4. */
  async #discover(): Promise<string> {
    const url = `${this.#issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const answer = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
    if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
    const { issuer, jwks_uri: jwks } = (await answer.json()) as { issuer?: unknown; jwks_uri?: unknown };
    if (issuer !== this.#issuer) throw new Error(`${url} is about another issuer`);
    if (typeof jwks !== 'string') throw new Error(`${url} names no jwks_uri`);
    return jwks;
  }
}
