import { randomFillSync } from 'node:crypto';
import { newEvent } from '@blockhub/chain';
import type { Clock } from '@blockhub/clock';

const POOL = 8192;
const RANDOM_BYTES = 10;

/**
 * Gives event ids that grow within this process (RFC 9562, method 1: a counter in the 12 bits behind the milliseconds),
 * so that the events of one sender stand in its chain in the order of their answers.
 */
export function eventIds(clock: Clock, fill: (bytes: Uint8Array) => void = randomFillSync): () => { event: string; createdAt: number } {
  const pool = Buffer.alloc(POOL - (POOL % RANDOM_BYTES));
  let at = pool.length;
  let last = 0;
  let counter = 0;
  return () => {
    if (at === pool.length) {
      fill(pool);
      at = 0;
    }
    const random = pool.subarray(at, at + RANDOM_BYTES);
    at += RANDOM_BYTES;
    const now = clock.now();
    if (now > last) {
      last = now;
      counter = random.readUInt16BE(0) & 0x7ff;
    } else if (++counter > 0xfff) {
      // 4,096 ids within one millisecond, or a clock that went back: borrow from the next millisecond.
      last++;
      counter = 0;
    }
    random.writeUInt16BE(counter, 0);
    return { event: newEvent(last, random), createdAt: last };
  };
}
