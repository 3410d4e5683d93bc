/** A value of a chart: what values.yaml, values.schema.json and the README say of it. */
export interface Value {
  readonly text: string;
  readonly schema: Readonly<Record<string, unknown>>;
  /** Undefined: it stands in values.yaml as a comment. */
  readonly preset?: unknown;
  /** What the comment shows where there is no preset. */
  readonly example?: unknown;
}

/** Values under a common name. */
export interface ValueGroup {
  readonly text: string;
  readonly values: Values;
  /** Values of other charts may stand beside these. */
  readonly open?: boolean;
}

export type Values = Readonly<Record<string, Value | ValueGroup>>;

const isGroup = (one: Value | ValueGroup): one is ValueGroup => 'values' in one;

/** Ways to write values down. */
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
  /** Kubernetes' own words, which Kubernetes checks. */
  map: (text: string, preset: object = {}): Value => ({ text, preset, schema: { type: 'object' } }),
  strings: (text: string): Value => ({
    text,
    preset: {},
    schema: { type: 'object', additionalProperties: { type: ['string', 'integer', 'boolean'] } },
  }),
  /** Variables of the environment; those of Blockhub are settings. */
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

/** values.yaml: each value with its meaning before it. */
export function yaml(values: Values, indent = ''): string {
  return Object.entries(values)
    .map(([name, one]) => {
      const comment = `${indent}# ${one.text}\n`;
      if (isGroup(one))
        return `${comment}${indent}${name}:${Object.keys(one.values).length > 0 && hasPreset(one) ? '' : ' {}'}\n${yaml(one.values, `${indent}  `)}`;
      if (one.preset !== undefined) return `${comment}${block(name, one.preset, indent)}`;
      return `${comment}${indent}# ${name}:${one.example === undefined ? '' : ` ${inline(one.example)}`}\n`;
    })
    .join('');
}

/** A mapping of comments alone would be null in YAML. */
const hasPreset = ({ values }: ValueGroup): boolean => Object.values(values).some((one) => isGroup(one) || one.preset !== undefined);

/** JSON schema of these values: what is not there is a mistake. */
export function schema(values: Values, open = false): Record<string, unknown> {
  const properties = Object.entries(values).map(([name, one]) => [
    name,
    { description: one.text, ...(isGroup(one) ? schema(one.values, one.open) : one.schema) },
  ]);
  return { type: 'object', properties: Object.fromEntries(properties), additionalProperties: open };
}

const cell = (text: string): string => text.replaceAll('|', '\\|');

/** Rows of a Markdown table: path, preset, meaning. */
export function rows(values: Values, path = ''): string[] {
  return Object.entries(values).flatMap(([name, one]) => {
    const full = `${path}${name}`;
    if (isGroup(one)) return rows(one.values, `${full}.`);
    const preset = one.preset === undefined || one.preset === '' ? '' : `\`${cell(JSON.stringify(one.preset)).replace(/^"(.*)"$/, '$1')}\``;
    return [`| \`${full}\` | ${preset} | ${cell(one.text)} |\n`];
  });
}
