import { quote } from '@blockhub/errors';
import type { CryptoKey, JWK } from 'jose';
import { UnusableAnswer } from './fetch-json.ts';

/** Real sets have fewer than ten keys. */
const MAX_KEYS = 100;
/** Maximum number of keys that are tried for one JWT. Each costs a check of a signature. */
const MAX_TRIES = 16;

/** What the header of a JWT says about its key. */
export interface KeyHint {
  readonly alg: string;
  readonly kid: string | undefined;
}

/** What a key must be, by `alg`. RFC 7518 (3.1), RFC 8037. */
const forms: Readonly<Record<string, { readonly kty: string; readonly crv?: string }>> = {
  RS256: { kty: 'RSA' },
  RS384: { kty: 'RSA' },
  RS512: { kty: 'RSA' },
  PS256: { kty: 'RSA' },
  PS384: { kty: 'RSA' },
  PS512: { kty: 'RSA' },
  ES256: { kty: 'EC', crv: 'P-256' },
  ES384: { kty: 'EC', crv: 'P-384' },
  ES512: { kty: 'EC', crv: 'P-521' },
  EdDSA: { kty: 'OKP', crv: 'Ed25519' },
  Ed25519: { kty: 'OKP', crv: 'Ed25519' },
};

/** Public-key signatures only. With `none` or HMAC a reader of the public keys could sign. */
export const algorithms: readonly string[] = Object.keys(forms);

/** Two names of one algorithm (RFC 9864). */
const plainAlg = (alg: string): string => (alg === 'Ed25519' ? 'EdDSA' : alg);

/** The members that a public key of each kind must have. */
const members: Readonly<Record<string, readonly (keyof JWK)[]>> = { RSA: ['n', 'e'], EC: ['crv', 'x', 'y'], OKP: ['crv', 'x'] };

/** The keys of an issuer that can check signatures. Other keys of its set are left out. */
export class KeySet {
  /** Why keys were left out. */
  readonly ignored: readonly string[];
  readonly #keys: readonly JWK[];
  readonly #imported = new Map<string, Promise<CryptoKey | undefined>>();

  private constructor(keys: readonly JWK[], ignored: readonly string[]) {
    this.#keys = keys;
    this.ignored = ignored;
  }

  /**
   * RFC 7517, 5: a set may also have broken keys and keys for another use.
   * @throws UnusableAnswer if no key is left
   */
  static parse({ keys }: Readonly<Record<string, unknown>>, url: string): KeySet {
    if (!Array.isArray(keys)) throw new UnusableAnswer(`${url} did not answer with a key set: expected a list "keys"`);
    const ignored: string[] = [];
    const good = keys.slice(0, MAX_KEYS).filter((key: unknown, at): key is JWK => {
      const fault = findFault(key);
      if (fault) ignored.push(`key ${at + 1}: ${fault}`);
      return fault === undefined;
    });
    if (keys.length > MAX_KEYS) ignored.push(`keys behind the first ${MAX_KEYS}`);
    if (good.length === 0)
      throw new UnusableAnswer(`${url} has no key that can be used (${ignored.slice(0, 5).join('; ') || 'the list is empty'})`);
    return new KeySet(good, ignored);
  }

  get size(): number {
    return this.#keys.length;
  }

  /** The `kid` of each key, for logs. */
  get kids(): readonly string[] {
    return this.#keys.map(({ kid }) => (typeof kid === 'string' ? kid.slice(0, 100) : '(no kid)'));
  }

  /** At most 16: keys with the `kid`, or else all that fit. It is only a hint (RFC 7515, 4.1.4). */
  candidates({ alg, kid }: KeyHint): readonly JWK[] {
    const fitting = this.#keys.filter((key) => fits(key, alg));
    const named = kid === undefined ? [] : fitting.filter((key) => key.kid === kid);
    return (named.length > 0 ? named : fitting).slice(0, MAX_TRIES);
  }

  /** The key in the form that checks signatures. Undefined if it is broken. */
  import(key: JWK, alg: string): Promise<CryptoKey | undefined> {
    const name = `${this.#keys.indexOf(key)} ${alg}`;
    let imported = this.#imported.get(name);
    if (!imported) {
      imported = importPublic(key, alg);
      this.#imported.set(name, imported);
    }
    return imported;
  }
}

function findFault(key: unknown): string | undefined {
  if (typeof key !== 'object' || key === null) return 'it is not an object';
  const jwk = key as JWK;
  const needed = typeof jwk.kty === 'string' && Object.hasOwn(members, jwk.kty) ? members[jwk.kty] : undefined;
  if (!needed) return `its kty is ${quote(jwk.kty)}`;
  // Every reader of the set could sign with it.
  if ('d' in jwk || 'k' in jwk) return 'it is a private key, but the set is public';
  const missing = needed.filter((name) => typeof jwk[name] !== 'string' || jwk[name] === '');
  if (missing.length > 0) return `it has no ${missing.join(', ')}`;
  if (jwk.use !== undefined && jwk.use !== 'sig') return `its use is ${quote(jwk.use)}`;
  if (jwk.key_ops !== undefined && !(Array.isArray(jwk.key_ops) && jwk.key_ops.includes('verify'))) return 'its key_ops do not name verify';
  return undefined;
}

function fits(key: JWK, alg: string): boolean {
  const form = forms[alg];
  if (!form || key.kty !== form.kty || (form.crv !== undefined && key.crv !== form.crv)) return false;
  return key.alg === undefined || (typeof key.alg === 'string' && plainAlg(key.alg) === plainAlg(alg));
}

async function importPublic({ kty = '', ...key }: JWK, alg: string): Promise<CryptoKey | undefined> {
  const { importJWK } = await import('jose');
  const parts = Object.fromEntries((members[kty] ?? []).map((name) => [name, key[name as keyof typeof key]]));
  try {
    const imported = await importJWK({ kty, ...parts }, alg);
    return imported instanceof Uint8Array ? undefined : imported;
  } catch {
    return undefined;
  }
}
