import { expect, test } from '@jest/globals';
import { deadLetter, keepDeadLetter, readDeadLetter, replayDeadLetter } from './dead-letter.ts';
import { eventAt, take, thrownBy } from './fixtures.ts';
import { metaBytes } from './meta.ts';

const body = Buffer.from([0, 255, 10]);
const failed = take({ id: eventAt(1), queue: 'ingress', meta: { chain: 'c', mime: 'text/plain' }, body, attempts: 2, firstAt: 1000 });
const reason = { code: 'OBJECT_HASH_MISMATCH', cause: 'EIO', path: 'msg.meta.hash', message: 'the hash is wrong', now: 5000 };

test('keeps the original whole, with the reason beside it', () => {
  const dead = deadLetter(failed, reason);
  expect(dead).toMatchObject({ queue: 'dead-letter', id: failed.id, body });
  expect(readDeadLetter(dead)).toEqual({
    code: 'OBJECT_HASH_MISMATCH',
    cause: 'EIO',
    path: 'msg.meta.hash',
    message: 'the hash is wrong',
    queue: 'ingress',
    attempts: 3,
    firstAt: 1000,
    lastAt: 5000,
    original: { id: failed.id, meta: failed.meta, body },
  });
});

test('is kept, and replayed to where it came from', () => {
  const kept = keepDeadLetter(deadLetter(failed, reason));
  expect(kept.queue).toBe('dead-letter.kept');
  expect(replayDeadLetter(readDeadLetter(kept))).toEqual({ queue: 'ingress', id: failed.id, meta: failed.meta, body });
});

test('a replay starts anew: repairs before it do not count', () => {
  const repaired = take({ ...failed, meta: { ...failed.meta, repairs: 5 } });
  const letter = readDeadLetter(deadLetter(repaired, reason));
  expect(letter.original.meta).toEqual(repaired.meta);
  expect(replayDeadLetter(letter).meta).toEqual(failed.meta);
});

test('a dead letter that fails is kept with its first reason and never goes round', () => {
  const dead = deadLetter(failed, reason);
  const again = deadLetter(take({ ...dead, attempts: 20, firstAt: 6000 }), { code: 'INTERNAL', message: 'repair failed', now: 9000 });
  expect(again.queue).toBe('dead-letter.kept');
  expect(readDeadLetter(again)).toMatchObject({ code: 'OBJECT_HASH_MISMATCH', queue: 'ingress' });
});

test('nothing of an earlier death stays when a replayed message fails again', () => {
  const dirty = take({ queue: 'ingress', meta: { 'dead-path': 'msg.doc', 'dead-cause': 'OLD', 'dead-code': 'OLD', chain: 'c' } });
  const again = readDeadLetter(deadLetter(dirty, { code: 'INTERNAL', message: 'x', now: 1 }));
  expect([again.code, again.cause, again.path, again.original.meta]).toEqual(['INTERNAL', undefined, undefined, { chain: 'c' }]);
});

test('stays small and well-formed with any error', () => {
  const dead = deadLetter(failed, {
    ...reason,
    cause: 'c'.repeat(50_000),
    path: 'p'.repeat(50_000),
    message: `${'x'.repeat(998)}\ud83d\ude00${'y'.repeat(50_000)}`,
  });
  expect(metaBytes(dead.meta)).toBeLessThan(8_000);
  expect(String(dead.meta['dead-message']).isWellFormed()).toBe(true);
});

test('what is not a dead letter is refused', () => {
  expect(thrownBy(() => readDeadLetter(failed))).toMatchObject({ code: 'MESSAGE_INVALID', details: { path: 'msg.meta.dead-code' } });
});
