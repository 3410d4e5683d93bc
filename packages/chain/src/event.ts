import { BlockhubError } from '@blockhub/errors';

/** Value of each character as a lower-case hex digit, -1 for all others. */
const digitOf = new Int8Array(65_536).fill(-1);
for (let value = 0; value < 16; value++) digitOf[value.toString(16).charCodeAt(0)] = value;

const hexOf = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

const digitAt = (text: string, index: number): number => digitOf[text.charCodeAt(index)] as number;

/** Negative if one of the characters is not a digit, because the sign stays in the disjunction. */
function digitsOf(text: string, from: number, to: number): number {
  let digits = 0;
  for (let index = from; index < to; index++) digits |= digitAt(text, index);
  return digits;
}

/** At most eight hex digits. */
function numberOf(text: string, from: number, to: number): number {
  let bits = 0;
  for (let index = from; index < to; index++) bits = (bits << 4) | digitAt(text, index);
  return bits >>> 0;
}

const hyphenAt = (text: string, index: number): boolean => text.charCodeAt(index) === 45;

/** Milliseconds of a UUIDv7 in lower case, or -1. It is hot, and a pattern takes twice as long. */
export function timeOrMinus(text: string): number {
  const isVersion7 = text.charCodeAt(14) === 55;
  if (text.length !== 36 || !isVersion7 || (digitAt(text, 19) & ~3) !== 8) return -1;
  if (!hyphenAt(text, 8) || !hyphenAt(text, 13) || !hyphenAt(text, 18) || !hyphenAt(text, 23)) return -1;
  const digits = digitsOf(text, 0, 8) | digitsOf(text, 9, 13) | digitsOf(text, 15, 18) | digitsOf(text, 20, 23) | digitsOf(text, 24, 36);
  return digits < 0 ? -1 : numberOf(text, 0, 8) * 65_536 + numberOf(text, 9, 13);
}

/** True for a UUIDv7 (RFC 9562) in lower case. */
export const isEvent = (text: unknown): text is string => typeof text === 'string' && timeOrMinus(text) >= 0;

/** In milliseconds since 1970. @throws MESSAGE_INVALID if it is not a UUIDv7 in lower case */
export function eventTime(event: string): number {
  const time = timeOrMinus(event);
  if (time < 0)
    throw new BlockhubError('MESSAGE_INVALID', `event id ${JSON.stringify(event)} is not a UUIDv7 in lower case`, {
      details: { path: '/event' },
    });
  return time;
}

/** 48 bits of time and 74 random bits, from milliseconds since 1970 and ten random bytes. */
export function newEvent(nowMs: number, random: Uint8Array): string {
  if (!Number.isInteger(nowMs) || nowMs < 0 || nowMs >= 2 ** 48) throw new RangeError(`not a time in milliseconds: ${nowMs}`);
  if (random.length < 10) throw new RangeError('an event id needs ten random bytes');
  const time = nowMs.toString(16).padStart(12, '0');
  const byte = (index: number, and = 255, or = 0): string => hexOf[((random[index] as number) & and) | or] as string;
  return `${time.slice(0, 8)}-${time.slice(8)}-${byte(0, 0x0f, 0x70)}${byte(1)}-${byte(2, 0x3f, 0x80)}${byte(3)}-${byte(4)}${byte(5)}${byte(6)}${byte(7)}${byte(8)}${byte(9)}`;
}
