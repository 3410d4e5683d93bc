/** @group long: it fills queues up to their limits. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { VirtualClock } from '@blockhub/clock';
import { expect, test } from '@jest/globals';
import { openSqliteBroker } from './broker.ts';

test('publishes that failed take no room in a private queue', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'owner-'));
  const clock = new VirtualClock();
  const path = join(folder, 'broker.sqlite');
  const broker = await openSqliteBroker(path, { clock });
  try {
    await broker.declare([
      { name: 'committed', kind: 'durable' },
      { name: 'tails', kind: 'private', maxMessages: 2 },
    ]);
    const publish = () =>
      broker.publish([
        { queue: 'committed', id: '1', meta: {}, body: Buffer.from('x') },
        { queue: 'tails', id: '2', meta: {}, body: Buffer.from('y'), hint: true },
      ]);
    const other = new DatabaseSync(path);
    other.exec('BEGIN IMMEDIATE');
    for (let tries = 0; tries < 2; tries++) await expect(publish()).rejects.toMatchObject({ code: 'BROKER_UNAVAILABLE' });
    other.exec('ROLLBACK');
    other.close();
    await clock.advance(2000);
    expect((await broker.queues()).find(({ name }) => name === 'tails')).toMatchObject({ ready: 0, bytes: 0 });
    await publish();
  } finally {
    await broker.close();
    await rm(folder, { recursive: true });
  }
});
