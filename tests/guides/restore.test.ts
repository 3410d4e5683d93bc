import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { blockhub, freePort, quiet, type Standalone, startStandalone, until } from '../standalone/standalone.ts';

/** docs/guides/operate.md, "Back up" and "Restore": the bucket is a folder here. */
let folder: string;
let data: string;
let mesh: Standalone;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'blockhub-restore-'));
  data = join(folder, 'live');
  mesh = await startStandalone(data, { port: await freePort(), probePort: await freePort() });
});
afterAll(async () => {
  mesh.process.kill('SIGKILL');
  await mesh.ended;
  rmSync(folder, { recursive: true });
});

async function post(body: string, url = mesh.url): Promise<void> {
  expect((await fetch(`${url}/append/chain/default`, { method: 'POST', body })).status).toBe(201);
}

interface Checked {
  readonly code: number;
  readonly height: number;
  readonly faults: readonly string[];
}

async function verify(at: string): Promise<Checked> {
  const { code, stdout } = await blockhub('verify', 'default', '--data', at, '--output', 'json');
  const { height, faults } = JSON.parse(stdout) as { height: number; faults: { code: string }[] };
  return { code, height, faults: [...new Set(faults.map((fault) => fault.code))] };
}

/** Copies the objects below these prefixes that the copy does not have yet. */
function copy(from: string, to: string, ...names: string[]): void {
  for (const name of names) {
    const source = join(from, 'store', name);
    const filter = (path: string): boolean => !basename(path).startsWith('.');
    if (existsSync(source)) cpSync(source, join(to, 'store', name), { recursive: true, force: false, filter });
  }
}

const referredTo = ['packs', 'blobs', 'names', 'keys'];

/** Posts events until there is another block. */
async function anotherBlock(): Promise<void> {
  const height = async (): Promise<number> => {
    const { stdout } = await blockhub('tail', 'default', '--data', data, '--output', 'ndjson');
    return (JSON.parse(stdout) as { height: number }).height;
  };
  const before = await height();
  await until(async () => {
    await post('more');
    return (await height()) > before;
  });
}

describe('a copy of the bucket that is made while the mesh runs', () => {
  test('is whole when objects are copied before the objects that they refer to', async () => {
    const [good, bad] = [join(folder, 'good'), join(folder, 'bad')];
    await anotherBlock();
    copy(data, good, 'chains');
    copy(data, bad, ...referredTo);
    await anotherBlock();
    copy(data, good, 'blocks');
    copy(data, bad, 'blocks');
    await anotherBlock();
    copy(data, good, ...referredTo);
    copy(data, bad, 'chains');

    // Blocks that joined the chain during the copy. Only their entries are missing.
    const found = await verify(good);
    expect(found).toMatchObject({ code: 1, faults: ['BLOCK_DETACHED'] });
    expect((await blockhub('patchblock', 'default', '--data', good)).code).toBe(0);
    const repaired = await verify(good);
    expect(repaired).toMatchObject({ code: 0, faults: [] });
    expect(repaired.height).toBeGreaterThan(found.height);

    await blockhub('patchblock', 'default', '--data', bad);
    expect((await verify(bad)).code).toBe(1);
  });

  test('becomes a mesh: the registry is rebuilt from it, and new events follow the old ones', async () => {
    const restored = join(folder, 'good');
    const { height } = await verify(restored);
    const rebuilt = await blockhub('registry', 'rebuild', '--data', restored, '--output', 'json');
    expect(JSON.parse(rebuilt.stdout)).toEqual({ chains: 1, damaged: 0 });
    const other = await startStandalone(restored, { port: await freePort(), probePort: await freePort() });
    try {
      await post('after', other.url);
      await quiet(restored);
    } finally {
      other.process.kill('SIGTERM');
      await other.ended;
    }
    const after = await verify(restored);
    expect(after).toMatchObject({ code: 0, faults: [] });
    expect(after.height).toBeGreaterThan(height);
  });

  test('gives back objects that the bucket has lost', async () => {
    await quiet(data);
    const backup = join(folder, 'backup');
    copy(data, backup, 'chains', 'blocks', ...referredTo);
    const packs = join(data, 'store/packs');
    const [lost = ''] = readdirSync(packs);
    const bytes = readFileSync(join(packs, lost));
    rmSync(join(packs, lost));
    expect((await verify(data)).code).toBe(1);
    copy(backup, data, 'chains', 'blocks', ...referredTo);
    expect(readFileSync(join(packs, lost))).toEqual(bytes);
    expect((await verify(data)).code).toBe(0);
  });
});
