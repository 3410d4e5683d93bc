import { isEvent } from './event.ts';
import { isHash } from './hash.ts';
import { isChainName } from './keys.ts';

// Capitals, a label such as `sha256:` or `urn:uuid:`, and braces, quotes or white space around an
// id do not change it. A text that looks like an id and is not one gets a reason, so that a typing
// error is never "not found".

export type ReadId =
  /** A whole id in its canonical form. 32 digits without a label can be an MD5 or an event id. */
  | { readonly kind: 'id'; readonly hash?: string; readonly event?: string }
  /**
   * The first 8 or more digits of a hash, of an event id (with its dashes), or of either. `wrong`
   * is the message if no id begins so, and the text is long enough to be meant as a whole id.
   */
  | { readonly kind: 'prefix'; readonly hash?: string; readonly event?: string; readonly wrong?: string }
  /** `meant`: it looks like a damaged id, not like something else. */
  | { readonly kind: 'wrong'; readonly wrong: string; readonly meant: boolean };

/** `name` and `prefix` may both be set, because a name may have hex digits only. */
export interface ReadChain {
  /** A whole id in its canonical form. Then nothing else is set. */
  readonly id?: string;
  readonly name?: string;
  readonly prefix?: string;
  /** Why it is not an id, if it looks like one. */
  readonly wrong?: string;
}

/** The fewest digits of a prefix: two of a million ids share them in one of 10,000 stores. */
const MIN_PREFIX = 8;
const MAX_TEXT = 1_000;
/** A name rarely has so many hex digits, and a person rarely types so many of an id. */
const MEANT_DIGITS = 28;
const MEANT_SHARE = 0.85;

