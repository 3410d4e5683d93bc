import { BlockhubError, quote } from '@blockhub/errors';

/** Unit → factor, largest first. */
type Units = readonly (readonly [unit: string, factor: number])[];

/** kb = 1024 bytes; `4k` and `4kb` are the same. */
const sizeUnits: Units = [
  ['tb', 1024 ** 4],
  ['gb', 1024 ** 3],
  ['mb', 1024 ** 2],
  ['kb', 1024],
];

const durationUnits: Units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
];

/** The form of a size, also for schemas. Letters may be capital. */
export const sizePattern = '^[0-9]+([.][0-9]+)?([kKmMgGtT][bB]?)$|^[0-9]+[bB]?$';

/** The form of a duration, also for schemas. */
export const durationPattern = '^[0-9]+([.][0-9]+)?(s|m|h|d)$|^[0-9]+(ms)?$';

/** What a size is, as the end of a sentence. */
export const sizeForm = 'a number of bytes, or a number with kb, mb, gb or tb, such as 4kb or 1.2gb';
/** What a duration is, as the end of a sentence. */
export const durationForm = 'a number of milliseconds, or a number with ms, s, m, h or d, such as 250ms or 1.5s';

/** In the smallest unit, rounded down. Undefined for another form, or above 2^53. */
function findAmount(text: string, pattern: RegExp, units: Units): number | undefined {
  if (text.length > 32 || !pattern.test(text)) return undefined;
  const digits = Number.parseFloat(text);
  const unit = text.replace(/^[0-9.]+/, '').toLowerCase();
  const factor = unit === '' ? 1 : (units.find(([name]) => name === unit || name === `${unit}b`)?.[1] ?? 1);
  const amount = Math.floor(digits * factor);
  return Number.isSafeInteger(amount) ? amount : undefined;
}

function formatAmount(amount: number, units: Units): string {
  const unit = amount === 0 ? undefined : units.find(([, factor]) => amount % factor === 0);
  return unit ? `${amount / unit[1]}${unit[0]}` : String(amount);
}

const sizeRegExp = new RegExp(sizePattern);
const durationRegExp = new RegExp(durationPattern);

/** Bytes of a size such as `4kb`, `1.2gb`, `4t` or `500`. @throws SETTINGS_INVALID */
export function parseSize(text: string): number {
  const bytes = findAmount(text, sizeRegExp, sizeUnits);
  if (bytes === undefined) throw new BlockhubError('SETTINGS_INVALID', `expected a size such as 500, 4kb or 1.2gb, got ${quote(text)}`);
  return bytes;
}

/** The shortest exact text: `parseSize(formatSize(n)) === n`. */
export const formatSize = (bytes: number): string => formatAmount(bytes, sizeUnits);

/** Milliseconds of a duration such as `250ms`, `5s`, `2m` or `500`. @throws SETTINGS_INVALID */
export function parseDuration(text: string): number {
  const ms = findAmount(text, durationRegExp, durationUnits);
  if (ms === undefined) throw new BlockhubError('SETTINGS_INVALID', `expected a duration such as 500, 250ms or 1.5s, got ${quote(text)}`);
  return ms;
}

/** The shortest exact text: `parseDuration(formatDuration(n)) === n`. */
export const formatDuration = (ms: number): string => formatAmount(ms, durationUnits);
