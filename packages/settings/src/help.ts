import { hideUserinfo } from './hidden.ts';
import { checkShape, envName, flagName } from './names.ts';
import type { Setting, SettingsShape } from './setting.ts';
import { sentence, wrap } from './text.ts';
import { durationForm, sizeForm } from './units.ts';

const WIDTH = 100;
const INDENT = 6;

const paragraph = (text: string, by: number): string =>
  wrap(text, WIDTH - by)
    .map((line) => ' '.repeat(by) + line)
    .join('\n');

/** Such as `--port N`. A flag that is on by default is shown as `--no-x`. */
export function flagUsage(name: string, one: Setting<unknown>): string {
  if (one.kind !== 'flag') return `${flagName(name)} ${one.placeholder}`;
  return one.default === true ? flagName(name).replace('--', '--no-') : flagName(name);
}

/** The default as it would be typed. A secret has none. */
export const shownDefault = (one: Setting<unknown>): string | undefined =>
  one.default === undefined || one.secret ? undefined : hideUserinfo(one.format(one.default));

function facts(name: string, one: Setting<unknown>): string[] {
  const lines = [sentence(one.text)];
  const shown = shownDefault(one);
  if (one.required) lines.push('Required.');
  if (one.kind === 'flag') lines.push(one.default === true ? 'Default: on. This flag switches it off.' : 'Default: off');
  else if (shown !== undefined) lines.push(`Default: ${shown === '' ? 'none' : shown}`);
  if (one.example !== undefined && !one.secret) lines.push(`Example: ${hideUserinfo(one.example)}`);
  if (one.secret) lines.push(`Secret. Set ${envName(name)}, or write the secret into a file and set ${envName(name)}_FILE to its path.`);
  return lines;
}

const rules = [
  (name: string) => `Each setting is a flag or an environment variable: ${flagName(name)} is the same as ${envName(name)}.`,
  () => 'If both are set, the flag is used. An empty variable counts as not set.',
];

/** How amounts are written. Only the kinds that the settings have are explained. */
const amounts = { size: `SIZE is ${sizeForm}.`, duration: `TIME is ${durationForm}.` } as const;

function introduction(shape: SettingsShape): string {
  const [first] = Object.keys(shape);
  if (first === undefined) return 'It has no settings.';
  const kinds = new Set(Object.values(shape).map(({ kind }) => kind));
  const forms = (['size', 'duration'] as const).filter((kind) => kinds.has(kind)).map((kind) => amounts[kind]);
  return [...rules.map((rule) => rule(first)), ...forms].map((line) => paragraph(line, 0)).join('\n');
}

/** The text for `--help`, at most 100 columns wide. */
export function help(name: string, summary: string, shape: SettingsShape): string {
  checkShape(shape);
  const settings = Object.entries(shape).map(([key, one]) =>
    [paragraph(flagUsage(key, one), 2), ...facts(key, one).map((line) => paragraph(line, INDENT))].join('\n'),
  );
  return `${[paragraph(`${name}: ${sentence(summary)}`, 0), introduction(shape), ...settings].join('\n\n')}\n`;
}
