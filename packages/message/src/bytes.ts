import type { Meta } from '@blockhub/broker';
import { invalid } from './message.ts';

const OPEN = 0x5b; // [
const CLOSE = 0x5d; // ]
const comma = Buffer.from(',');
const openArray = Buffer.from('[');
const closeArray = Buffer.from(']');

const isSpace = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

/** The bytes between the brackets of a JSON array, without white space at the ends. */
function inside(array: Buffer): Buffer {
  let from = 0;
  let to = array.length;
  while (from < to && isSpace(array[from])) from++;
  while (to > from && isSpace(array[to - 1])) to--;
  if (to - from < 2 || array[from] !== OPEN || array[to - 1] !== CLOSE) throw invalid('must be a JSON array', 'msg.doc');
  for (from++; from < to - 1 && isSpace(array[from]); ) from++;
  return array.subarray(from, to - 1);
}

/**
 * Joins JSON arrays without parsing them. Only the brackets are checked, so bodies must come from
 * our own stages. Throws MESSAGE_INVALID if a buffer does not begin and end as an array.
 */
export function joinArrays(buffers: readonly Buffer[]): Buffer {
  const [only] = buffers;
  if (only && buffers.length === 1 && only[0] === OPEN && only.at(-1) === CLOSE) return only;
  const pieces: Buffer[] = [openArray];
  for (const buffer of buffers) {
    const items = inside(buffer);
    if (items.length === 0) continue;
    if (pieces.length > 1) pieces.push(comma);
    pieces.push(items);
  }
  pieces.push(closeArray);
  return Buffer.concat(pieces);
}

/** A JSON body, as it is, with its meta. */
export interface MergePart {
  readonly body: Buffer;
  readonly meta: Meta;
}

/** Parts of a merged message, by tag. */
export type MergeParts = Readonly<Record<string, MergePart | readonly MergePart[]>>;

/**
 * The body is `{tag: {"msg": …, "meta": {…}}, …}` with the raw JSON of each body; a list of parts
 * becomes a list. Meta has all names, later parts over earlier ones; `items` are summed up.
 */
export const mergeMessages = (parts: MergeParts): { meta: Meta; body: Buffer } => ({ meta: mergeMeta(parts), body: mergeBody(parts) });

function mergeMeta(parts: MergeParts): Meta {
  const meta: Meta = {};
  let items = 0;
  for (const part of Object.values(parts).flat()) {
    Object.assign(meta, part.meta);
    if (typeof part.meta.items === 'number') items += part.meta.items;
  }
  if (items > 0) meta.items = items;
  return meta;
}

function mergeBody(tags: MergeParts): Buffer {
  const pieces: Buffer[] = [];
  let separator = '{';
  for (const [tag, value] of Object.entries(tags)) {
    pieces.push(Buffer.from(`${separator}${JSON.stringify(tag)}:`));
    if (isList(value)) pushList(pieces, value);
    else pushPart(pieces, value);
    separator = ',';
  }
  pieces.push(Buffer.from(separator === '{' ? '{}' : '}'));
  return Buffer.concat(pieces);
}

const isList = (value: MergePart | readonly MergePart[]): value is readonly MergePart[] => Array.isArray(value);

function pushList(pieces: Buffer[], parts: readonly MergePart[]): void {
  pieces.push(openArray);
  parts.forEach((part, at) => {
    if (at > 0) pieces.push(comma);
    pushPart(pieces, part);
  });
  pieces.push(closeArray);
}

const openMessage = Buffer.from('{"msg":');

function pushPart(pieces: Buffer[], { body, meta }: MergePart): void {
  pieces.push(openMessage, body, Buffer.from(`,"meta":${JSON.stringify(meta)}}`));
}
