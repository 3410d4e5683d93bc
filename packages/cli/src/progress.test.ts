import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { systemClock, VirtualClock } from '@blockhub/clock';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { blockhubHere, slowClock } from './blockhub.fixture.ts';
import { Progress } from './progress.ts';

let data: string;
beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'blockhub-progress-'));
});
afterAll(() => rm(data, { recursive: true }));

test('work shows itself after two seconds, again while it lasts, and not behind its end', async () => {
  const clock = new VirtualClock();
  const stderr = new PassThrough({ encoding: 'utf8' });
  const seen = (): unknown => stderr.read();
  for (const [isTTY, first, second] of [
    [false, 'at 2\n', 'at 7\n'],
    [true, '\r\u001b[Kat 2', '\r\u001b[Kat 2.25'],
  ] as const) {
    const work = Promise.withResolvers<string>();
    const shown = new Progress(Object.assign(stderr, { isTTY }), clock).during(work.promise, (seconds) => `at ${seconds}`);
    await clock.advance(1_999);
    expect(seen()).toBeNull();
    await clock.advance(1);
    expect(seen()).toBe(first);
    await clock.advance(isTTY ? 250 : 5_000);
    expect(seen()).toBe(second);
    work.resolve('done');
    expect(await shown).toBe('done');
    expect(seen()).toBe(isTTY ? '\r\u001b[K' : null);
    await clock.advance(60_000);
    expect(seen()).toBeNull();
  }
  await expect(new Progress(stderr, clock).during(Promise.reject(new Error('failed')), () => '')).rejects.toThrow('failed');
  expect(clock.runNext()).toBe(false);
});

test('on a terminal a line is cut, so that it can be cleared', async () => {
  const clock = new VirtualClock();
  const stderr = Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY: true, columns: 8 });
  const progress = new Progress(stderr, clock);
  await clock.advance(2_000);
  progress.update(() => '123456789');
  expect(stderr.read()).toBe('\r\u001b[K1234567');
});

test.each([
  ['append', [], /^searching for chain default\n.*reading standard input\nappending 1 blob, 5 bytes\n$/s],
  ['append', [import.meta.filename], /reading .*progress\.test\.ts\n/],
  ['patchblock', [], /height \d+, 0 repairs\n/],
  ['doctor', ['store'], /testing file:.*, \d+ s\n/],
  ['verify', ['--level', 'links'], /no blocks yet|\d blocks, \d events/],
] as const)('%s %p says on stderr what takes so long, and nothing of it on stdout', async (command, args, expected) => {
  const inData = [command, ...args, '--data', data];
  await blockhubHere(['create', 'default', '--data', data]);
  // Quick on any machine: no time passes.
  const quick = await blockhubHere(inData, { input: 'hello', clock: { ...systemClock, ticks: () => 0 } });
  const slow = await blockhubHere(inData, { input: 'hello', clock: slowClock() });
  expect([quick.code, quick.stderr, slow.code]).toEqual([0, '', 0]);
  expect(slow.stderr).toMatch(expected);
  expect(Object.keys(JSON.parse(slow.stdout || '{}'))).toEqual(Object.keys(JSON.parse(quick.stdout || '{}')));
});
