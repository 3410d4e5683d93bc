import { quote } from '@blockhub/errors';
import { quoteOpen } from './hidden.ts';
import { explainRaw, findRawCharacter, type Userinfo } from './raw-characters.ts';
import { durationPattern, formatDuration, formatSize, parseDuration, parseSize, sizePattern } from './units.ts';

/** One setting: its meaning, and how its text becomes a value. Only `setting.*` makes it. */
export interface Setting<T> {
  readonly kind: 'text' | 'url' | 'integer' | 'size' | 'duration' | 'flag' | 'choice' | 'list';
  /** What it is for, in sentences. */
  readonly text: string;
  /** The form of the value in help: `URL`, `N`, `a|b`. */
  readonly placeholder: string;
  readonly default: T | undefined;
  /** The example as it is typed. */
  readonly example: string | undefined;
  /** Its value is never shown. The variable `…_FILE` may name a file with it. */
  readonly secret: boolean;
  /** The process does not start without it. */
  readonly required: boolean;
  /** It limits what is accepted. An empty value would accept more than was meant: a mistake. */
  readonly restricts: boolean;
  /** Similar names of other programs, whose variables are not a misspelt form of this one. */
  readonly unlike: readonly string[];
  /** JSON schema of the value, without text and default. */
  readonly schema: Readonly<Record<string, unknown>>;
  /** @throws Mistake with what is wrong and what to write instead. */
  parse(raw: string): T;
  format(value: T): string;
}

/**
 * Settings by camelCase name. The name gives the flag (`--store-url`), the variable
 * (`BLOCKHUB_STORE_URL`) and the chart value (`storeUrl`).
 */
export type SettingsShape = Readonly<Record<string, Setting<unknown>>>;

/** A setting without default that is not required may be undefined. */
export type Values<S extends SettingsShape> = { readonly [Name in keyof S]: S[Name] extends Setting<infer T> ? T : never };

interface Options<D> {
  readonly text: string;
  readonly default?: D;
  readonly example?: string;
  readonly secret?: boolean;
  readonly required?: boolean;
  readonly restricts?: boolean;
  readonly unlike?: readonly string[];
  readonly placeholder?: string;
}

interface RangeOptions<D> extends Options<D> {
  readonly min?: number;
  readonly max?: number;
}

/** T, or T | undefined if there is neither a default nor `required: true`. */
type Given<O, T> = O extends { readonly default: string | number | boolean | readonly string[] } | { readonly required: true }
  ? T
  : T | undefined;

/** What is wrong with one value. The caller adds the name of the setting. */
export class Mistake extends Error {}

interface Behaviour<T> {
  readonly kind: Setting<unknown>['kind'];
  readonly placeholder: string;
  readonly schema: Readonly<Record<string, unknown>>;
  parse(raw: string): T;
  format(value: T): string;
}

/** Checks the default like a given value, so that a wrong declaration fails when it is loaded. */
function make<O extends Options<unknown>, T>(options: O, behaviour: Behaviour<T>): Setting<Given<O, T>> {
  const secret = options.secret === true;
  if (secret && options.default !== undefined) throw new TypeError('a secret has no default');
  if (options.required && options.default !== undefined) throw new TypeError('a required setting has no default');
  const given = options.default;
  const fallback = given === undefined ? undefined : behaviour.parse(typeof given === 'string' ? given : behaviour.format(given as T));
  const made: Setting<T> = {
    ...behaviour,
    text: options.text,
    placeholder: options.placeholder ?? behaviour.placeholder,
    default: fallback,
    example: options.example,
    secret,
    required: options.required === true,
    restricts: options.restricts === true,
    unlike: options.unlike ?? [],
  };
  return made as Setting<Given<O, T>>;
}

function parseInteger(raw: string): number {
  const value = /^(0|-?[1-9][0-9]{0,15})$/.test(raw) ? Number(raw) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new Mistake(`expected a whole number such as 8080, got ${quote(raw)}`);
  return value;
}

/** Turns the BlockhubError of a unit into a Mistake with its message. */
const own =
  (parse: (raw: string) => number): ((raw: string) => number) =>
  (raw) => {
    try {
      return parse(raw);
    } catch (error) {
      throw new Mistake((error as Error).message);
    }
  };

interface Amount {
  readonly kind: 'integer' | 'size' | 'duration';
  readonly placeholder: string;
  parse(raw: string): number;
  format(value: number): string;
}

function amount<const O extends RangeOptions<number | string>>(
  options: O,
  { kind, placeholder, parse, format }: Amount,
): Setting<Given<O, number>> {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = options;
  const range = max === Number.MAX_SAFE_INTEGER ? `at least ${format(min)}` : `a value from ${format(min)} to ${format(max)}`;
  const bounds = { minimum: min, ...(max === Number.MAX_SAFE_INTEGER ? {} : { maximum: max }) };
  const pattern = { size: sizePattern, duration: durationPattern };
  return make<O, number>(options, {
    kind,
    placeholder,
    schema: kind === 'integer' ? { type: 'integer', ...bounds } : { type: ['integer', 'string'], ...bounds, pattern: pattern[kind] },
    format,
    parse(raw) {
      const value = parse(raw);
      if (value < min || value > max) throw new Mistake(`expected ${range}, got ${quote(raw)}`);
      return value;
    },
  });
}

function parseText(raw: string): string {
  if (raw === '') throw new Mistake('the value is empty');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the expression finds them
  if (/[\u0000-\u001f\u007f]/.test(raw)) throw new Mistake(`${quoteOpen(raw)} contains a control character: write printable text`);
  return raw;
}

