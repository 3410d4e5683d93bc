import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { Limit } from './limit.ts';

test('keeps nothing of what waited, although something always waits', () => {
  // A process of its own, because objects can be counted only in the main context.
  const count = `
    import { queryObjects } from 'node:v8';
    import { Limit } from ${JSON.stringify(join(import.meta.dirname, 'limit.ts'))};
    const limit = new Limit(1);
    let left = 10_000;
    // Each run puts the next one into the queue before it ends, so the queue is never empty.
    const run = async () => {
      if (left > 0) void limit.run(run);
      if (left-- === 0) console.log(queryObjects(Promise, { format: 'count' }));
    };
    void limit.run(run);
    void limit.run(run);`;
  const promises = execFileSync(process.execPath, ['--no-warnings', '--input-type=module', '-e', count], { encoding: 'utf8' });
  expect(Number(promises)).toBeLessThan(1000);
});

test('a free slot goes to what waits longest', async () => {
  const limit = new Limit(2);
  const order: number[] = [];
  await Promise.all([0, 1, 2, 3, 4].map((at) => limit.run(async () => void order.push(at))));
  expect(order).toEqual([0, 1, 2, 3, 4]);
});
