import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { LogSync } from './log-sync.ts';

test('a call during a sync waits for the next one, which the calls after it share', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'blockhub-log-'));
  await writeFile(join(folder, 'x-wal'), 'log');
  const log = new LogSync(join(folder, 'x'));
  const done: string[] = [];
  const first = log.sync();
  const running = first.then(() => done.push('running'));
  expect(log.busy).toBe(true);
  // What was written since may not be in the one that runs.
  const [next, shared] = [log.sync(), log.sync()];
  expect(next === first).toBe(false);
  expect(shared === next).toBe(true);
  await Promise.all([running, next.then(() => done.push('next'))]);
  expect([done, log.busy]).toEqual([['running', 'next'], false]);
  await log.close();
  await rm(folder, { recursive: true });
});
