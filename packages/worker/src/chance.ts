import { randomFillSync } from 'node:crypto';
import { newEvent } from '@blockhub/chain';

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

const drawn = new Uint8Array(10);

/** An event id (UUIDv7) whose 74 bits of chance are three draws. */
export function drawEvent(nowMs: number, random: Random): string {
  const first = Math.floor(random() * 2 ** 26);
  drawn[0] = first >>> 22;
  drawn[1] = first >>> 14;
  drawn[2] = (first >>> 8) & 0x3f;
  drawn[3] = first;
  drawBytes(4, random);
  drawBytes(7, random);
  return newEvent(nowMs, drawn);
}

function drawBytes(at: number, random: Random): void {
  const bits = Math.floor(random() * 2 ** 24);
  drawn[at] = bits >>> 16;
  drawn[at + 1] = bits >>> 8;
  drawn[at + 2] = bits;
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
