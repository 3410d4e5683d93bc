import { wrap } from '@blockhub/settings';
import { cell, code } from '../tests/reference/markdown.ts';

/** A value of a chart, for values.yaml, values.schema.json and the README. */
export interface Value {
  readonly text: string;
  readonly schema: Readonly<Record<string, unknown>>;
  /** The chart sets this. If it is undefined, values.yaml has the value as a comment. */
  readonly preset?: unknown;
  /** If there is no preset: what holds then, as the README shows it. */
  readonly fallback?: string;
  /** If there is no preset: what the comment in values.yaml shows. */
  readonly example?: unknown;
}

/** Values under a common name. */
export interface ValueGroup {
  readonly text: string;
  readonly values: Values;
  /** Values of other charts are allowed beside these. */
  readonly open?: boolean;
}

export type Values = Readonly<Record<string, Value | ValueGroup>>;

const isGroup = (one: Value | ValueGroup): one is ValueGroup => 'values' in one;

/** Makers of values. */
export const value = {
  text: (text: string, preset = '', pattern?: string): Value => ({ text, preset, schema: { type: 'string', ...(pattern && { pattern }) } }),
  flag: (text: string, preset: boolean): Value => ({ text, preset, schema: { type: 'boolean' } }),
  integer: (text: string, preset: number, minimum = 0, maximum?: number): Value => ({
    text,
    preset,
    schema: { type: 'integer', minimum, ...(maximum !== undefined && { maximum }) },
  }),
  choice: (text: string, preset: string, of: readonly string[]): Value => ({ text, preset, schema: { enum: of } }),
  list: (text: string, items: string, preset: readonly unknown[] = []): Value => ({
    text,
    preset,
    schema: { type: 'array', items: { type: items } },
  }),
  choices: (text: string, of: readonly string[]): Value => ({
    text,
    preset: [],
    schema: { type: 'array', items: { enum: of }, uniqueItems: true },
  }),
  /** A part of a Kubernetes object. Kubernetes checks it. */
  map: (text: string, preset: object = {}): Value => ({ text, preset, schema: { type: 'object' } }),
  strings: (text: string): Value => ({
    text,
    preset: {},
    schema: { type: 'object', additionalProperties: { type: ['string', 'integer', 'boolean'] } },
  }),
  /** Variables of the environment, without those that are settings. */
  variables: (text: string): Value => {
    const { schema, ...rest } = value.strings(text);
    return { ...rest, schema: { ...schema, propertyNames: { pattern: '^[A-Za-z_][A-Za-z0-9_]*$', not: { pattern: '^BLOCKHUB_' } } } };
  },
  size: (text: string, preset: string): Value => ({
    text,
    preset,
    schema: { type: 'string', pattern: '^[0-9]+([.][0-9]+)?(Ki|Mi|Gi|Ti)?$' },
  }),
} as const;

const plain = (text: string): boolean => /^[A-Za-z/][\w./:-]*$/.test(text) && !/^(true|false|null|yes|no|on|off|y|n)$/i.test(text);

/** A value on one line of YAML. */
const inline = (it: unknown): string => (typeof it === 'string' && plain(it) ? it : JSON.stringify(it));

function block(name: string, it: unknown, indent: string): string {
  const isMap = typeof it === 'object' && it !== null && !Array.isArray(it) && Object.keys(it).length > 0;
  if (!isMap) return `${indent}${name}: ${inline(it)}\n`;
  const inside = Object.entries(it).map(([key, part]) => block(key, part, `${indent}  `));
  return `${indent}${name}:\n${inside.join('')}`;
}

const COLUMNS = 100;
const comment = (text: string, indent: string): string =>
  wrap(text, COLUMNS - indent.length - 2)
    .map((line) => `${indent}# ${line}\n`)
    .join('');

/** What a text and a fallback say together. */
const described = ({ text, fallback }: Value): string => (fallback === undefined ? text : `${text} Default: ${fallback}.`);

/** values.yaml: each value below its meaning. */
export function yaml(values: Values, indent = ''): string {
  return Object.entries(values)
    .map(([name, one]) => {
      if (isGroup(one))
        return `${comment(one.text, indent)}${indent}${name}:${hasPreset(one) ? '' : ' {}'}\n${yaml(one.values, `${indent}  `)}`;
      const text = comment(described(one), indent);
      if (one.preset !== undefined) return `${text}${block(name, one.preset, indent)}`;
      return `${text}${indent}# ${name}:${one.example === undefined ? '' : ` ${inline(one.example)}`}\n`;
    })
    .join('');
}

/** In YAML, a mapping of comments alone would be null. */
const hasPreset = ({ values }: ValueGroup): boolean => Object.values(values).some((one) => isGroup(one) || one.preset !== undefined);

/** JSON schema of these values. It refuses every other name, if `open` is not set. */
export function schema(values: Values, open = false): Record<string, unknown> {
  const properties = Object.entries(values).map(([name, one]) => [
    name,
    isGroup(one) ? { description: one.text, ...schema(one.values, one.open) } : { description: described(one), ...one.schema },
  ]);
  return { type: 'object', properties: Object.fromEntries(properties), additionalProperties: open };
}

/** Rows of a table: path, default, meaning. */
export function rows(values: Values, path = ''): string[][] {
  return Object.entries(values).flatMap(([name, one]) => {
    const full = `${path}${name}`;
    if (isGroup(one)) return rows(one.values, `${full}.`);
    const preset = one.preset === undefined ? one.fallback : JSON.stringify(one.preset).replace(/^"(.*)"$/, '$1');
    return [[code(full), preset ? code(preset) : '', cell(one.text)]];
  });
}
