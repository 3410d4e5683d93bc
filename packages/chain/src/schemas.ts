import { reservedMeta } from './item.ts';
import { MAX_HEIGHT } from './keys.ts';

/** A JSON Schema, draft-07, self-contained. */
export type Schema = Readonly<Record<string, unknown>>;

const hash: Schema = { type: 'string', pattern: '^(?:[0-9a-f]{32}|[0-9a-f]{64})$' };
const sha256: Schema = { type: 'string', pattern: '^[0-9a-f]{64}$' };
const md5: Schema = { type: 'string', pattern: '^[0-9a-f]{32}$' };
const event: Schema = { type: 'string', pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$' };
const count: Schema = { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER };
const height: Schema = { type: 'integer', minimum: 0, maximum: MAX_HEIGHT };
const crypt: Schema = { enum: ['sha256', 'md5'] };
/** Not a list of types, because strict readers of schemas refuse that. */
const metaValue: Schema = { anyOf: [{ type: 'string' }, { type: 'number' }, { type: 'boolean' }] };

const meta: Schema = { type: 'object', propertyNames: { not: { enum: [...reservedMeta] } }, additionalProperties: metaValue };
const messageMeta: Schema = { type: 'object', additionalProperties: metaValue };

const at: Schema = {
  type: 'object',
  properties: { key: { type: 'string', minLength: 1 }, offset: count },
  required: ['key'],
  additionalProperties: false,
};

/** A sha256 is beside md5 and nowhere else. `field` is the hash that `crypt` gives. */
const besideMd5 = (field: string): Schema => ({
  if: { type: 'object', properties: { crypt: { const: 'md5' } }, required: ['crypt'] },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: { type: 'object', properties: { [field]: md5, sha256 }, required: ['sha256'] },
  else: { type: 'object', properties: { [field]: sha256, sha256: false } },
});

const itemFields = { event, crypt, hash, length: count, sha256 };
const itemRequired = ['event', 'crypt', 'hash', 'length'];

/** A blob in a block as readers print it: its meta are fields beside its own. */
const BlobItem: Schema = {
  title: 'BlobItem',
  type: 'object',
  properties: itemFields,
  required: itemRequired,
  additionalProperties: metaValue,
  ...besideMd5('hash'),
};

const Receipt: Schema = {
  title: 'Receipt',
  type: 'object',
  properties: { ...itemFields, at, meta },
  required: [...itemRequired, 'at', 'meta'],
  additionalProperties: false,
  ...besideMd5('hash'),
};

/** Facts about a chain's newest block: a message, not the block. */
const Tail: Schema = {
  title: 'Tail',
  type: 'object',
  properties: { chain: hash, height, id: hash, time: count, crypt, sha256 },
  required: ['chain', 'height', 'id', 'time', 'crypt'],
  additionalProperties: false,
  ...besideMd5('id'),
};

const noNext: Schema = { type: 'null' };
const nextOrNone: Schema = { oneOf: [hash, noNext] };
const blobs: Schema = { type: 'array', items: BlobItem, minItems: 1 };

/** Other fields are allowed, because readers print more of them as the format grows. */
const rootFields = {
  id: hash,
  chain: hash,
  prev: { type: 'null' },
  height: { const: 0 },
  time: count,
  blobs: { type: 'array', items: BlobItem },
};
const linkFields = { id: hash, chain: hash, prev: hash, height: { ...height, minimum: 1 }, time: count, blobs };
const blockRequired = ['id', 'chain', 'prev', 'height', 'blobs'];

const rootWith = (next: Schema, required: readonly string[]): Schema => ({ type: 'object', properties: { ...rootFields, next }, required });
const linkWith = (next: Schema, required: readonly string[]): Schema => ({ type: 'object', properties: { ...linkFields, next }, required });

const RootBlock: Schema = { title: 'RootBlock', ...rootWith(nextOrNone, blockRequired) };
const LinkBlock: Schema = { title: 'LinkBlock', ...linkWith(hash, [...blockRequired, 'next']) };
const TailBlock: Schema = { title: 'TailBlock', anyOf: [linkWith(noNext, blockRequired), rootWith(noNext, blockRequired)] };

const lineRequired = [...blockRequired, 'next', 'time'];
/** A block at any height: the line that `blockhub walk` prints. */
const Block: Schema = { title: 'Block', anyOf: [rootWith(nextOrNone, lineRequired), linkWith(nextOrNone, lineRequired)] };

const NewBlock: Schema = {
  title: 'NewBlock',
  type: 'object',
  properties: { id: hash, chain: hash, prev: hash, time: count, blobs, height: false, next: false },
  required: ['chain', 'prev', 'blobs'],
};

const part = (msg: Schema): Schema => ({
  type: 'object',
  properties: { msg, meta: messageMeta },
  required: ['msg', 'meta'],
  additionalProperties: false,
});

const Blueprint: Schema = {
  title: 'Blueprint',
  type: 'object',
  properties: { tail: part(Tail), group: { type: 'array', items: part({ type: 'array', items: Receipt }), minItems: 1 } },
  required: ['tail', 'group'],
  additionalProperties: false,
};

const BeforeStitch: Schema = {
  title: 'BeforeStitch',
  type: 'object',
  properties: { tail: TailBlock, new: NewBlock },
  required: ['tail', 'new'],
  additionalProperties: false,
};

const AfterStitch: Schema = {
  title: 'AfterStitch',
  type: 'object',
  properties: {
    // The old tail may have been the root.
    link: { anyOf: [LinkBlock, rootWith(hash, [...blockRequired, 'next'])] },
    tail: linkWith(noNext, blockRequired),
  },
  required: ['link', 'tail'],
  additionalProperties: false,
};

/** The documents of chains as JSON Schemas, draft-07. Each can be compiled alone. */
export const schemas = {
  Block,
  RootBlock,
  LinkBlock,
  TailBlock,
  NewBlock,
  BlobItem,
  Receipt,
  Tail,
  Blueprint,
  BeforeStitch,
  AfterStitch,
} as const satisfies Record<string, Schema>;