/** What may be around an id, as terminals, JSON, mails and forms leave it there. */
const AROUND = /^[\s\u200b-\u200f\u2060"'`‘’“”«»<>{}()[\]]+/u;
const BEHIND = /[\s\u200b-\u200f\u2060"'`‘’“”«»<>{}()[\],;]+$/u;
const LABEL = /^(?:urn:)?(sha-?256|sha-?1|sha-?512|sha|md5|uuid|[ab])[:=]|^0x/i;
const CUT = /(?:…|\.{2,})/u;
const events = { sizes: [8, 4, 4, 4, 12], digits: 32 };

type Label = 'sha256' | 'sha1' | 'sha512' | 'md5' | 'uuid' | undefined;

/** The digits, the label before them, and where they begin in the text. */
function unwrap(text: string): { body: string; label: Label; at: number } {
  let at = 0;
  let label: Label;
  let body = text;
  for (let more = true; more; ) {
    const skipped = AROUND.exec(body)?.[0].length ?? 0;
    const found = LABEL.exec(body.slice(skipped));
    if (found) label = labelOf(found[1], label);
    const length = skipped + (found?.[0].length ?? 0);
    body = body.slice(length);
    at += length;
    more = length > 0;
  }
  return { body: body.replace(BEHIND, ''), label, at };
}

function labelOf(word: string | undefined, before: Label): Label {
  const plain = word?.toLowerCase().replace('-', '');
  if (plain === undefined || plain === 'a' || plain === 'b') return before;
  return plain === 'sha' ? 'sha1' : (plain as Label);
}

/** In lower case, with the label before them. `wrong` is set if they are not hex digits. */
export function readHex(text: string): { readonly digits: string; readonly label?: string; readonly wrong?: string } {
  const { body, label, at } = unwrap(text.slice(0, MAX_TEXT));
  const strange = /[^0-9a-f]/iu.exec(body);
  const read = { digits: body.toLowerCase(), ...(label === undefined ? {} : { label }) };
  return strange ? { ...read, wrong: strangeWrong(strange[0], at + strange.index + 1) } : read;
}

const wrong = (what: string, meant = true): ReadId => ({ kind: 'wrong', wrong: what, meant });

/** Reads the id of a block, chain, blob or event, or the beginning of one. Never throws. */
export function readId(text: string): ReadId {
  const isWhole: boolean = isHash(text, 'sha256');
  if (isWhole) return { kind: 'id', hash: text };
  if (text.length > MAX_TEXT) return wrong(`is ${text.length} characters long, expected an id of at most 64 digits`, false);
  const { body, label, at } = unwrap(text);
  if (body === '') return wrong('is empty, expected an id', false);
  if (label === 'sha1' || label === 'sha512')
    return wrong('is a hash of another kind: ids and hashes here are SHA-256, or MD5 on chains that were created with it');
  const digits = body.replaceAll('-', '').toLowerCase();
  const cut = CUT.exec(body);
  if (cut && /[0-9a-f]{4}/i.test(digits))
    return wrong(`is cut off by ${JSON.stringify(cut[0])}: write the whole id, or its first ${MIN_PREFIX} or more digits without the dots`);
  const strange = /[^0-9a-f-]/iu.exec(body);
  if (strange) return wrong(strangeWrong(strange[0], at + strange.index + 1), isMeant(digits) || label !== undefined);
  if (body.includes('-')) return readDashed(body, digits, label);
  if (digits.length < MIN_PREFIX) return wrong(`has ${digits.length} hex digits, expected at least ${MIN_PREFIX}`, label !== undefined);
  if (label === 'uuid') return digits.length === events.digits ? readEvent(digits) : readPart(digits, label);
  if (digits.length === 64 && label !== 'md5') return { kind: 'id', hash: digits };
  if (digits.length === 32 && label !== 'sha256') {
    const event = dashed(digits);
    return { kind: 'id', hash: digits, ...(label === undefined && isEvent(event) ? { event } : {}) };
  }
  return readPart(digits, label);
}

/** The first digits of an id, and the kinds of ids that may begin so. */
function readPart(digits: string, label: Label): ReadId {
  const most = label === 'uuid' || label === 'md5' ? 32 : 64;
  if (digits.length > most || (digits.length === most && label !== 'sha256')) return wrong(lengthWrong(digits.length, label));
  const hash = label !== 'uuid' ? { hash: digits } : {};
  const event = label !== 'sha256' && label !== 'md5' && mayBeginEvent(digits) ? { event: dashed(digits) } : {};
  return { kind: 'prefix', ...hash, ...event, ...(isMeant(digits) ? { wrong: lengthWrong(digits.length, label) } : {}) };
}

function readDashed(body: string, digits: string, label: Label): ReadId {
  const meant = isMeant(digits) || label !== undefined;
  if (label === 'sha256' || label === 'md5') return wrong('has a dash, which no hash has', meant);
  const form = dashed(digits);
  const given = body.toLowerCase().replace(/-$/, '');
  if (digits.length > events.digits) return wrong(`has ${digits.length} hex digits and dashes, expected an event id of 32 digits`, meant);
  if (form !== given) {
    const at = Array.from(given).findIndex((sign, index) => sign !== form[index]);
    return wrong(`has its dashes in other places than an event id, from position ${at + 1} on: expected ${form}`, meant);
  }
  if (digits.length === events.digits) return readEvent(digits);
  if (digits.length < MIN_PREFIX) return wrong(`has ${digits.length} hex digits, expected at least ${MIN_PREFIX}`, meant);
  if (!mayBeginEvent(digits)) return wrong('cannot begin an event id, which is a UUID of version 7', meant);
  return { kind: 'prefix', event: form, ...(isMeant(digits) ? { wrong: lengthWrong(digits.length, 'uuid') } : {}) };
}

function readEvent(digits: string): ReadId {
  const event = dashed(digits);
  if (isEvent(event)) return { kind: 'id', event };
  return wrong(`is a UUID of version ${digits[12]}, but event ids are UUIDs of version 7 (RFC 9562)`);
}

function dashed(digits: string): string {
  const parts: string[] = [];
  let from = 0;
  for (const size of events.sizes) {
    if (from >= digits.length) break;
    parts.push(digits.slice(from, from + size));
    from += size;
  }
  return [...parts, digits.slice(from)].filter((part) => part !== '').join('-');
}

/** True if version and variant, as far as the digits go, are those of a UUIDv7. */
const mayBeginEvent = (digits: string): boolean =>
  digits.length < events.digits && (digits[12] ?? '7') === '7' && /[89ab]/.test(digits[16] ?? '8');

/** True if most of it is hex digits, and they are too many for a word or a name. */
function isMeant(text: string, least = MEANT_DIGITS): boolean {
  const hex = text.replace(/[^0-9a-f]/gi, '').length;
  return text.length >= least && hex >= text.length * MEANT_SHARE;
}

function lengthWrong(length: number, label: Label): string {
  const expected = label === 'md5' || label === 'uuid' ? '32' : label === 'sha256' ? '64' : '64 (SHA-256) or 32 (MD5, event id)';
  return `has ${length} hex digits, expected ${expected}`;
}

const lookAlikes: Readonly<Record<string, string>> = {
  O: '0',
  o: '0',
  Q: '0',
  l: '1',
  I: '1',
  i: '1',
  S: '5',
  s: '5',
  Z: '2',
  z: '2',
  g: '9',
};

function strangeWrong(sign: string, position: number): string {
  const code = sign > '~' ? ` (U+${(sign.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')})` : '';
  const digit = lookAlikes[sign];
  const hint = digit === undefined ? '' : `; is it the digit ${digit}?`;
  return `has the character ${JSON.stringify(sign)}${code} at position ${position}, which is not a hex digit${hint}`;
}

/** Reads the id or name of a chain. `wrong` is for the case that no chain has the name. */
export function readChain(text: string): ReadChain {
  const isWhole: boolean = isHash(text);
  if (isWhole) return { id: text };
  const name = isChainName(text) ? { name: text } : {};
  const read = readId(text);
  // A character that no hash has makes it a name, such as a UUID or host name.
  const isName = name.name !== undefined && /[-_.]/.test(text) && !CUT.test(text);
  if (read.kind === 'wrong') {
    const meant = name.name === undefined ? read.meant || isMeant(text.trim(), MIN_PREFIX) : read.meant && !isName;
    return { ...name, ...(meant ? { wrong: read.wrong } : {}) };
  }
  const { kind, hash } = read;
  if (hash === undefined) return name;
  if (kind === 'id') return { id: hash };
  return { ...name, prefix: hash, ...(read.kind === 'prefix' && read.wrong !== undefined ? { wrong: read.wrong } : {}) };
}

/** A chain's id in its canonical form, however it is written. Any other text as it is. */
export const chainText = (text: string): string => readChain(text).id ?? text;
