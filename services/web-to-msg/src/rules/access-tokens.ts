import { createHash, timingSafeEqual } from 'node:crypto';
import { tokenOf } from '../routes/token-parameter.ts';
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
const PARAMETER = /^[A-Za-z0-9._~-]{1,64}$/;
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
export function findTokenAccess({ settings, clock, mistake }: RuleContext): AccessMethod | undefined {
  const { tokenParameter: parameter } = settings;
  if (parameter !== undefined && !PARAMETER.test(parameter))
    mistake('tokenParameter', `${JSON.stringify(parameter.slice(0, 100))} cannot name a parameter; expected letters, digits and . _ ~ -`);
  if (parameter !== undefined && !settings.tokens?.length) mistake('tokenParameter', 'needs tokens, which are not set');
  if (settings.tokens === undefined || settings.tokens.length === 0) return undefined;
  const tokens = settings.tokens.map((text, at) => parseToken(text, at + 1, (what) => mistake('tokens', what)));
  return {
    credential: ({ headers, url }) => headers['x-token']?.toString() ?? (parameter === undefined ? undefined : tokenOf(url, parameter)),
    check(credential) {
      const hash = hashOf(credential);
      let found: Token | undefined;
      // All of them, whichever fits: the time says nothing about which one, nor how much of it, was right. Of twins the one that lasts longer counts.
      for (const token of tokens) if (timingSafeEqual(token.hash, hash) && !(found && found.until > token.until)) found = token;
      if (!found) return denied('The token is not known.');
      return clock.now() < found.until ? { subject: found.subject } : denied('The token has expired.');
    },
  };
}
