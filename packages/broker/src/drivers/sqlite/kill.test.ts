import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { openSqliteBroker } from './broker.ts';

const KILLS = 25;
const NUMBERS_PER_LIFE = 10_000_000;

const lines = async (file: string): Promise<string[]> => (existsSync(file) ? (await readFile(file, 'utf8')).split('\n').slice(0, -1) : []);

test(`${KILLS} kills: every confirmed message is delivered, no pair is torn, the file stays whole`, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'blockhub-kill-'));
  try {
    for (let life = 0; life < KILLS; life++) {
      const args = ['--no-warnings', join(import.meta.dirname, 'kill-child.ts'), folder, String(life * NUMBERS_PER_LIFE)];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
      const ended = once(child, 'exit');
      const count = async (): Promise<number> => (await lines(join(folder, 'confirmed'))).length;
      // At another moment in each life.
      const enough = (await count()) + 1 + ((life * 37) % 150);
      while ((await count()) < enough) await nextPoll();
      child.kill('SIGKILL');
      const [, signal] = await ended;
      expect(signal).toBe('SIGKILL');
    }
    const received = new Set(await lines(join(folder, 'received')));
    // Opening checks the whole file.
    const broker = await openSqliteBroker(join(folder, 'broker.sqlite'));
    for (const queue of ['a', 'b']) {
      await broker.consume(queue, { prefetch: 100 }, (delivery) => {
        received.add(`${queue}${delivery.id}`);
        delivery.ack();
      });
    }
    for (let empty = false; !empty; await nextPoll()) {
      empty = (await broker.queues()).every(({ ready, unacked, delayed }) => [ready, unacked, delayed].every((count) => count === 0));
    }
    await broker.close();
    const confirmed = await lines(join(folder, 'confirmed'));
    expect(confirmed.filter((name) => !received.has(name))).toEqual([]);
    const torn = [...received].filter(
      (name) => !received.has(name.startsWith('a') ? `b${Number(name.slice(1)) + 1}` : `a${Number(name.slice(1)) - 1}`),
    );
    expect(torn).toEqual([]);
  } finally {
    await rm(folder, { recursive: true });
  }
}, 120_000);

/** Between two checks of a condition. */
const nextPoll = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));
