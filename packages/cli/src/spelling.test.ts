import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@blockhub/clock';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { blockhubHere, linesOf, type Ran } from './blockhub.fixture.ts';

/** Two chains, one of MD5, with some blocks. */
let data: string;
let chain: string;
let old: string;
let receipts: { event: string; hash: string; block: string }[];
let oldReceipt: { event: string; hash: string; block: string };

/** All events are of one minute, so that their ids begin alike. */
let now = 0x01a2_2e5c_0000;
const clock = { ...systemClock, now: () => now++ };

const ran = (args: readonly string[], input?: string): Promise<Ran> =>
  blockhubHere([...args, '--data', data], { env: {}, clock, ...(input === undefined ? {} : { input }) });

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'blockhub-spelling-'));
  [{ chain }] = linesOf(await ran(['create', 'default'])) as [{ chain: string }];
  [{ chain: old }] = linesOf(await ran(['create', 'old', '--crypt', 'md5'])) as [{ chain: string }];
  receipts = [];
  for (const text of ['one', 'two', 'three']) receipts.push(linesOf(await ran(['append'], text))[0]);
  [oldReceipt] = linesOf(await ran(['append', '--chain', 'old'], 'old')) as [typeof oldReceipt];
});
afterAll(() => rm(data, { recursive: true }));

const wraps: readonly (readonly [string, (id: string) => string])[] = [
  ['capitals', (id) => id.toUpperCase()],
  ['mixed case', (id) => id.slice(0, 10).toUpperCase() + id.slice(10)],
  ['braces', (id) => `{${id}}`],
  ['braces and capitals', (id) => `{${id.toUpperCase()}}`],
  ['quotes', (id) => `"${id}"`],
  ['what JSON leaves behind it', (id) => `"${id}",`],
  ['blanks', (id) => `  ${id} `],
  ['line breaks', (id) => `\r\n${id}\r\n`],
];

describe.each(wraps)('ids with %s mean the same', (_, write) => {
  test('for cat and info', async () => {
    const two = receipts[1] as (typeof receipts)[0];
    const events = [two.event, two.event.replaceAll('-', ''), `urn:uuid:${two.event}`];
    for (const id of [...events, two.hash, `sha256:${two.hash}`, `SHA-256:${two.hash}`, `A:${two.hash}`])
      expect([id, await ran(['cat', write(id)])]).toEqual([id, { code: 0, stdout: 'two', stderr: '' }]);
    for (const id of [oldReceipt.hash, `md5:${oldReceipt.hash}`]) expect((await ran(['cat', write(id)])).stdout).toBe('old');
    for (const id of [two.block, `B:${two.block}`])
      expect(linesOf(await ran(['info', write(id)]))).toMatchObject([{ kind: 'block', height: 2 }]);
  });

  test('for the chain of every command', async () => {
    const [root, md5] = [write(chain), write(`md5:${old}`)];
    expect(linesOf(await ran(['tail', root]))).toMatchObject([{ chain, height: 3 }]);
    expect(linesOf(await ran(['tail', md5]))).toMatchObject([{ chain: old, height: 1 }]);
    expect(linesOf(await ran(['walk', root]))).toHaveLength(4);
    expect(linesOf(await ran(['verify', root, '--level', 'links']))).toMatchObject([{ ok: true, chain, blocks: 4 }]);
    expect(linesOf(await ran(['patchblock', md5, '--dry-run']))).toEqual([]);
    expect((await ran(['cat', receipts[0]?.event ?? '', '--chain', root])).stdout).toBe('one');
    expect((await ran(['cat', receipts[0]?.event ?? '', '--chain', md5])).code).toBe(4);
    expect(linesOf(await ran(['keys', 'create', '--chain', root, md5]))).toMatchObject([{ chains: [chain, old] }]);
  });

  test('for from and to of a walk', async () => {
    const [, two] = receipts as [unknown, { block: string }];
    for (const id of [two.block, `sha256:${two.block}`])
      expect(linesOf(await ran(['walk', '--from', write(id), '--to', write(id)])).map(({ height }) => height)).toEqual([2]);
  });
});

test('ids of keys in capitals', async () => {
  const [{ id }] = linesOf(await ran(['keys', 'create'])) as [{ id: string }];
  expect(linesOf(await ran(['keys', 'revoke', ` {${id.toUpperCase()}} `]))).toMatchObject([{ id }]);
});

