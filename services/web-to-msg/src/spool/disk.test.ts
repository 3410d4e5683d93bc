import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@blockhub/telemetry';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { openFolder } from './disk.ts';
import { SpoolLog } from './spool-log.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'blockhub-spool-'));
});
afterEach(() => {
  spawnSync('umount', ['-l', root], { stdio: 'ignore' });
  rmSync(root, { recursive: true });
});

test('a folder is made, its parent is not', async () => {
  (await openFolder(join(root, 'spool'))).release();
  expect(existsSync(join(root, 'spool'))).toBe(true);
  await expect(openFolder(join(root, 'volume', 'spool'))).rejects.toMatchObject({
    code: 'SPOOL_UNUSABLE',
    message: expect.stringContaining(`--spool: ${join(root, 'volume', 'spool')}`),
  });
});

test('a file in its place is refused', async () => {
  writeFileSync(join(root, 'spool'), '');
  await expect(openFolder(join(root, 'spool'))).rejects.toMatchObject({ code: 'SPOOL_UNUSABLE' });
});

test('a folder is for one; the error names the process that has it; released it can be had again', async () => {
  const disk = await openFolder(root);
  await expect(openFolder(root)).rejects.toMatchObject({
    code: 'SPOOL_IN_USE',
    message: expect.stringMatching(new RegExp(`^Process ${process.pid} uses the spool ${root}\\.$`)),
  });
  disk.release();
  (await openFolder(root)).release();
});

const mounts = process.getuid?.() === 0 && spawnSync('mount', ['--version']).status === 0;

(mounts ? describe : describe.skip)('a file system of its own (needs root and mount; elsewhere skipped)', () => {
  beforeEach(() => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', root]);
  });

  test.each(['empty', 'used before'])('read-only, %s: refused with what to do', async (kind) => {
    if (kind === 'used before') (await openFolder(root)).release();
    execFileSync('mount', ['-o', 'remount,ro', root]);
    await expect(openFolder(root)).rejects.toMatchObject({ code: 'SPOOL_UNUSABLE', fix: expect.stringContaining('permissions') });
  });

  test('full: what was taken comes out, the rest is refused, and nothing piles up', async () => {
    const log = await openLog();
    const taken: string[] = [];
    const refused: string[] = [];
    for (let n = 0; n < 60; n++) {
      const body = Buffer.alloc(50_000, n);
      await log.add({ at: 1, messages: [{ queue: 'q', id: String(n), meta: {}, body }] }).then(
        () => taken.push(String(n)),
        ({ code }: { code: string }) => refused.push(code),
      );
    }
    expect(taken.length).toBeGreaterThan(10);
    expect(new Set(refused)).toEqual(new Set(['SPOOL_FULL']));
    expect(readdirSync(root).filter((name) => name.endsWith('.spool')).length).toBeLessThan(3);
    await log.close();

    const filler = fill(join(root, 'filler'));
    // What is spooled must get out of a full disk too.
    const next = await openLog();
    const out: string[] = [];
    for (let batch = await next.read(9, 1e6); batch.length > 0; batch = await next.read(9, 1e6)) {
      for (const { messages } of batch) {
        out.push(messages[0]?.id ?? '');
        expect(messages[0]?.body.equals(Buffer.alloc(50_000, Number(messages[0].id)))).toBe(true);
      }
      await next.drop(batch.length);
    }
    expect(out).toEqual(taken);
    rmSync(filler);
    await next.add({ at: 1, messages: [] });
    await next.close();
  });
});

async function openLog(): Promise<SpoolLog> {
  const disk = await openFolder(root);
  return SpoolLog.open({ disk, maxBytes: 2 ** 30, maxEntries: 1000, random: Math.random, log: silentLogger });
}

/** Writes a file until no byte more fits. */
function fill(path: string): string {
  const file = openSync(path, 'w');
  for (let size = 65_536; size >= 1; )
    try {
      writeSync(file, Buffer.alloc(size));
    } catch {
      size = Math.floor(size / 2);
    }
  closeSync(file);
  return path;
}
