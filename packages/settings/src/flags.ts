import { quote } from '@blockhub/errors';
import { hideUserinfo, quoteOpen } from './hidden.ts';
import { envName, findNearest, flagName } from './names.ts';
import type { Setting, SettingsShape } from './setting.ts';

export interface FlagsRead {
  /** Raw values by name of the setting. A flag with a mistake has the value undefined. */
  readonly given: Map<string, string | undefined>;
  readonly mistakes: string[];
}

interface Known {
  readonly name: string;
  readonly one: Setting<unknown>;
  /** The value of `--no-x`. */
  readonly value?: 'false';
}

function knownFlags(shape: SettingsShape): Map<string, Known> {
  const known = new Map<string, Known>();
  for (const [name, one] of Object.entries(shape)) {
    known.set(flagName(name), { name, one });
    if (one.kind === 'flag') known.set(flagName(name).replace('--', '--no-'), { name, one, value: 'false' });
  }
  return known;
}

/** A word that begins with a dash is a flag. A single dash and negative numbers are values. */
const isFlag = (word: string): boolean => /^-(-|[a-zA-Z])/.test(word);

/** Notes every mistake, and does not show values of secret and of unknown flags. */
export function readFlags(shape: SettingsShape, argv: readonly string[]): FlagsRead {
  const known = knownFlags(shape);
  const read: FlagsRead = { given: new Map(), mistakes: [] };
  let secretSeen = false;
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? '';
    if (word === '--') {
      for (const rest of argv.slice(at + 1)) read.mistakes.push(stray(rest, secretSeen));
      break;
    }
    if (!isFlag(word)) {
      read.mistakes.push(stray(word, secretSeen));
      continue;
    }
    const equals = word.indexOf('=');
    const flag = equals < 0 ? word : word.slice(0, equals);
    const inline = equals < 0 ? undefined : word.slice(equals + 1);
    const next = argv[at + 1];
    const follows = inline === undefined && next !== undefined && !isFlag(next);
    const found = known.get(flag);
    if (!found) {
      // The next word is probably the value, and may be a secret.
      if (follows) at++;
      secretSeen = true;
      read.mistakes.push(unknown(flag, known));
      continue;
    }
    secretSeen ||= found.one.secret;
    if (found.one.kind === 'flag') take(read, found, found.value ?? inline ?? 'true', found.value !== undefined && inline !== undefined);
    else {
      if (follows) at++;
      take(read, found, inline ?? (follows ? next : undefined), false);
    }
  }
  return read;
}

function stray(word: string, secretSeen: boolean): string {
  const shown = secretSeen ? 'a word that may be a secret' : quoteOpen(word);
  return `${shown} is not expected: write settings as --name value or --name=value, and quote a value that has spaces`;
}

function unknown(flag: string, known: ReadonlyMap<string, Known>): string {
  const nearest = findNearest(flag, [...known.keys()]);
  const name = nearest && known.get(nearest)?.name;
  const shown = quote(hideUserinfo(flag));
  return `${shown} is not a setting: ${name ? `did you mean ${nearest} (${envName(name)})?` : '--help lists all settings'}`;
}

function take({ given, mistakes }: FlagsRead, { name, one }: Known, raw: string | undefined, valueOnNo: boolean): void {
  const flag = flagName(name);
  const label = `${name} (${flag}, ${envName(name)})`;
  if (valueOnNo) mistakes.push(`${label}: a --no-… flag cannot have a value: write ${flag}=false`);
  else if (raw === undefined) mistakes.push(`${label}: the value is missing: write ${flag} ${one.placeholder}`);
  else if (raw === '' && one.kind !== 'list')
    mistakes.push(`${label}: the value is empty: write ${flag} ${one.placeholder}, or remove the flag`);
  else if (given.get(name) !== undefined && one.kind === 'list') {
    given.set(name, `${given.get(name)},${raw}`);
    return;
  } else if (given.has(name)) mistakes.push(`${label}: is given more than once: give it once`);
  else {
    given.set(name, raw);
    return;
  }
  if (!given.has(name)) given.set(name, undefined);
}
