import { BlockhubError, quote } from '@blockhub/errors';
import type { JWK, JWTPayload } from 'jose';
import { type Access, type AccessMethod, bearerOf, denied } from './credential.ts';
import { IssuerKeys } from './issuer-keys.ts';
import { IssuerStatus } from './issuer-status.ts';
import { algorithms, type KeyHint, type KeySet } from './key-set.ts';
import type { RuleContext } from './rule.ts';

/** Limits the time of a check. Node accepts no longer header. */
const MAX_LENGTH = 16 * 1024;
const SUBJECT = /^[\x21-\x7e]{1,200}$/;
/** Codes of jose for faults of the JWT. All other codes are faults of the key. */
const ABOUT_THE_JWT = new Set([
  'ERR_JWT_CLAIM_VALIDATION_FAILED',
  'ERR_JWT_EXPIRED',
  'ERR_JWT_INVALID',
  'ERR_JWS_INVALID',
  'ERR_JOSE_ALG_NOT_ALLOWED',
  'ERR_JOSE_NOT_SUPPORTED',
]);
const WRONG_SIGNATURE = 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED';

/** JWTs of one issuer for one audience, as Bearer. */
export function findJwtAccess(context: RuleContext): AccessMethod | undefined {
  const { settings, clock, log, health } = context;
  const { jwtIssuer: issuer, jwtAudience: audience, jwtJwks: jwks, jwtKeyRefresh: refreshMs } = settings;
  if (issuer === undefined && audience === undefined && jwks === undefined && settings.jwtChainsClaim === undefined) return undefined;
  if (issuer === undefined) context.mistake('jwtIssuer', 'is missing; JWTs are accepted from one issuer only');
  if (audience === undefined) context.mistake('jwtAudience', 'is missing; without it a JWT for another service would be accepted here');
  if (issuer === undefined || audience === undefined) return undefined;
  const status = new IssuerStatus({ issuer, clock, log, health });
  const keys = new IssuerKeys({ issuer, jwks, refreshMs, clock, status });
  return {
    credential: bearerOf,
    check: (credential) => verify(credential, { ...context, issuer, audience, keys, status }),
    // A wrong issuer shall be reported at the start. `status` reports faults.
    start: () => void keys.current().catch(() => undefined),
  };
}

interface Verifying extends RuleContext {
  readonly issuer: string;
  readonly audience: string;
  readonly keys: IssuerKeys;
  readonly status: IssuerStatus;
}

/** A JWT that is malformed, or of another issuer, causes no fetch of keys. */
async function verify(credential: string, verifying: Verifying): Promise<Access | BlockhubError> {
  const { issuer, keys, status } = verifying;
  const hint = await readHint(credential, issuer, status);
  if (hint instanceof BlockhubError) return hint;
  const known = await keys.current();
  const first = await tryKeys(known, hint, credential, verifying);
  if (first.verdict) return first.verdict;
  const newer = await keys.newer(known);
  const last = newer ? await tryKeys(newer, hint, credential, verifying) : first;
  if (last.verdict) return last.verdict;
  const named = hint.kid === undefined ? 'It names no key' : `It names the key ${quote(hint.kid)}`;
  // The JWT may be valid: the issuer has the key that it names.
  if (last.broken) throw new BlockhubError('ACCESS_UNAVAILABLE', `The JWT cannot be checked. ${named}, which is broken at the issuer.`);
  return denied(
    `The JWT is not valid: no key of the issuer verifies its signature. ${named}; ${last.tried} keys of ${hint.alg} were tried.`,
  );
}

/** Reads `alg` and `kid` from the JWT, which is not verified yet. */
async function readHint(credential: string, issuer: string, status: IssuerStatus): Promise<KeyHint | BlockhubError> {
  if (credential.length > MAX_LENGTH) return denied(`The JWT is not valid: it has more than ${MAX_LENGTH} characters.`);
  const { decodeJwt, decodeProtectedHeader } = await import('jose');
  try {
    const { alg, kid, crit } = decodeProtectedHeader(credential);
    if (alg === undefined || !algorithms.includes(alg))
      return denied(`The JWT is not valid: its alg is ${quote(alg)}, which is not accepted.`);
    if (crit !== undefined) return denied('The JWT is not valid: it has critical extensions (crit), which are not supported.');
    if (kid !== undefined && typeof kid !== 'string') return denied('The JWT is not valid: its kid is not a string.');
    const { iss } = decodeJwt(credential);
    if (iss === issuer) return { alg, kid };
    status.foreign(iss);
    return denied(`The JWT is not valid: its issuer (iss) is ${quote(iss)}, which is not accepted here.`);
  } catch (error) {
    return denied(`The JWT is not valid: ${(error as Error).message}.`);
  }
}

interface Tried {
  /** Undefined if no key verifies the JWT. */
  readonly verdict?: Access | BlockhubError;
  readonly tried: number;
  /** The JWT names a key that cannot be used. */
  readonly broken: boolean;
}

async function tryKeys(set: KeySet, hint: KeyHint, credential: string, verifying: Verifying): Promise<Tried> {
  const candidates = set.candidates(hint);
  let broken = false;
  for (const key of candidates) {
    const verdict = await tryKey(set, key, hint, credential, verifying);
    if (verdict === 'broken') broken ||= hint.kid !== undefined && key.kid === hint.kid;
    else if (verdict) return { verdict, tried: candidates.length, broken };
  }
  return { tried: candidates.length, broken };
}

async function tryKey(
  set: KeySet,
  key: JWK,
  { alg }: KeyHint,
  credential: string,
  { settings, clock, issuer, audience }: Verifying,
): Promise<Access | BlockhubError | 'broken' | undefined> {
  const { jwtVerify } = await import('jose');
  const imported = await set.import(key, alg);
  if (!imported) return 'broken';
  try {
    const { payload } = await jwtVerify(credential, imported, {
      issuer,
      audience,
      algorithms: [alg],
      clockTolerance: settings.jwtClockSkew / 1000,
      currentDate: new Date(clock.now()),
      requiredClaims: ['exp', 'sub'],
    });
    return accessOf(payload, settings.jwtChainsClaim);
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    if (code === WRONG_SIGNATURE) return undefined;
    if (code !== undefined && ABOUT_THE_JWT.has(code)) return denied(`The JWT is not valid: ${message}.`);
    // For example an RSA key that is too short.
    return 'broken';
  }
}

function accessOf({ sub = '', ...claims }: JWTPayload, chainsClaim: string | undefined): Access | BlockhubError {
  if (typeof sub !== 'string' || !SUBJECT.test(sub))
    return denied('The JWT is not valid: its sub must have 1 to 200 printable characters.');
  const subject = `jwt:${sub}`;
  if (chainsClaim === undefined) return { subject };
  const chains = claims[chainsClaim];
  if (Array.isArray(chains) && chains.every((chain) => typeof chain === 'string')) return { subject, chains };
  return denied(`The JWT is not valid: its claim ${chainsClaim} is not a list of chains.`);
}
