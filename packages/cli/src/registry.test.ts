import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openRegistry } from '@blockhub/registry';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { blockhub, linesOf } from './blockhub.fixture.ts';

let data: string;
beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'blockhub-cli-'));
});
afterAll(() => rm(data, { recursive: true }));

describe('registry rebuild', () => {
  test('knows all chains of the store again, and nothing else', async () => {
    const ids = [];
    for (const name of ['default', 'second']) ids.push(linesOf(await blockhub(['create', name, '--data', data]))[0].chain);
    const open = () => openRegistry(`sqlite://${join(data, 'registry.sqlite')}`);
    const before = await open();
    await before.putChain({ id: 'a'.repeat(64), name: 'gone', crypt: 'sha256', settings: {}, time: 1 });
    await before.close();
    const ran = await blockhub(['registry', 'rebuild', '--data', data]);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(linesOf(ran)).toEqual([{ chains: 2, damaged: 0 }]);
    const after = await open();
    expect((await Array.fromAsync(after.chains())).map(({ id }) => id)).toEqual(ids.toSorted());
    expect((await after.findChain('second'))?.id).toBe(ids[1]);
    await after.close();
  });

  test('of a registry that cannot be named is a wrong command line', async () => {
    expect(await blockhub(['registry', 'rebuild', '--data', data, '--registry', 'redis://u:HUNTER2@host'])).toMatchObject({
      code: 2,
      stderr: expect.not.stringContaining('HUNTER2'),
    });
  });
});
