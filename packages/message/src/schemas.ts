import { schemas as chainSchemas } from '@blockhub/chain';

const hash = { type: 'string', pattern: '^(?:[0-9a-f]{64}|[0-9a-f]{32})$' };
const whole = { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER };
const queue = { type: 'string', minLength: 1, maxLength: 255 };

const tail = chainSchemas.Tail;
const group = { type: 'array', items: chainSchemas.Receipt };

/** JSON Schemas (draft-07) of every JSON body; unknown keys are ignored everywhere. */
export const messageSchemas = {
  group,
  tail,
  tailWanted: { type: 'object', required: ['chain', 'tailsTo'], properties: { chain: hash, tailsTo: queue } },
  blueprint: {
    type: 'object',
    required: ['tail', 'group'],
    properties: {
      tail: { type: 'object', required: ['msg'], properties: { msg: tail } },
      group: {
        type: 'array',
        items: { type: 'object', required: ['msg'], properties: { msg: group, meta: { type: 'object' } } },
      },
    },
  },
  committed: {
    type: 'object',
    required: ['chain', 'id', 'prev', 'height', 'time', 'blobs'],
    properties: { chain: hash, id: hash, prev: hash, height: whole, time: whole, blobs: whole },
  },
} as const;

export type SchemaName = keyof typeof messageSchemas;
