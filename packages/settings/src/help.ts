import { hideUserinfo } from './hidden.ts';
import { checkShape, envName, flagName } from './names.ts';
import type { Setting, SettingsShape } from './setting.ts';

const width = 100;
const indent = 6;

/** Lines of at most `room` characters; longer words are cut. */
function wrap(text: string, room: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/).filter(Boolean)) {
    let rest = word;
    if (line && line.length + 1 + rest.length <= room) {
      line += ` ${rest}`;
      continue;
    }
    if (line) lines.push(line);
    for (; rest.length > room; rest = rest.slice(room)) lines.push(rest.slice(0, room));
    line = rest;
  }
  return line ? [...lines, line] : lines;
}

const paragraph = (text: string, by: number): string =>
  wrap(text, width - by)
    .map((line) => ' '.repeat(by) + line)
    .join('\n');

/** The text with a full stop, if it has no sign at its end. */
export const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);

function usage(name: string, one: Setting<unknown>): string {
  if (one.kind !== 'flag') return `${flagName(name)} ${one.placeholder}`;
  return one.default === true ? flagName(name).replace('--', '--no-') : flagName(name);
}

/** The default as one would type it; never that of a secret. */
const shownDefault = (one: Setting<unknown>): string | undefined =>
  one.default === undefined || one.secret ? undefined : hideUserinfo(one.format(one.default));

function facts(name: string, one: Setting<unknown>): string {
  const shown = shownDefault(one);
  const parts = [sentence(one.text)];
  if (one.required) parts.push('Required.');
  if (shown !== undefined && one.kind !== 'flag') parts.push(`Default: ${shown === '' ? 'none' : shown}.`);
  if (one.kind === 'flag') parts.push(`Default: ${one.default === true ? 'on' : 'off'}.`);
  if (one.example !== undefined && !one.secret) parts.push(`Example: ${hideUserinfo(one.example)}.`);
  if (one.secret) parts.push(`Secret: better by ${envName(name)}, or ${envName(name)}_FILE with the path of a file.`);
  return parts.join(' ');
}

/** The text for `--help`, at most 100 columns wide. */
export function help(name: string, summary: string, shape: SettingsShape): string {
  checkShape(shape);
  const entries = Object.entries(shape);
  const settings = entries.map(([key, one]) => `${paragraph(usage(key, one), 2)}\n${paragraph(facts(key, one), indent)}`);
  const [first] = entries[0] ?? [];
  const rule = first
    ? `Settings. Each can also be set in the environment: ${flagName(first)} is ${envName(first)}.`
    : 'There are no settings.';
  return `${[paragraph(`${name}: ${sentence(summary)}`, 0), paragraph(rule, 0), ...settings].join('\n\n')}\n`;
}

const cell = (text: string): string => text.replace(/\s+/g, ' ').replaceAll('\\', '\\\\').replaceAll('|', '\\|');
const code = (text: string): string => `\`${cell(text).replaceAll('`', "'")}\``;

/** The settings as a Markdown table, for READMEs. */
export function table(shape: SettingsShape): string {
  checkShape(shape);
  const rows = Object.entries(shape).map(([name, one]) => {
    const shown = shownDefault(one);
    const preset = one.required ? 'required' : shown === undefined || shown === '' ? '' : code(shown);
    const example = one.example === undefined || one.secret ? '' : ` Example: ${code(hideUserinfo(one.example))}`;
    const secret = one.secret ? ` Secret; ${code(`${envName(name)}_FILE`)} may name a file.` : '';
    return `| ${code(usage(name, one))} | ${code(envName(name))} | ${preset} | ${cell(sentence(one.text))}${example}${secret} |`;
  });
  return `${['| Flag | Environment | Default | Meaning |', '| --- | --- | --- | --- |', ...rows].join('\n')}\n`;
}
