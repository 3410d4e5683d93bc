import { createHash, timingSafeEqual } from 'node:crypto';
import { type AccessMethod, denied } from './credential.ts';
import type { RuleContext } from './rule.ts';

/** A shared token, of which only the hash is kept. */
interface Token {
  readonly hash: Buffer;
  readonly subject: string;
  /** Milliseconds since 1970. */
  readonly until: number;
}

const VALUE = /^[\x21-\x2b\x2d-\x3a\x3c-\x7e]{16,512}$/;
const TIME = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d)?Z)?$/;
const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;

const hashOf = (text: string): Buffer => createHash('sha256').update(text).digest();

/** `SECRET`, `SECRET;until=2027-01-31`, `SECRET;name=shop`. Mistakes name the place of a token, never its text. */
function parseToken(text: string, place: number, mistake: (what: string) => void): Token {
  const [value = '', ...parameters] = text.split(';').map((part) => part.trim());
  if (!VALUE.test(value)) mistake(`token ${place} is not 16 to 512 printable characters without comma, semicolon and space`);
  let until = Number.POSITIVE_INFINITY;
  let subject = 'token';
  for (const parameter of parameters) {
    const [name, given = ''] = parameter.split('=', 2);
    if (name === 'until' && TIME.test(given) && !Number.isNaN(Date.parse(given))) until = Date.parse(given);
    else if (name === 'name' && NAME.test(given)) subject = `token:${given}`;
    else mistake(`what follows the semicolon of token ${place} is neither until=2027-01-31 (or 2027-01-31T12:00:00Z) nor name=shop`);
  }
  return { hash: hashOf(value), subject, until };
}

/** Shared tokens in x-token, several at once, so that they can be changed one by one. */
export function findTokenAccess({ settings, clock, log, mistake }: RuleContext): AccessMethod | undefined {
  if (settings.tokens === undefined) return undefined;
  // Without any, everybody would be let in.
  if (settings.tokens.length === 0) mistake('tokens', 'are given, but there is none: give one, or leave the setting out');
  const tokens = settings.tokens.map((text, at) => parseToken(text, at + 1, (what) => mistake('tokens', what)));
  let told = false;
  const tellWhereAllExpired = (): void => {
    if (told || tokens.length === 0 || tokens.some(({ until }) => until > clock.now())) return;
    told = true;
    log.error({ tokens: tokens.length }, 'every token has expired: no request with x-token is taken until BLOCKHUB_TOKENS has a new one');
  };
  return {
    start: tellWhereAllExpired,
    credential: ({ headers }) => headers['x-token']?.toString(),
    check(credential) {
      const hash = hashOf(credential);
      let found: Token | undefined;
      // All of them, whichever fits: the time says nothing about which one, nor how much of it, was right. Of twins the one that lasts longer counts.
      for (const token of tokens) if (timingSafeEqual(token.hash, hash) && !(found && found.until > token.until)) found = token;
      if (!found) return denied('The token is not known.');
      if (clock.now() < found.until) return { subject: found.subject };
      tellWhereAllExpired();
      return denied('The token has expired.');
    },
  };
}