describe('the first digits of an id', () => {
  test('are enough where one thing has them', async () => {
    const [one, two] = receipts as [(typeof receipts)[0], (typeof receipts)[0]];
    for (const digits of [8, 12, 31, 33, 63])
      for (const [id, shown] of [
        [one.hash, 'one'],
        [two.hash, 'two'],
      ] as const)
        expect((await ran(['cat', id.slice(0, digits)])).stdout).toBe(shown);
    expect((await ran(['cat', two.hash.slice(0, 9).toUpperCase()])).stdout).toBe('two');
    expect((await ran(['cat', two.event.slice(0, 30)])).stdout).toBe('two');
    expect((await ran(['cat', two.event.slice(0, 31).replaceAll('-', '')])).stdout).toBe('two');
    expect((await ran(['cat', `md5:${oldReceipt.hash.slice(0, 10)}`])).stdout).toBe('old');
    expect(linesOf(await ran(['info', two.block.slice(0, 8)]))).toMatchObject([{ kind: 'block', height: 2 }]);
    for (const command of ['tail', 'walk', 'verify']) expect((await ran([command, chain.slice(0, 10)])).code).toBe(0);
    expect(linesOf(await ran(['tail', old.slice(0, 8).toUpperCase()]))).toMatchObject([{ chain: old }]);
    expect(linesOf(await ran(['walk', '--from', `sha256:${two.block.slice(0, 9)}`])).map(({ height }) => height)).toEqual([2, 3]);
  });

  test('of several things list them, and end with 2', async () => {
    const { code, stdout, stderr } = await ran(['cat', '01a22e5c']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    const events = [...receipts, oldReceipt].map(({ event }) => `  ${event}\n`).join('');
    expect(stderr).toContain(`several blobs or events begin with 01a22e5c; write more digits:\n${events}`);
  });

  test('must be eight, and say when nothing has them', async () => {
    for (const command of ['cat', 'info']) {
      expect(await ran([command, 'abcdef1'])).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('has 7 hex digits, expected at least 8'),
      });
      expect(await ran([command, 'abcdef12'])).toMatchObject({
        code: 4,
        stderr: expect.stringContaining('has an id that begins with abcdef12'),
      });
    }
    expect(await ran(['walk', '--from', 'abcdef12'])).toMatchObject({ code: 4, stderr: expect.stringContaining('OBJECT_MISSING') });
    expect(await ran(['tail', 'abcdef12'])).toMatchObject({ code: 4, stderr: expect.stringContaining('CHAIN_NOT_FOUND') });
  });
});

/** Ways in which an id is damaged by a person or a program, and the message about it. */
const slips: readonly (readonly [string, (id: string) => string, RegExp])[] = [
  ['without its first digit', (id) => id.slice(1), /has 63 hex digits, expected 64/],
  ['with a digit too many', (id) => `${id}0`, /has 65 hex digits, expected 64/],
  ['twice', (id) => id + id, /has 128 hex digits/],
  ['with the letter O', (id) => `O${id.slice(1)}`, /has the character "O" at position 1.*digit 0/],
  ['with the letter l', (id) => `${id.slice(0, 20)}l${id.slice(21)}`, /has the character "l" at position 21.*digit 1/],
  ['with another letter', (id) => `${id.slice(0, 63)}x`, /has the character "x" at position 64/],
  ['with a Cyrillic letter', (id) => `${id.slice(0, 5)}а${id.slice(6)}`, /U\+0430\) at position 6/],
  ['with a blank inside', (id) => `${id.slice(0, 32)} ${id.slice(32)}`, /has the character " " at position 33/],
  ['cut off', (id) => `${id.slice(0, 16)}…`, /is cut off by "…"/],
  ['cut off by dots', (id) => `${id.slice(0, 16)}...`, /is cut off by "\.\.\."/],
  ['called another hash', (id) => `md5:${id}`, /has 64 hex digits, expected 32/],
];

