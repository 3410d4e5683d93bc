import { Cache } from '@blockhub/cache';
import { isSecretName, wordsOf } from './names.ts';
import { decodePercent, Ranges } from './ranges.ts';
import { findShapes } from './shapes.ts';
import { findMembers, findParameters, findUserinfo } from './urls.ts';

const REDACTED = '[redacted]';

export interface RedactorOptions {
  /** Further secret names. `my-header`, `My_Header`, `myHeader` and `x-my-header` are one name. */
  readonly names?: readonly string[];
  /** Texts that are secret anywhere, such as tokens of this service. */
  readonly values?: readonly string[];
  /** Default `[redacted]`. */
  readonly marker?: string;
  /** Log lines: pairs count only in URLs, and a scheme such as `Bearer` may be a word. */
  readonly lines?: boolean;
}

/** `Host`, `X-Forwarded-Host` and similar headers have an authority without slashes before it. */
const HOSTS = /(?:^|-)host$/i;
const USERINFO = /^[^@]*@(?:.*@)?/;
/** Maximum number of levels of percent-encoding that are decoded. */
const MAX_LEVELS = 3;
/** Texts without a secret are cached, because most repeat from request to request. */
const REMEMBERED = 1024;
const REMEMBERED_LENGTH = 256;

const joined = (name: string): string => wordsOf(name).join('');

function decodedName(name: string): string {
  let decoded = name;
  for (let level = 0; level < MAX_LEVELS; level++) decoded = decodePercent(decoded)?.text ?? decoded;
  return decoded;
}

/**
 * Replaces secrets in headers, request targets and texts. Everything else is kept. The time is
 * linear in the length of the text, and secrets are not cached.
 */
export class Redactor {
  readonly #names: ReadonlySet<string>;
  readonly #values: readonly string[];
  readonly #marker: string;
  readonly #lines: boolean;
  readonly #harmless = new Cache<string, true>(REMEMBERED);

  constructor({ names = [], values = [], marker = REDACTED, lines = false }: RedactorOptions = {}) {
    this.#names = new Set(names.map(joined));
    this.#values = values.filter((value) => value !== '');
    this.#marker = marker;
    this.#lines = lines;
  }

  /** True if the value of a header or parameter of this name is secret. */
  isSecret(name: string): boolean {
    if (isSecretName(name)) return true;
    if (this.#names.size === 0) return false;
    const own = joined(name);
    return this.#names.has(own) || (/^x[^a-z0-9]/i.test(name) && this.#names.has(own.slice(1)));
  }

  /** The whole value is replaced if the name is secret, else the secrets in it. */
  header(name: string, value: string): string {
    if (this.isSecret(name)) return this.#marker;
    const text = this.text(value);
    return text.includes('@') && HOSTS.test(name) ? text.replace(USERINFO, `${this.#marker}@`) : text;
  }

  /** A text, such as a request target, with the secrets in it replaced. */
  text(text: string): string {
    if (this.#harmless.has(text)) return text;
    const secrets = this.#find(text, 1);
    if (!secrets.isEmpty) return secrets.replace(text, this.#marker);
    if (!this.#lines && text.length <= REMEMBERED_LENGTH) this.#harmless.set(text, true);
    return text;
  }

  #find(text: string, level: number): Ranges {
    const secrets = new Ranges();
    findUserinfo(text, secrets);
    // The value of an encoded name ends at its own level: `to%6ben=a%26b` is one pair.
    const isSecret = (name: string): boolean => this.isSecret(name) || (name.includes('%') && this.isSecret(decodedName(name)));
    if (text.includes('=')) findParameters(text, { isSecret, onlyInUrls: this.#lines }, secrets);
    if (!this.#lines) findMembers(text, isSecret, secrets);
    findShapes(text, this.#lines, secrets);
    for (const value of this.#values)
      for (let at = text.indexOf(value); at >= 0; at = text.indexOf(value, at + value.length)) secrets.add(at, at + value.length);
    const decoded = level > MAX_LEVELS ? undefined : decodePercent(text);
    if (decoded) secrets.addDecoded(this.#find(decoded.text, level + 1), decoded.map);
    return secrets;
  }
}
