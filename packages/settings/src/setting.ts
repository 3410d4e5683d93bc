import { quoteOpen } from './hidden.ts';
import { explainRaw, findRawCharacter, type Userinfo } from './raw-characters.ts';
import { durationPattern, formatDuration, formatSize, parseDuration, parseSize, quote, sizePattern } from './units.ts';

/** One setting: what it means and how its text becomes a value. Made by `setting.*` only. */
export interface Setting<T> {
  readonly kind: 'text' | 'url' | 'integer' | 'size' | 'duration' | 'flag' | 'choice' | 'list';
  /** What it is for, in a sentence. */
  readonly text: string;
  /** How the value is shown in help: `URL`, `N`, `a|b`. */
  readonly placeholder: string;
  readonly default: T | undefined;
  /** The example as one would type it. */
  readonly example: string | undefined;
  /** Never shown; may come from a file named by the variable `…_FILE`. */
  readonly secret: boolean;
  /** Has to be given. */
  readonly required: boolean;
  /** It lets less pass, so that an empty value would let more pass than was meant: given but empty, it is a mistake. */
  readonly restricts: boolean;
  /** Settings of other programs with nearly this name: their variables are not this one, misspelt. */
  readonly unlike: readonly string[];
  /** JSON schema of the value, without text and default. */
  readonly schema: Readonly<Record<string, unknown>>;
  /** @throws Mistake with what is wrong and what to write instead. */
  parse(raw: string): T;
  format(value: T): string;
}

/** Settings by camelCase name; the name gives flag (`--store-url`), variable (`BLOCKHUB_STORE_URL`) and chart value (`storeUrl`). */
export type SettingsShape = Readonly<Record<string, Setting<unknown>>>;

/** The parsed values of a shape. A setting without default that is not required may be undefined. */
export type Values<S extends SettingsShape> = { readonly [Name in keyof S]: S[Name] extends Setting<infer T> ? T : never };

interface Options<D> {
  readonly text: string;
  readonly default?: D;
  readonly example?: string;
  readonly secret?: boolean;
  readonly required?: boolean;
  /** See `Setting.restricts`. */
  readonly restricts?: boolean;
  readonly unlike?: readonly string[];
  readonly placeholder?: string;
}

interface RangeOptions<D> extends Options<D> {
  readonly min?: number;
  readonly max?: number;
}

/** T, or T | undefined where neither a default nor `required: true` stands. */
type Given<O, T> = O extends { readonly default: string | number | boolean | readonly string[] } | { readonly required: true }
  ? T
  : T | undefined;

/** What is wrong with one value; the caller adds whose value it is. */
export class Mistake extends Error {}

interface Behaviour<T> {
  readonly kind: Setting<unknown>['kind'];
  readonly placeholder: string;
  readonly schema: Readonly<Record<string, unknown>>;
  parse(raw: string): T;
  format(value: T): string;
}

/** The default is checked like a given value, so that a wrong declaration fails when it is loaded. */
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

const integerForm = 'a whole number, like 8080';

function parseInteger(raw: string): number {
  const value = /^(0|-?[1-9][0-9]{0,15})$/.test(raw) ? Number(raw) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new Mistake(`${quote(raw)} is not a number: write ${integerForm}`);
  return value;
}

/** Units refuse with a BlockhubError of their own; here only its message counts. */
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
  const range = max === Number.MAX_SAFE_INTEGER ? `at least ${format(min)}` : `from ${format(min)} to ${format(max)}`;
  const bounds = { minimum: min, ...(max === Number.MAX_SAFE_INTEGER ? {} : { maximum: max }) };
  const pattern = { size: sizePattern, duration: durationPattern };
  return make<O, number>(options, {
    kind,
    placeholder,
    schema: kind === 'integer' ? { type: 'integer', ...bounds } : { type: ['integer', 'string'], ...bounds, pattern: pattern[kind] },
    format,
    parse(raw) {
      const value = parse(raw);
      if (value < min || value > max) throw new Mistake(`${quote(raw)} is out of range: write ${range}`);
      return value;
    },
  });
}

function parseText(raw: string): string {
  if (raw === '') throw new Mistake('the value is empty');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(raw)) throw new Mistake(`${quoteOpen(raw)} holds a control character: write printable text`);
  return raw;
}

interface UrlOptions extends Options<string> {
  /** The schemes that are taken, without colon; every scheme when absent. */
  readonly schemes?: readonly string[];
  /** Where user and password belong, for what is said of characters that cannot stand in them. */
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
      `${quoteOpen(raw)} is not a URL: write one with a scheme${schemes ? ` (${schemes.join(', ')})` : ', or a path from / or ./'}`,
    );
  if (schemes && !schemes.includes(scheme))
    throw new Mistake(`${quoteOpen(raw)} has the scheme ${scheme}: write a URL with ${schemes.join(' or ')}`);
  const { username, password } = new URL(raw);
  if (userinfo.takes === 'nothing' && (username || password))
    throw new Mistake(`the ${userinfo.url} takes no user and no password${userinfo.instead ? `: give them ${userinfo.instead}` : ''}`);
  return raw;
}

const flagWords: Readonly<Record<string, boolean>> = { true: true, '1': true, false: false, '0': false };

/** Builders. Each takes what the setting is for; the type of the value follows from the options. */
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
        if (pattern && raw.search(pattern) < 0) throw new Mistake(`${quoteOpen(raw)} has not the form ${pattern.source}`);
        return raw;
      },
    });
  },
  /** A URL as text, or, where no schemes are listed, a path that begins with `/`, `./` or `../`. */
  url<const O extends UrlOptions>(options: O): Setting<Given<O, string>> {
    return make<O, string>(options, {
      kind: 'url',
      placeholder: 'URL',
      schema: { type: 'string', minLength: 1 },
      format: String,
      parse: (raw) => checkUrl(raw, options),
    });
  },
  /** A whole number; `min` is 0 unless given. */
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
        if (value === undefined) throw new Mistake(`${quote(raw)} is neither on nor off: write true or false`);
        return value;
      },
    });
  },
  /** One of the listed words. */
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
        if (!of.includes(raw)) throw new Mistake(`${quoteOpen(raw)} is not known: write ${of.join(', ')}`);
        return raw as Of[number];
      },
    });
  },
  /**
   * Texts with commas or line breaks between them. Empty lines are left out. The flag may stand several
   * times. With `of`, each text must be one of these words.
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
          throw new Mistake(`${quoteOpen(raw)} has an empty part: write words with commas or line breaks between them`);
        const unknown = of && items.find((item) => !of.includes(item));
        if (unknown !== undefined) throw new Mistake(`${quoteOpen(unknown)} is not known: write one or more of ${of?.join(', ')}`);
        return items.map(parseText);
      },
    });
  },
};
