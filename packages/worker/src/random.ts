import { randomFillSync } from 'node:crypto';
import { newEvent } from '@blockhub/chain';
import type { Clock } from '@blockhub/clock';

/** Returns a number in [0, 1). */
export type Random = () => number;

const pool = new Uint32Array(1024);
let used = pool.length;

/** Strong enough that event ids of a whole cluster never collide, and cheap. */
export const systemRandom: Random = () => {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  return (pool[used++] ?? 0) / 2 ** 32;
};

/** How far ids may run ahead of the clock. If it is set back further, they follow it. */
const MOST_AHEAD_MS = 5000;

/**
 * Makes event ids (UUIDv7), each of which sorts after the one before. A counter in the 12 bits
 * behind the milliseconds (RFC 9562, 6.2, method 1) borrows from the next millisecond when it is
 * full. The other 62 bits are random. An id takes well below a microsecond.
 */
export function eventIds(clock: Pick<Clock, 'now'>, random: Random): () => string {
  const bytes = new DataView(new ArrayBuffer(10));
  const drawn = new Uint8Array(bytes.buffer);
  let last = -1;
  let counter = 0;
  return () => {
    const now = clock.now();
    if (now > last || now < last - MOST_AHEAD_MS) {
      last = now;
      // It starts in the lower half, so that a burst has room before it borrows.
      counter = Math.floor(random() * 0x800);
    } else if (++counter > 0xfff) {
      last++;
      counter = 0;
    }
    bytes.setUint16(0, counter);
    bytes.setUint32(2, random() * 2 ** 32);
    bytes.setUint32(6, random() * 2 ** 32);
    return newEvent(last, drawn);
  };
}
