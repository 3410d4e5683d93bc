import { Cache } from '@blockhub/cache';

// A name is cut into words where its case changes, and at each character that is not a letter or
// digit: `X-Api-Key`, `apiKey` and `user[api_key]` give "api key". The reference shows the lists.

const list = (text: string): readonly string[] => text.trim().replace(/\s+/g, ' ').split(', ');

/** A name with one of these words is secret. */
export const secretWords = list(`
  token, secret, secrets, password, passwords, passwd, passwrd, passphrase, passcode, pwd, psw,
  pw, passwort, kennwort, motdepasse, contrasena, wachtwoord, senha, auth, oauth, oauth2, authn,
  authz, authorization, authorisation, authentication, bearer, credential, credentials, creds,
  cookie, cookies, cookie2, session, sess, csrf, xsrf, jwt, jws, jwe, saml, samlresponse,
  samlrequest, assertion, signature, signatures, sig, hmac, otp, totp, mfa, apikey, apikeys,
  privatekey, sas
`);

/** Secret as a part of a name, also without separators: `ocpapimsubscriptionkey`, `PHPSESSID`. */
export const secretParts = list(`
  password, passwd, passphrase, apikey, accesskey, secretkey, privatekey, sharedkey,
  subscriptionkey, authkey, masterkey, signingkey, encryptionkey, licensekey, functionskey,
  sessid, sessionid, sessionkey, csrf, xsrf, authoriz, jwt, hmac, signature, credential,
  signedrequest, clientsecret, accesspass, codeverifier, bearer
`);

/** Secret as a whole name, with or without `x` before it, and two words also as its end. */
export const secretNames = list(`
  code, key, sid, pass, pin, sign, tokens, connect sid, honeycomb team, trello webhook, content
  mac, access sign, api sign, user pass, db pass, admin pass, login pass, smtp pass, ftp pass,
  auth code, authorization code, access code, security code, verification code, confirmation code,
  login code, device code, user code, reset code, recovery code, backup code, invite code, pin
  code, sms code, time code, api tokens, access tokens, refresh tokens
`);

/** A name that ends with `key` is secret, except with one of these words before it. */
export const plainKeys = list(`
  idempotency, idempotent, partition, partitioning, routing, row, sort, cache, surrogate, public,
  publishable, site, dedup, dedupe, deduplication, message, event, primary, foreign, object,
  group, record, index, translation, order, issue, project, field, page, map, hash, range, lookup,
  unique, item, tag, data, hot, arrow, any, request, correlation, socket, websocket, config,
  ordering, grouping, sharding, shard, join, feature, flag, context, entity, compaction, blob,
  file, resource
`);

/** With one of these words `tokens` are counted, as by language models, and not secret. */
export const plainTokens = list(`
  max, min, total, num, n, prompt, completion, input, output, cached, reasoning, remaining, limit,
  ratelimit, rate, used
`);

/** A name that ends with one of these only describes a secret: `token_type`. */
export const plainEnds = list(`
  type, file, count, counts, length, size, limit, remaining, total, max, min, version, algorithm,
  algo, alg, method, timestamp, expires, expiry, expiration, ttl, age, enabled, required, status,
  endpoint, consent, mode, format, policy, used, usage, name
`);

const words = new Set<string>(secretWords);
const names = new Set<string>(secretNames);
const ends = new Set<string>(plainEnds);
const keys = new Set<string>(plainKeys);
const counted = new Set<string>(plainTokens);
const parts = new RegExp(secretParts.join('|'));
/** `tokenize` and `secretary` are other words. */
const PARTS_WITH_LIMITS = /token(?!i[sz]|om|s)|secret(?!ar)/;

/** Longer names are not cached. */
const REMEMBERED_LENGTH = 100;

/** The words of a name in lower case: `X-Amz-Security-Token` is `x`, `amz`, `security`, `token`. */
export function wordsOf(name: string): string[] {
  return partsOf(name.replace(/([a-z0-9])([A-Z])/g, '$1 $2').replace(/([A-Z])([A-Z][a-z])/g, '$1 $2'));
}

const partsOf = (name: string): string[] => name.toLowerCase().match(/[a-z0-9]+/g) ?? [];

function judge(name: string): boolean {
  const all = wordsOf(name);
  return isSecret(all) || (!isPlain(all) && isSecret(partsOf(name)));
}

/** True if the last word shows that the value describes a secret. */
const isPlain = (all: readonly string[]): boolean => all.length > 1 && ends.has(all.at(-1) ?? '');

/** If the case of a name means nothing (`ToKeN`), only other characters separate its words. */
function isSecret(given: readonly string[]): boolean {
  const all = given.slice(given.findIndex((word, at) => word !== 'x' || at === given.length - 1));
  const last = all.at(-1);
  if (last === undefined || isPlain(all)) return false;
  const [before, joined] = [all.at(-2), all.join('')];
  if (all.some((word) => words.has(word)) || parts.test(joined)) return true;
  if (names.has(all.join(' ')) || (before !== undefined && names.has(`${before} ${last}`))) return true;
  if (all.includes('tokens')) return !all.some((word) => counted.has(word));
  if (last === 'key' && before !== undefined) return !keys.has(before);
  return all.some((word) => PARTS_WITH_LIMITS.test(word));
}

const verdicts = new Cache<string, boolean>(1024);

export const isSecretName = (name: string): boolean =>
  name.length > REMEMBERED_LENGTH ? judge(name) : verdicts.getOrMake(name, () => judge(name));
