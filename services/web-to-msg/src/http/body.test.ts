import { Readable } from 'node:stream';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from '@jest/globals';
import { ByteBudget, readBody } from './body.ts';

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

const read = (stream: Readable): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    readBody(stream, undefined, MIB, new ByteBudget(MIB, MIB), (error, body) => (error ? reject(error) : resolve(body)));
  });

/** A stream to push into, and a chunk that is referenced by nothing but what was pushed. */
const open = () => {
  const stream = new Readable({ read() {} });
  const push = (bytes: number): WeakRef<Buffer> => {
    const chunk = Buffer.alloc(bytes, 7);
    stream.push(chunk);
    return new WeakRef(chunk);
  };
  return { stream, push };
};

/** Collects garbage until the buffer is gone, or some turns have passed. */
async function isFreed(chunk: WeakRef<Buffer>): Promise<boolean> {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  for (let turns = 0; turns < 20 && chunk.deref() !== undefined; turns++) {
    await new Promise(setImmediate);
    gc();
  }
  return chunk.deref() === undefined;
}

describe('chunks', () => {
  test('of one byte are joined while the body arrives', async () => {
    const { stream, push } = open();
    const reading = read(stream);
    const first = push(1);
    for (let at = 1; at < 300; at++) push(1);
    expect(await isFreed(first)).toBe(true);
    stream.push(null);
    expect((await reading).equals(Buffer.alloc(300, 7))).toBe(true);
  });

  test('of mixed sizes come together in order; one alone is not copied', async () => {
    const parts = [1, 5_000, 2, 3, 70_000, 4, 4_096, 4_095].map((size, at) => Buffer.alloc(size, at + 1));
    expect((await read(Readable.from(parts, { objectMode: false }))).equals(Buffer.concat(parts))).toBe(true);
    const [, alone = Buffer.alloc(0)] = parts;
    expect((await read(Readable.from([alone]))).buffer).toBe(alone.buffer);
    expect((await read(Readable.from([]))).length).toBe(0);
  });
});

test('a body that is refused halfway is freed, although its sender goes on', async () => {
  const { stream, push } = open();
  const refused = new Promise((resolve) =>
    readBody(stream, undefined, 100 * KIB, new ByteBudget(MIB, MIB), (error, _body, taken) => resolve([error?.code, taken])),
  );
  const first = push(64 * KIB);
  push(64 * KIB);
  expect(await refused).toEqual(['BODY_TOO_LARGE', 64 * KIB]);
  expect(await isFreed(first)).toBe(true);
  expect(stream.destroyed).toBe(false);
});
