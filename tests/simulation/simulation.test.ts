import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { run } from './run.ts';

test('200 seeds: nothing is lost, doubled, forked or unexpected, and every run becomes quiet', async () => {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), '--seeds', '200'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (chunk) => {
    text += chunk;
  });
  const [code] = await once(child, 'close');
  const total = JSON.parse(text.trim().split('\n').at(-1) ?? '') as {
    seeds: number;
    failed: number;
    crashes: number;
    events: number;
    spooled: number;
  };
  expect({ code, text: total.failed === 0 ? '' : text }).toEqual({ code: 0, text: '' });
  expect(total.seeds).toBe(200);
  // A simulation without faults and events would be clean too.
  expect(total.crashes).toBeGreaterThan(200);
  expect(total.events).toBeGreaterThan(200_000);
  expect(total.spooled).toBeGreaterThan(1000);
}, 1_800_000);

test('a seed replays exactly', async () => {
  const first = await run(1);
  const second = await run(1);
  expect(second).toEqual(first);
  expect(first.crashes).toBeGreaterThan(0);
}, 120_000);
