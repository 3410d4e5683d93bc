import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { openStore } from '../open.ts';
import { FolderSync } from './folder-sync.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a sync of a folder', () => {
  test('starts after every call that shares it', async () => {
    const finish: (() => void)[] = [];
    const folders = new FolderSync(() => new Promise((resolve) => finish.push(resolve)));
    const done: string[] = [];
    const ask = (name: string): void => {
      folders.sync('f').then(() => done.push(name));
    };
    ask('first');
    ask('with first');
    await turn();
    expect(finish).toHaveLength(1);
    ask('late');
    ask('with late');
    await turn();
    expect(finish).toHaveLength(1);
    finish[0]?.();
    await turn();
    expect(done).toEqual(['first', 'with first']);
    expect(finish).toHaveLength(2);
    finish[1]?.();
    await turn();
    expect(done).toEqual(['first', 'with first', 'late', 'with late']);
  });

  test('that fails fails for the callers that share it, and for no later one', async () => {
    let fails = true;
    const folders = new FolderSync(async () => {
      if (fails) throw new Error('EIO');
    });
    await Promise.all(['a', 'b'].map(() => expect(folders.sync('f')).rejects.toThrow('EIO')));
    fails = false;
    await folders.sync('f');
  });
});

describe('a create', () => {
  type Handle = Record<'datasync' | 'sync', () => Promise<void>>;
  let root: string;
  let prototype: Handle;
  let real: Handle;
  let calls: string[];
  let failing: string | undefined;

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'blockhub-store-'));
    const handle = await open(root, 'r');
    await handle.close();
    prototype = Object.getPrototypeOf(handle);
    real = { datasync: prototype.datasync, sync: prototype.sync };
    for (const name of ['datasync', 'sync'] as const) {
      prototype[name] = function (this: unknown) {
        calls.push(name);
        const error = Object.assign(new Error('EIO: by test'), { code: 'EIO', syscall: name });
        const fails = failing === name;
        if (fails) failing = undefined;
        return fails ? Promise.reject(error) : real[name].call(this as Handle);
      };
    }
  });
  beforeEach(() => {
    calls = [];
    failing = undefined;
  });
  afterAll(async () => {
    Object.assign(prototype, real);
    await rm(root, { recursive: true });
  });

  test('answers after bytes and name are durable; a loser after the name is', async () => {
    const store = await openStore(root);
    await store.create('f/1', Buffer.from('x'));
    calls = [];
    expect(await store.create('f/2', Buffer.from('x'))).toBe('created');
    expect(calls).toEqual(['datasync', 'sync']);
    expect(await store.create('f/2', Buffer.from('x'))).toBe('exists');
    expect(calls.slice(2)).toEqual(['datasync', 'sync']);
  });

  test('whose bytes cannot be made durable makes no object', async () => {
    const store = await openStore(root, { retryMs: 0 });
    failing = 'datasync';
    await expect(store.create('f/3', Buffer.from('x'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(await store.find('f/3')).toBeUndefined();
  });

  test('whose name cannot be made durable syncs it again, and is still ours', async () => {
    const store = await openStore(root);
    await store.create('f/4', Buffer.from('x'));
    calls = [];
    failing = 'sync';
    expect(await store.create('f/5', Buffer.from('x'))).toBe('created');
    expect(calls).toEqual(['datasync', 'sync', 'datasync', 'sync']);
  });
});
