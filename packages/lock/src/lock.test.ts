import { existsSync, mkdtempSync, readFileSync, rmSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { takeLock } from './index.ts';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'blockhub-lock-'));
  path = join(folder, 'a');
});
afterEach(() => rmSync(folder, { recursive: true }));

const inUse = (pid: string, cause: unknown): Error => new Error(`in use by ${pid}`, { cause });

test('the second caller gets the error of its own making, with the number of the process', () => {
  const lock = takeLock(path, inUse);
  expect(readFileSync(`${path}.pid`, 'utf8')).toBe(`${process.pid}\n`);
  expect(() => takeLock(path, inUse)).toThrow(`in use by ${process.pid}`);
  lock.release();
});

test('a released lock can be taken again, and its process number is removed', () => {
  takeLock(path, inUse).release();
  expect(existsSync(`${path}.pid`)).toBe(false);
  takeLock(path, inUse).release();
});

test('the lock holds without the file of the process number', () => {
  const lock = takeLock(path, inUse);
  unlinkSync(`${path}.pid`);
  expect(() => takeLock(path, inUse)).toThrow('in use by (unknown)');
  lock.release();
});

test('an error of the file system is thrown unchanged', () => {
  expect(() => takeLock(join(folder, 'missing', 'a'), inUse)).toThrow(expect.objectContaining({ code: 'ERR_SQLITE_ERROR' }));
});