interface UrlOptions extends Options<string> {
  /** The accepted schemes, without colon. If it is absent, every scheme is accepted. */
  readonly schemes?: readonly string[];
  /** Which of user and password it takes, for messages about characters in them. */
  readonly userinfo?: Userinfo;
}

const anyUserinfo: Userinfo = { url: 'URL', takes: 'user and password' };

function checkUrl(raw: string, { schemes, userinfo = anyUserinfo }: Pick<UrlOptions, 'schemes' | 'userinfo'>): string {
  parseText(raw);
  if (/^\.{0,2}\//.test(raw) && !schemes) return raw;
  const character = findRawCharacter(raw);
  if (character) throw new Mistake(explainRaw(character, userinfo));
  const scheme = URL.canParse(raw) ? new URL(raw).protocol.slice(0, -1) : undefined;
  if (!scheme)
    throw new Mistake(
      `expected a URL with a scheme${schemes ? ` (${schemes.join(', ')})` : ', or a path that begins with / or ./'}, got ${quoteOpen(raw)}`,
    );
  if (schemes && !schemes.includes(scheme))
    throw new Mistake(`expected a URL with the scheme ${schemes.join(' or ')}, got ${quoteOpen(raw)}`);
  const { username, password } = new URL(raw);
  if (userinfo.takes === 'nothing' && (username || password))
    throw new Mistake(`the ${userinfo.url} cannot have a user or a password${userinfo.instead ? `: give them ${userinfo.instead}` : ''}`);
  return raw;
}

const flagWords: Readonly<Record<string, boolean>> = { true: true, '1': true, false: false, '0': false };

/** One function for each kind of setting. The options decide the type of the value. */
export const setting = {
  /** Text without control characters. */
  text<const O extends Options<string> & { readonly pattern?: RegExp }>(options: O): Setting<Given<O, string>> {
    const { pattern } = options;
    return make<O, string>(options, {
      kind: 'text',
      placeholder: 'TEXT',
      schema: { type: 'string', minLength: 1, ...(pattern ? { pattern: pattern.source } : {}) },
      format: String,
      parse(raw) {
        parseText(raw);
        if (pattern && raw.search(pattern) < 0) throw new Mistake(`${quoteOpen(raw)} must match ${pattern.source}`);
        return raw;
      },
    });
  },
  /** A URL as text. If no schemes are listed, also a path that begins with `/`, `./` or `../`. */
  url<const O extends UrlOptions>(options: O): Setting<Given<O, string>> {
    return make<O, string>(options, {
      kind: 'url',
      placeholder: 'URL',
      schema: { type: 'string', minLength: 1 },
      format: String,
      parse: (raw) => checkUrl(raw, options),
    });
  },
  /** A whole number; `min` is 0 by default. */
  integer: <const O extends RangeOptions<number>>(options: O): Setting<Given<O, number>> =>
    amount(options, { kind: 'integer', placeholder: 'N', parse: parseInteger, format: String }),
  /** Bytes, see `parseSize`. */
  size: <const O extends RangeOptions<number | string>>(options: O): Setting<Given<O, number>> =>
    amount(options, { kind: 'size', placeholder: 'SIZE', parse: own(parseSize), format: formatSize }),
  /** Milliseconds, see `parseDuration`. */
  duration: <const O extends RangeOptions<number | string>>(options: O): Setting<Given<O, number>> =>
    amount(options, { kind: 'duration', placeholder: 'TIME', parse: own(parseDuration), format: formatDuration }),
  /** On or off: `--x`, `--no-x`, `--x=false`; in the environment `true`, `false`, `1`, `0`. */
  flag<const O extends Options<boolean>>(options: O): Setting<Given<O, boolean>> {
    return make<O, boolean>(options, {
      kind: 'flag',
      placeholder: '',
      schema: { type: 'boolean' },
      format: String,
      parse(raw) {
        const value = Object.hasOwn(flagWords, raw) ? flagWords[raw] : undefined;
        if (value === undefined) throw new Mistake(`expected true or false, got ${quote(raw)}`);
        return value;
      },
    });
  },
  choice<const Of extends readonly string[], const O extends Options<Of[number]>>(
    options: O & { readonly of: Of },
  ): Setting<Given<O, Of[number]>> {
    const { of } = options;
    return make<O, Of[number]>(options, {
      kind: 'choice',
      placeholder: of.join('|'),
      schema: { enum: of },
      format: String,
      parse(raw) {
        if (!of.includes(raw)) throw new Mistake(`expected one of ${of.join(', ')}, got ${quoteOpen(raw)}`);
        return raw as Of[number];
      },
    });
  },
  /**
   * Texts with commas or line breaks between them. Empty lines are ignored. The flag may be
   * repeated. With `of`, each text must be one of these words.
   */
  list<const O extends Options<readonly string[]> & { readonly of?: readonly string[] }>(options: O): Setting<Given<O, readonly string[]>> {
    const { of } = options;
    return make<O, readonly string[]>(options, {
      kind: 'list',
      placeholder: 'A,B',
      schema: { type: 'array', items: of ? { enum: of } : { type: 'string', minLength: 1, pattern: '^[^,]*[^,\\s][^,]*$' } },
      format: (value) => value.join(','),
      parse(raw) {
        const lines = raw.split(/[\r\n]+/).filter((line) => line.trim() !== '');
        const items = lines.flatMap((line) => line.split(',').map((item) => item.trim()));
        if (items.includes(''))
          throw new Mistake(`${quoteOpen(raw)} has an empty part: separate the values by one comma or by line breaks`);
        const unknown = of && items.find((item) => !of.includes(item));
        if (unknown !== undefined) throw new Mistake(`${quoteOpen(unknown)} is not known: expected one or more of ${of?.join(', ')}`);
        return items.map(parseText);
      },
    });
  },
};
