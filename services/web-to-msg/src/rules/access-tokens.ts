import { createHash, timingSafeEqual } from 'node:crypto';
import { readTime } from '@blockhub/clock';
import { quote } from '@blockhub/errors';
import { tokenOf } from '../routes/token-parameter.ts';
import { type AccessMethod, denied } from './credential.ts';
import type { RuleContext } from './rule.ts';

/** A shared token. Only its hash is kept. */
interface Token {
  readonly hash: Buffer;
  readonly subject: string;
  /** Milliseconds since 1970. */
  readonly until: number;
}

const VALUE = /^[\x21-\x2b\x2d-\x3a\x3c-\x7e]{16,512}$/;
const PARAMETER = /^[A-Za-z0-9._~-]{1,64}$/;
const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;

const hashOf = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Reads `SECRET;until=2027-01-31;name=shop`. Mistakes have the place of a token, not its text. */
function parseToken(text: string, place: number, mistake: (what: string) => void): Token {
  const [value = '', ...parameters] = text.split(';').map((part) => part.trim());
  if (!VALUE.test(value)) mistake(`token ${place} must have 16 to 512 printable characters, without comma, semicolon and space`);
  let until = Number.POSITIVE_INFINITY;
  let subject = 'token';
  for (const parameter of parameters) {
    const [name, ...rest] = parameter.split('=');
    const given = rest.join('=');
    if (name === 'until') until = readUntil(given, place, mistake);
    else if (name === 'name' && NAME.test(given)) subject = `token:${given}`;
    else
      mistake(`token ${place} must have until=2027-01-31T12:00:00Z (or 2027-01-31, which is 00:00 UTC) or name=shop after its semicolon`);
  }
  return { hash: hashOf(value), subject, until };
}

/** Other text may be part of a token with a semicolon, so it is not shown. */
const TIME_LIKE = /^[0-9][0-9TtZz:.,+ -]{0,39}$/;

function readUntil(given: string, place: number, mistake: (what: string) => void): number {
  const read = readTime(given);
  if ('ms' in read) return read.ms;
  const shown = TIME_LIKE.test(given)
    ? `${quote(given)} ${read.wrong}`
    : 'is not a time such as 2027-01-31T12:00:00Z, or a date such as 2027-01-31';
  mistake(`until of token ${place}: ${shown}`);
  return Number.NEGATIVE_INFINITY;
}

/** Shared tokens in x-token. Several are valid at once, so that they can be replaced one by one. */
export function findTokenAccess({ settings, clock, log, mistake }: RuleContext): AccessMethod | undefined {
  const { tokenParameter: parameter } = settings;
  if (parameter !== undefined && !PARAMETER.test(parameter))
    mistake('tokenParameter', `${quote(parameter)} cannot be the name of a parameter; expected letters, digits and . _ ~ -`);
  if (parameter !== undefined && !settings.tokens?.length) mistake('tokenParameter', 'requires `tokens`, which is not set');
  if (settings.tokens === undefined) return undefined;
  // An empty list would let every request in.
  if (settings.tokens.length === 0) mistake('tokens', 'is empty; set at least one token, or do not set it');
  const tokens = settings.tokens.map((text, at) => parseToken(text, at + 1, (what) => mistake('tokens', what)));
  let isLogged = false;
  const logIfAllExpired = (): void => {
    if (isLogged || tokens.length === 0 || tokens.some(({ until }) => until > clock.now())) return;
    isLogged = true;
    log.error({ tokens: tokens.length }, 'every token has expired; requests with x-token are refused until BLOCKHUB_TOKENS has a new one');
  };
  return {
    start: logIfAllExpired,
    credential: ({ headers, url }) => headers['x-token']?.toString() ?? (parameter === undefined ? undefined : tokenOf(url, parameter)),
    check(credential) {
      const hash = hashOf(credential);
      let found: Token | undefined;
      // All tokens are compared, so the time does not show which one is right. Of equal tokens the
      // one that ends last counts.
      for (const token of tokens) if (timingSafeEqual(token.hash, hash) && !(found && found.until > token.until)) found = token;
      if (!found) return denied('The token is unknown.');
      if (clock.now() < found.until) return { subject: found.subject };
      logIfAllExpired();
      return denied('The token has expired.');
    },
  };
}