test.each(slips)('an id %s is never "not found", but wrong, and how', async (_, slip, why) => {
  const wrong = { code: 2, stdout: '', stderr: expect.stringMatching(why) };
  for (const command of ['cat', 'info']) expect(await ran([command, slip(receipts[0]?.hash ?? '')])).toMatchObject(wrong);
  for (const command of ['tail', 'walk', 'verify', 'patchblock']) expect(await ran([command, slip(chain)])).toMatchObject(wrong);
  expect(await ran(['append', '--chain', slip(chain)], 'x')).toMatchObject(wrong);
  expect(await ran(['keys', 'create', '--chain', slip(chain)])).toMatchObject(wrong);
  for (const option of ['--from', '--to']) expect(await ran(['walk', option, slip(receipts[1]?.block ?? '')])).toMatchObject(wrong);
});

test.each(['', ' '])('a chain %j is not "not found", but empty', async (empty) => {
  const wrong = { code: 2, stdout: '', stderr: expect.stringContaining('id or name of the chain is empty') };
  for (const command of ['tail', 'walk', 'verify', 'patchblock']) expect(await ran([command, empty])).toMatchObject(wrong);
  expect(await ran(['append', '--chain', empty], 'x')).toMatchObject(wrong);
});

test.each<[string, RegExp]>([
  ['017f22e2-79b0-4cc3-98c4-dc0c0c07398f', /UUID of version 4/],
  ['017f22e2-79b07cc3-98c4-dc0c0c07398f', /dashes in other places.*position 14/],
  ['017f22e2-79b0-7cc3-98c4-dc0c0c07398f0', /has 33 hex digits and dashes/],
  ['017f22e2-79b0-7cc3-98c4-dc0c0c07398g', /"g" at position 36/],
  ['017f22e2…', /is cut off/],
  ['x', /is not a block id, event id or hash/],
  ['', /is empty/],
])('an event id %j is wrong, and how', async (id, why) => {
  for (const command of ['cat', 'info']) expect(await ran([command, id])).toMatchObject({ code: 2, stderr: expect.stringMatching(why) });
});

describe('names that look like ids', () => {
  test('are names: chains are made and found by them', async () => {
    for (const name of ['deadbeef', '20260501', 'ab'.repeat(12), 'ab'.repeat(20), '6ba7b810-9dad-11d1-80b4-00c04fd430c8']) {
      const [made] = linesOf(await ran(['create', name]));
      expect(linesOf(await ran(['tail', name]))).toMatchObject([{ chain: made.chain, height: 0 }]);
    }
    expect(await ran(['tail', '6ba7b810-9dad-11d1-80b4-00c04fd430c9'])).toMatchObject({ code: 4 });
  });

  test('but a new one is not made where an id lacks a digit or two', async () => {
    for (const name of ['ab'.repeat(31), `${'ab'.repeat(31)}a`, `${'ab'.repeat(15)}a`, `${'ab'.repeat(16)}a`])
      expect(await ran(['create', name])).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/CHAIN_INVALID: .* an id has 64 or 32/),
      });
  });
});

test.each<[string, string, RegExp]>([
  ['--from', '1777636800', /--from: "1777636800" is too large for a height.*seconds, write 2026-05-01T12:00:00/],
  ['--to', '1777636800000', /--to: .*milliseconds, write 2026-05-01T12:00:00/],
  ['--from', '2026-05-01T12:00', /--from: "2026-05-01T12:00" has no time zone: write 2026-05-01T12:00Z/],
  ['--to', '2026-02-30', /--to: "2026-02-30" has the day 30, but February 2026/],
  ['--from', '+5', /--from: "\+5" has a plus sign/],
])('a walk %s %s is refused', async (option, value, why) => {
  expect(await ran(['walk', option, value])).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(why) });
});

test.each(['1777636800', '1e3', '-1', '', '0x1', '2026-05-01'])('a verify --from %j is refused', async (value) => {
  expect(await ran(['verify', `--from=${value}`])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/--from: ".*" is (?:not a|too large for a) height/),
  });
});

test('times mean the same in every zone, and a date is its first moment', async () => {
  const [{ time }] = linesOf(await ran(['tail']));
  const iso = new Date(time).toISOString();
  const ahead = `${new Date(time + 5.5 * 3_600_000).toISOString().slice(0, -1)}+05:30`;
  for (const text of [iso, ahead, iso.toLowerCase(), iso.replace('T', ' ')])
    expect(linesOf(await ran(['walk', '--from', text])).map(({ height }) => height)).toEqual([3]);
  expect(linesOf(await ran(['walk', '--to', iso.slice(0, 10)]))).toEqual([]);
});
