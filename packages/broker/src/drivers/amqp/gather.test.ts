import { Writable } from 'node:stream';
import { expect, test } from '@jest/globals';
import { gather } from './gather.ts';

/** Tells what comes down in each system call that a socket would make. */
function socket(): { stream: Writable; calls: string[] } {
  const calls: string[] = [];
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      calls.push(String(chunk));
      done();
    },
    writev: (chunks, done) => {
      calls.push(chunks.map(({ chunk }) => String(chunk)).join(''));
      done();
    },
  });
  gather(stream);
  return { stream, calls };
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('what is written in one turn leaves together, in order, before the next turn', async () => {
  const { stream, calls } = socket();
  for (const text of ['a', 'b', 'c']) stream.write(text);
  expect(calls).toEqual([]);
  await nextTurn();
  expect(calls).toEqual(['abc']);
  stream.write('d');
  await nextTurn();
  expect(calls).toEqual(['abc', 'd']);
});

test('nothing is left behind when the stream ends in the same turn', async () => {
  const { stream, calls } = socket();
  stream.write('a');
  stream.end('b');
  await nextTurn();
  expect(calls.join('')).toBe('ab');
  expect(stream.writableFinished).toBe(true);
});

test('tells when there is too much, and when there is room again', async () => {
  const { stream, calls } = socket();
  const large = 'x'.repeat(stream.writableHighWaterMark);
  const drained = new Promise<void>((resolve) => stream.once('drain', resolve));
  expect(stream.write(large)).toBe(false);
  await drained;
  expect(calls).toEqual([large]);
});
