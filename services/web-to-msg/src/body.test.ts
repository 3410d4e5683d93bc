import { Readable } from 'node:stream';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from '@jest/globals';
import { ByteBudget, Chunks, readBody } from './body.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

describe('the budget', () => {
  test('keeps a quarter for small bodies', () => {
    const budget = new ByteBudget(64 * MIB, 16 * MIB);
    expect(budget.take(48 * MIB, 16 * MIB)).toBe(true);
    expect([budget.take(1, 16 * MIB), budget.take(1, 64 * KIB + 1), budget.take(16 * MIB, 64 * KIB)]).toEqual([false, false, true]);
    expect(budget.take(1, 1)).toBe(false);
    budget.give(32 * MIB);
    expect([budget.used, budget.fits(16 * MIB, 16 * MIB)]).toEqual([32 * MIB, true]);
  });

  test('lets in the largest body where it is hardly larger than that', () => {
    const budget = new ByteBudget(16 * MIB, 16 * MIB);
    expect([budget.take(16 * MIB, 16 * MIB), budget.take(1, 1)]).toEqual([true, false]);
  });
});

describe('chunks', () => {
  test('of one byte are no more buffers than bytes by the hundred', () => {
    const chunks = new Chunks();
    for (let at = 0; at < 100_000; at++) chunks.add(Buffer.of(at % 251));
    expect(chunks.count).toBeLessThan(1_000);
    expect(chunks.length).toBe(100_000);
    expect(chunks.concat().every((byte, at) => byte === at % 251)).toBe(true);
  });

  test('of mixed sizes come together in order; one alone is not copied', () => {
    const sizes = [1, 5_000, 2, 3, 70_000, 4, 4_096, 4_095];
    const parts = sizes.map((size, at) => Buffer.alloc(size, at + 1));
    const chunks = new Chunks();
    for (const part of parts) chunks.add(part);
    expect(chunks.concat().equals(Buffer.concat(parts))).toBe(true);
    const alone = new Chunks();
    alone.add(parts[0] as Buffer);
    expect(alone.concat()).toBe(parts[0]);
    expect(new Chunks().concat().length).toBe(0);
  });
});

test('a body that is refused halfway is let go, although its sender goes on', async () => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const stream = new Readable({ read() {} });
  const push = (): WeakRef<Buffer> => {
    const chunk = Buffer.alloc(64 * KIB);
    stream.push(chunk);
    return new WeakRef(chunk);
  };
  const refused = new Promise((resolve) =>
    readBody(stream, undefined, 100 * KIB, new ByteBudget(MIB, MIB), (error, _body, taken) => resolve([error?.code, taken])),
  );
  const first = push();
  push();
  expect(await refused).toEqual(['BODY_TOO_LARGE', 64 * KIB]);
  for (let tries = 0; tries < 20 && first.deref() !== undefined; tries++) {
    await new Promise(setImmediate);
    gc();
  }
  expect(first.deref()).toBeUndefined();
  expect(stream.destroyed).toBe(false);
});
