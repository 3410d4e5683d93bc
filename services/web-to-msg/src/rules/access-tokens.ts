import { createHash, timingSafeEqual } from 'node:crypto';
import { readTime } from '@blockhub/clock';
import { quote } from '../quote.ts';
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
    const [name, ...rest] = parameter.split('=');
    const given = rest.join('=');
    if (name === 'until') until = readUntil(given, place, mistake);
    else if (name === 'name' && NAME.test(given)) subject = `token:${given}`;
    else
      mistake(
        `what follows the semicolon of token ${place} is neither until=2027-01-31T12:00:00Z (or 2027-01-31, which is 00:00 UTC) nor name=shop`,
      );
  }
  return { hash: hashOf(value), subject, until };
}

/** Text without digits of a time may be part of a token that has a semicolon, so it is not repeated. */
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

/** Shared tokens in x-token, several at once, so that they can be changed one by one. */
export function findTokenAccess({ settings, clock, log, mistake }: RuleContext): AccessMethod | undefined {
  const { tokenParameter: parameter } = settings;
  if (parameter !== undefined && !PARAMETER.test(parameter))
    mistake('tokenParameter', `${quote(parameter)} cannot be the name of a parameter; expected letters, digits and . _ ~ -`);
  if (parameter !== undefined && !settings.tokens?.length) mistake('tokenParameter', 'needs tokens, which are not set');
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
    credential: ({ headers, url }) => headers['x-token']?.toString() ?? (parameter === undefined ? undefined : tokenOf(url, parameter)),
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
