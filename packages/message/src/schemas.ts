import { schemas as chainSchemas } from '@blockhub/chain';

type Schema = Readonly<Record<string, unknown>>;

const hash = { type: 'string', pattern: '^(?:[0-9a-f]{32}|[0-9a-f]{64})$' };
const whole = { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER };
const queue = { type: 'string', minLength: 1, maxLength: 255 };

/** Unlike chains, messages ignore unknown keys, so that a newer stage can add one at any depth. */
function tolerant(schema: Schema): Schema {
  const entries = Object.entries(schema).filter(([name, value]) => !(name === 'additionalProperties' && value === false));
  return Object.fromEntries(entries.map(([name, value]) => [name, isSchema(value) ? tolerant(value) : value]));
}

const isSchema = (value: unknown): value is Schema => typeof value === 'object' && value !== null && !Array.isArray(value);

/** JSON Schemas (draft-07) of every JSON body. */
export const messageSchemas = {
  group: { type: 'array', items: tolerant(chainSchemas.Receipt) },
  tail: tolerant(chainSchemas.Tail),
  tailWanted: { type: 'object', required: ['chain', 'tailsTo'], properties: { chain: hash, tailsTo: queue } },
  blueprint: tolerant(chainSchemas.Blueprint),
  committed: {
    type: 'object',
    required: ['chain', 'id', 'prev', 'height', 'time', 'blobs'],
    properties: { chain: hash, id: hash, prev: hash, height: whole, time: whole, blobs: whole },
  },
  eventReceipt: {
    type: 'object',
    required: ['event', 'chain', 'block', 'height', 'position'],
    properties: { event: { type: 'string', minLength: 1 }, chain: hash, block: hash, height: whole, position: whole },
  },
} satisfies Record<string, Schema>;

export type SchemaName = keyof typeof messageSchemas;
