import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VirtualClock } from '@blockhub/clock';
import { expect, test } from '@jest/globals';
import type { Delivery } from '../../types.ts';
import { openSqliteBroker } from './broker.ts';

/**
 * `due` is set at the retry but written later. Rows that were read meanwhile may be due after it.
 */
test('a retry that could not be written for a while still comes again', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'owner-'));
  const clock = new VirtualClock();
  const broker = await openSqliteBroker(join(folder, 'broker.sqlite'), { clock });
  try {
    await broker.declare([{ name: 'a', kind: 'durable' }]);
    const all: Delivery[] = [];
    await broker.consume('a', { prefetch: 10 }, (delivery) => all.push(delivery));
    await broker.publish(['1', '2'].map((id) => ({ queue: 'a', id, meta: {}, body: Buffer.from(id) })));
    await clock.advance(1);
    all[0]?.retry(20); // due at +20, written at +10
    await clock.advance(15);
    all[1]?.retry(3); // due at +18, written at +25
    await clock.advance(6); // +21: the first one is loaded
    expect(all.map(({ id }) => id)).toEqual(['1', '2', '1']);
    await clock.advance(60 * 60 * 1000);
    expect(all.map(({ id }) => id)).toEqual(['1', '2', '1', '2']);
  } finally {
    await broker.close();
    await rm(folder, { recursive: true });
  }
});
