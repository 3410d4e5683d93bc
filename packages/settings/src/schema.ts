import { hideUserinfo } from './hidden.ts';
import { checkShape } from './names.ts';
import type { Setting, SettingsShape } from './setting.ts';

/** A key of a Kubernetes Secret, because chart values never contain secrets. */
const secretSchema = {
  type: 'object',
  properties: { secret: { type: 'string', minLength: 1 }, key: { type: 'string', minLength: 1 } },
  required: ['secret', 'key'],
  additionalProperties: false,
};

/** A restriction must have a value, because an empty one is refused at the start. */
const restriction = ({ kind, schema }: Setting<unknown>): Record<string, unknown> => {
  if (kind === 'list') return { minItems: 1 };
  return (kind === 'text' || kind === 'url') && !schema.pattern ? { pattern: '\\S' } : {};
};

function property(one: Setting<unknown>): Record<string, unknown> {
  const { text, schema, default: preset, secret, kind, format, example, restricts } = one;
  if (secret) return { description: text, ...secretSchema };
  // Amounts are shown with their unit.
  const shown =
    preset === undefined
      ? undefined
      : kind === 'size' || kind === 'duration'
        ? format(preset)
        : typeof preset === 'string'
          ? hideUserinfo(preset)
          : preset;
  return {
    description: text,
    ...schema,
    ...(restricts && restriction(one)),
    ...(shown === undefined ? {} : { default: shown }),
    ...(example === undefined ? {} : { examples: [hideUserinfo(example)] }),
  };
}

/** JSON schema (draft-07) of the chart values. A secret is an object `{ secret, key }`. */
export function jsonSchema(shape: SettingsShape): Record<string, unknown> {
  checkShape(shape);
  const entries = Object.entries(shape);
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    type: 'object',
    properties: Object.fromEntries(entries.map(([name, one]) => [name, property(one)])),
    required: entries.filter(([, one]) => one.required).map(([name]) => name),
    additionalProperties: false,
  };
}
