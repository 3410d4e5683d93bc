import { quote } from '@blockhub/errors';
/** Milliseconds since 1970, or what is wrong, in words that follow the field's name and value. */
export type ReadTime = { readonly ms: number } | { readonly wrong: string };

const FORM = /^(\d{4})-(\d{2})-(\d{2})(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?(.*))?$/s;
const OFFSET = /^([+-])(\d{2}):(\d{2})$/;
const MONTHS = 'January February March April May June July August September October November December'.split(' ');
const MINUTE = 60_000;
const MAX_SHOWN = 60;
const EXAMPLE = 'a time such as 2026-05-01T12:00:00Z, or a date such as 2026-05-01';

const wrong = (what: string): ReadTime => ({ wrong: what });

/**
 * Reads a time of RFC 3339: date, `T`, time of day and zone (`Z`, or an offset such as `+02:00`).
 * Seconds may be left out, and a blank may replace the `T`. Digits beyond milliseconds are cut off.
 * A date alone is its first moment in UTC.
 *
 * A time without a zone is refused, because it would mean another moment on every machine. So is a
 * time that no calendar has, such as 30 February, hour 24, second 60 or the year 0000.
 */
export function readTime(text: string): ReadTime {
  const [, year = '', month = '', day = '', hour, minute = '', second = '00', fraction = '', zone = ''] = FORM.exec(text) ?? [];
  if (year === '') return wrong(formWrong(text));
  const dateWrong = wrongDate(Number(year), Number(month), Number(day));
  if (dateWrong !== undefined) return wrong(dateWrong);
  const midnight = new Date(0).setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  if (hour === undefined) return { ms: midnight };
  const clockWrong = wrongClock(Number(hour), Number(minute), Number(second));
  if (clockWrong !== undefined) return wrong(clockWrong);
  const offsetMinutes = readZone(zone, text);
  if (typeof offsetMinutes === 'string') return wrong(offsetMinutes);
  const minutes = Number(hour) * 60 + Number(minute) - offsetMinutes;
  return { ms: midnight + minutes * MINUTE + Number(second) * 1000 + Number(fraction.slice(0, 3).padEnd(3, '0')) };
}

function wrongDate(year: number, month: number, day: number): string | undefined {
  if (year === 0) return 'has the year 0000, which does not exist';
  if (month < 1 || month > 12) return `has the month ${two(month)}, expected 01 to 12`;
  const name = MONTHS[month - 1] ?? '';
  const days = new Date(new Date(0).setUTCFullYear(year, month, 0)).getUTCDate();
  if (day < 1 || day > days) return `has the day ${two(day)}, but ${name} ${year} has the days 01 to ${days}`;
  return undefined;
}

function wrongClock(hour: number, minute: number, second: number): string | undefined {
  if (hour === 24) return 'has the hour 24, expected 00 to 23: write the next day at 00:00';
  if (hour > 23) return `has the hour ${two(hour)}, expected 00 to 23`;
  if (minute > 59) return `has the minute ${two(minute)}, expected 00 to 59`;
  if (second === 60) return 'has the second 60, but leap seconds are not counted here: write the second 59, or 00 of the next minute';
  if (second > 59) return `has the second ${two(second)}, expected 00 to 59`;
  return undefined;
}

const two = (value: number): string => String(value).padStart(2, '0');

/** Minutes that the zone is ahead of UTC, or what is wrong with it. */
function readZone(zone: string, text: string): number | string {
  if (zone === 'Z' || zone === 'z') return 0;
  if (zone === '') return `has no time zone: write ${text.length > MAX_SHOWN ? '' : text}Z for UTC, or add an offset such as +02:00`;
  const [, sign, hours = '', minutes = ''] = OFFSET.exec(zone) ?? [];
  if (sign === undefined) {
    const rest = shown(zone);
    if (/^[.,]/.test(zone))
      return `has ${rest} behind the time of day, expected a point and digits behind the seconds, then Z or an offset`;
    return `has the time zone ${rest}, expected Z for UTC, or an offset such as +02:00`;
  }
  if (Number(hours) > 23) return `has the offset ${zone}, whose hours must be 00 to 23`;
  if (Number(minutes) > 59) return `has the offset ${zone}, whose minutes must be 00 to 59`;
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
}

function formWrong(text: string): string {
  if (text.trim() === '') return `is empty, expected ${EXAMPLE}`;
  if (text !== text.trim()) return `has a blank at its ${text.trimStart() === text ? 'end' : 'beginning'}, expected ${EXAMPLE}`;
  const strange = /[^\x20-\x7e]/u.exec(text);
  if (strange) return `has the character ${shown(strange[0])} at position ${strange.index + 1}, expected ${EXAMPLE}`;
  if (/^[+-]?\d{5,}-/.test(text) || /^[+-]\d{4}-/.test(text)) return `has a year that is not four digits, expected ${EXAMPLE}`;
  if (/^\d{4}-\d{2}$/.test(text)) return `has no day, expected ${EXAMPLE}`;
  if (/^\d{4}-\d{2}-\d{2}[Zz+]/.test(text)) return 'is a date with a time zone: a date alone is in UTC and has none';
  if (/^\d{4}-\d{2}-\d{2}[Tt ]/.test(text))
    return `has the time of day ${shown(text.slice(11))}, expected hours, minutes and seconds of two digits each, such as 12:00:00Z`;
  if (/^\d{4}-\d/.test(text)) return `must have two digits for month and day, expected ${EXAMPLE}`;
  return `is not a time, expected ${EXAMPLE}`;
}

const shown = (text: string): string => quote(text, MAX_SHOWN);
