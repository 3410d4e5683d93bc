import { BlockhubError } from '@blockhub/errors';
import type { JWTPayload } from 'jose';
import { type Access, type AccessMethod, bearerOf, denied } from './credential.ts';
import { IssuerKeys } from './issuer-keys.ts';
import type { RuleContext } from './rule.ts';

/** Public-key signatures only: `none` and HMAC would let who reads the issuer's public keys sign. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];
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

/** JWTs of one issuer for one audience, as Bearer. */
export function findJwtAccess(context: RuleContext): AccessMethod | undefined {
  const { jwtIssuer: issuer, jwtAudience: audience, jwtJwks } = context.settings;
  if (issuer === undefined && audience === undefined && jwtJwks === undefined) return undefined;
  if (issuer === undefined) context.mistake('jwtIssuer', 'is missing: JWTs are taken of one issuer only');
  if (audience === undefined) context.mistake('jwtAudience', 'is missing: without it a JWT for another service would do here');
  if (issuer === undefined || audience === undefined) return undefined;
  const keys = new IssuerKeys(issuer, jwtJwks, context.clock);
  return {
    credential: bearerOf,
    check: (credential) => verify(credential, { ...context, issuer, audience, keys }),
  };
}

type Verifying = RuleContext & { readonly issuer: string; readonly audience: string; readonly keys: IssuerKeys };

async function verify(credential: string, { settings, clock, issuer, audience, keys }: Verifying): Promise<Access | BlockhubError> {
  const { jwtVerify } = await import('jose');
  try {
    const { payload } = await jwtVerify(credential, keys.find, {
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
    throw new BlockhubError('ACCESS_UNAVAILABLE', 'The keys of the JWT issuer cannot be used.', { cause: error });
  }
}

function accessOf({ sub = '', ...claims }: JWTPayload, chainsClaim: string | undefined): Access | BlockhubError {
  if (typeof sub !== 'string' || !SUBJECT.test(sub)) return denied('The JWT is not valid: its sub is not 1 to 200 printable characters.');
  const subject = `jwt:${sub}`;
  if (chainsClaim === undefined) return { subject };
  const chains = claims[chainsClaim];
  if (Array.isArray(chains) && chains.every((chain) => typeof chain === 'string')) return { subject, chains };
  return denied(`The JWT is not valid: its claim ${chainsClaim} is no list of chains.`);
}
