import { createHash, timingSafeEqual } from 'node:crypto';

const KEY = /^bh_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;

/** An API key: `bh_{id}_{secret}`. The id may be shown, the secret must not be. */
export interface ApiKey {
  readonly id: string;
  readonly secret: string;
}

export function parseKey(text: string): ApiKey | undefined {
  const [, id, secret] = KEY.exec(text) ?? [];
  return id === undefined || secret === undefined ? undefined : { id, secret };
}

/** @param random 8 bytes for the id, 32 for the secret */
export function formatKey(random: Buffer): ApiKey & { readonly text: string } {
  const id = random.toString('hex', 0, 8);
  const secret = random.toString('base64url', 8, 40);
  return { id, secret, text: `bh_${id}_${secret}` };
}

/** SHA-256 in hex. A plain hash is enough for a secret of 256 random bits. */
export const hashSecret = (secret: string): string => createHash('sha256').update(secret).digest('hex');

/** The comparison takes constant time. */
export const isSecretOf = ({ hash }: { readonly hash: string }, secret: string): boolean =>
  timingSafeEqual(Buffer.from(hash, 'hex'), Buffer.from(hashSecret(secret), 'hex'));
