import { randomFillSync } from 'node:crypto';

/** Gives a number in [0, 1). */
export type Random = () => number;

const pool = new Uint32Array(1024);
let used = pool.length;

/** The randomness of real processes: strong enough that event ids of a whole cluster never meet, and cheap by the thousand. */
export const systemRandom: Random = () => {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  return (pool[used++] ?? 0) / 2 ** 32;
};

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');

/** A UUIDv7 (RFC 9562): 48 bits of time, 74 of chance in three draws. */
export function newEvent(nowMs: number, random: Random): string {
  const time = hex(nowMs, 12);
  const first = Math.floor(random() * 2 ** 26);
  const second = Math.floor(random() * 2 ** 24);
  const third = Math.floor(random() * 2 ** 24);
  const version = hex(0x7000 | (first >>> 14), 4);
  const variant = hex(0x8000 | (first & 0x3fff), 4);
  return `${time.slice(0, 8)}-${time.slice(8)}-${version}-${variant}-${hex(second, 6)}${hex(third, 6)}`;
}

export interface BackOff {
  readonly firstMs: number;
  readonly mostMs: number;
}

/** How long to wait after so many failures (from 1): doubled each time, between half and all of it so that many do not come back at once. */
export function backOff(failures: number, { firstMs, mostMs }: BackOff, random: Random): number {
  const full = Math.min(mostMs, firstMs * 2 ** Math.min(failures - 1, 30));
  return Math.ceil(full * (0.5 + random() / 2));
}
