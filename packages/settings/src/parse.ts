import { inspect } from 'node:util';
import { BlockhubError, errorCode, hasCode, quote } from '@blockhub/errors';
import { readFlags } from './flags.ts';
import { hidden, hideUrl, hideUserinfo, quoteOpen } from './hidden.ts';
import { findMisspelt, isServiceLink } from './misspelt.ts';
import { checkShape, envName, flagName } from './names.ts';
import { readSecret, readSecretBytes } from './secret.ts';
import { Mistake, type Setting, type SettingsShape, type Values } from './setting.ts';

/**
 * Where settings come from. A flag wins over the environment. An empty variable counts as not set,
 * but it is a mistake for a secret and for a setting that restricts. An unknown variable
 * `BLOCKHUB_…` that is one edit away from a setting that is not set is a mistake too.
 */
export interface Source {
  /** Without the program, like `process.argv.slice(2)`. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** True if `--help` or `-h` comes before any `--`. */
export function wantsHelp(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return argv.slice(0, end < 0 ? argv.length : end).some((word) => word === '--help' || word === '-h');
}

/** For tests and embedding. @throws SETTINGS_INVALID if a required setting is missing */
export function defaults<const S extends SettingsShape>(shape: S, given: Partial<Values<S>> = {}): Values<S> {
  checkShape(shape);
  const values: Record<string, unknown> = {};
  const mistakes: string[] = [];
  for (const [name, one] of Object.entries(shape)) {
    values[name] = given[name] ?? one.default;
    if (one.required && values[name] === undefined) mistakes.push(missing(name, one));
    // A default that restricts nothing is shown in the help, so it is expected.
    if (one.restricts && one.default === undefined && isNothing(given[name]))
      mistakes.push(`${names(name, one)}: is empty and would restrict nothing: write a value, or remove it`);
  }
  if (mistakes.length > 0) throw refuse(mistakes);
  return seal(shape, values);
}

const isNothing = (value: unknown): boolean => value === '' || (Array.isArray(value) && value.length === 0);

/**
 * The values of all settings. Words that are not flags are mistakes.
 * @throws SETTINGS_INVALID with all mistakes in `details.mistakes`, which never contain a secret
 */
export function parseSettings<const S extends SettingsShape>(shape: S, { argv, env }: Source): Values<S> {
  checkShape(shape);
  const { given, mistakes } = readFlags(shape, argv);
  const values: Record<string, unknown> = {};
  for (const [name, one] of Object.entries(shape)) {
    try {
      const raw = given.has(name) ? fromFlag(name, one, given.get(name)) : fromEnvironment(name, one, env);
      if (raw === undefined && one.required && !given.has(name)) mistakes.push(missing(name, one));
      values[name] = raw === undefined ? one.default : one.parse(raw);
    } catch (error) {
      if (!(error instanceof Mistake)) throw error;
      mistakes.push(wrong(name, one, error, env));
    }
  }
  mistakes.push(...findMisspelt(shape, env));
  if (mistakes.length > 0) throw refuse(mistakes);
  return seal(shape, values);
}

/** A mistake that never contains the value, so it can be shown for secrets too. */
class Refusal extends Mistake {}

/** @throws Refusal */
function fromFlag(name: string, one: Setting<unknown>, raw: string | undefined): string | undefined {
  const flag = flagName(name);
  return raw === undefined ? undefined : checkGiven(flag, one, raw, `remove ${flag}`);
}

/** Also reads the file of a secret. An empty variable counts as not set. @throws Refusal */
function fromEnvironment(name: string, one: Setting<unknown>, env: Source['env']): string | undefined {
  const variable = envName(name);
  const fileVariable = `${variable}_FILE`;
  const [raw, file] = [env[variable], env[fileVariable]];
  if (file !== undefined && one.secret) {
    if (raw) throw new Refusal(`${variable} and ${fileVariable} are both set: unset one of them`);
    return fromFile(fileVariable, one, file);
  }
  if (file !== undefined && one.restricts)
    throw new Refusal(`${fileVariable} is not a setting, because only secrets are read from files: set ${variable} instead`);
  if (raw === undefined) return undefined;
  return checkGiven(variable, one, raw, `unset ${variable}`) || undefined;
}

function fromFile(variable: string, one: Setting<unknown>, file: string): string {
  if (file.trim() === '') throw new Refusal(`${variable} is empty: write the path of a file, or unset ${variable}`);
  const subject = `the file ${quoteOpen(file)} that ${variable} names`;
  let bytes: Buffer;
  try {
    bytes = readSecretBytes(file);
  } catch (error) {
    const code = errorCode(error);
    const why = code === 'EISDIR' ? 'it is a folder, which a mount without a source creates' : code;
    throw new Refusal(`${subject} cannot be read (${why}): correct the path or its permissions`);
  }
  return secretOf(subject, one, bytes, `write the secret into it, or unset ${variable}`);
}

/** An empty secret or restriction would accept more than was meant. @throws Refusal */
function checkGiven(subject: string, one: Setting<unknown>, raw: string, otherwise: string): string {
  if (one.secret) return secretOf(subject, one, Buffer.from(raw), `write a value, or ${otherwise}`);
  if (one.restricts && /^[\s,\ufeff]*$/.test(raw))
    throw new Refusal(
      `${subject} is ${raw === '' ? 'empty' : `empty but for ${quote(raw)}`} and would restrict nothing: write a value, or ${otherwise}`,
    );
  return raw;
}

function secretOf(subject: string, one: Setting<unknown>, bytes: Uint8Array, fix: string): string {
  try {
    return readSecret(subject, bytes, { list: one.kind === 'list' });
  } catch (error) {
    if (!hasCode(error, 'SETTINGS_INVALID')) throw error;
    throw new Refusal(error.details.empty ? `${error.message}: ${fix}` : error.message);
  }
}

const names = (name: string, { secret }: Setting<unknown>): string =>
  `${name} (${flagName(name)}, ${envName(name)}${secret ? `, ${envName(name)}_FILE` : ''})`;

function missing(name: string, one: Setting<unknown>): string {
  const example = one.example === undefined || one.secret ? '' : `, for example ${flagName(name)} ${one.example}`;
  return `${names(name, one)}: is required: set it${example}`;
}

function wrong(name: string, one: Setting<unknown>, mistake: Mistake, env: Source['env']): string {
  // A Service named blockhub gives pods the variable BLOCKHUB_PORT.
  const linked =
    isServiceLink(env[envName(name)] ?? '') && one.kind === 'integer'
      ? ' (Kubernetes sets this variable for a Service: write enableServiceLinks: false into the pod)'
      : '';
  // The message of a parser may quote the secret.
  const shown =
    one.secret && !(mistake instanceof Refusal) ? `expected ${secretForm(one)}, got a value that is secret and not shown` : mistake.message;
  return `${names(name, one)}: ${shown}${linked}`;
}

const secretForm = ({ kind, schema: { pattern } }: Setting<unknown>): string => {
  if (kind === 'list') return 'values that are separated by one comma or by line breaks';
  if (kind === 'integer') return 'a whole number';
  return kind === 'text' && typeof pattern === 'string' ? `text that matches ${pattern}` : `a ${kind}`;
};

function refuse(mistakes: readonly string[]): BlockhubError {
  const title = mistakes.length === 1 ? '1 mistake in the settings' : `${mistakes.length} mistakes in the settings`;
  return new BlockhubError('SETTINGS_INVALID', `${title}:\n${mistakes.map((mistake) => `  - ${mistake}`).join('\n')}`, {
    details: { mistakes },
  });
}

/** The values as texts for logs, without secrets and without settings that are not set. */
function describe<S extends SettingsShape>(shape: S, values: Values<S>): Record<string, string> {
  const shown: Record<string, string> = {};
  for (const [name, one] of Object.entries(shape)) {
    const value = (values as Record<string, unknown>)[name];
    if (value !== undefined) shown[name] = one.secret ? hidden : (one.kind === 'url' ? hideUrl : hideUserinfo)(one.format(value));
  }
  return shown;
}

/** Logs and prints of the whole object show what `describe` gives. */
function seal<S extends SettingsShape>(shape: S, values: Record<string, unknown>): Values<S> {
  const shown = (): Record<string, string> => describe(shape, values as Values<S>);
  Object.defineProperty(values, 'toJSON', { value: shown });
  Object.defineProperty(values, inspect.custom, { value: shown });
  return Object.freeze(values) as Values<S>;
}
