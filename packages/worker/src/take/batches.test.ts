import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { BatchPolicy } from '../types.ts';
import { Batches } from './batches.ts';
import { type Unsettled, unsettledOf } from './unsettled.ts';

interface Arrival {
  readonly id: string;
  readonly key: string;
  readonly bytes: number;
  /** Time since the one before. */
  readonly afterMs: number;
}

const policies = fc
  .record({
    max: fc.integer({ min: 1, max: 12 }),
    maxBytes: fc.option(fc.integer({ min: 1, max: 60 }), { nil: undefined }),
    ttlMs: fc.integer({ min: 0, max: 50 }),
    min: fc.integer({ min: 1, max: 3 }),
    prefetch: fc.integer({ min: 1, max: 20 }),
    handleMs: fc.integer({ min: 0, max: 30 }),
  })
  .filter(({ min, max }) => min <= max);

const arrivals = fc.array(
  fc.record({
    id: fc.integer({ min: 0, max: 60 }).map(String),
    key: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
    bytes: fc.integer({ min: 0, max: 20 }),
    afterMs: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.integer({ min: 0, max: 80 }) }),
  }),
  { maxLength: 150 },
);

interface Gone {
  readonly at: number;
  readonly held: readonly Unsettled[];
  readonly back: boolean;
}

/**
 * Plays arrivals against a policy as a take does: never more held than the prefetch, each batch
 * handled for a while.
 */
function play(list: readonly Arrival[], policy: BatchPolicy, prefetch: number, handleMs: number) {
  const gone: Gone[] = [];
  const inHandler: { readonly until: number; readonly deliveries: number }[] = [];
  const arrivedAt = new Map<object, number>();
  let now = 0;
  let held = 0;
  let stuck = false;
  const size = (batch: readonly Unsettled[]): number => batch.reduce((sum, one) => sum + 1 + (one.duplicates?.length ?? 0), 0);
  const batches = new Batches(policy, prefetch, {
    handle(batch) {
      gone.push({ at: now, held: batch, back: false });
      inHandler.push({ until: now + handleMs, deliveries: size(batch) });
    },
    release(batch) {
      gone.push({ at: now, held: batch, back: true });
      held -= size(batch);
    },
  });
  const advance = (to: number): void => {
    for (;;) {
      const end = Math.min(...inHandler.map(({ until }) => until));
      const due = batches.dueAt ?? Number.POSITIVE_INFINITY;
      const next = Math.min(end, due);
      if (next > to) break;
      now = next;
      if (due === next) batches.expire(now);
      for (const one of inHandler.splice(0)) {
        if (one.until <= now) held -= one.deliveries;
        else inHandler.push(one);
      }
    }
    now = Math.max(now, to);
  };
  for (const { id, key, bytes, afterMs } of list) {
    advance(now + afterMs);
    while (held >= prefetch) {
      // The broker gives nothing more until something is settled.
      if (inHandler.length === 0) stuck = true;
      const next = Math.min(...inHandler.map(({ until }) => until));
      if (!Number.isFinite(next)) break;
      advance(next);
    }
    if (stuck) break;
    const delivery = {
      id,
      queue: 'q',
      meta: { key },
      body: Buffer.alloc(bytes),
      attempts: 0,
      firstAt: 0,
      ack() {},
      retry() {},
      release() {},
    };
    held++;
    arrivedAt.set(delivery, now);
    batches.add(unsettledOf(delivery), now);
    batches.relieve(held);
  }
  const waiting = batches.waiting;
  batches.flush();
  return { gone, stuck, waiting, arrivedAt, left: batches.waiting, due: batches.dueAt };
}

const policyOf = ({ maxBytes, ...rest }: { max: number; min: number; ttlMs: number; maxBytes: number | undefined }): BatchPolicy => ({
  max: rest.max,
  min: rest.min,
  ttlMs: rest.ttlMs,
  ...(maxBytes === undefined ? {} : { maxBytes }),
  key: (message) => String(message.meta.key),
});

describe('batches', () => {
  test('keep their policy, whatever comes', () => {
    fc.assert(
      fc.property(arrivals, policies, (list, settings) => {
        const policy = policyOf(settings);
        const { gone, stuck, arrivedAt, left, due } = play(list, policy, settings.prefetch, settings.handleMs);
        expect(stuck).toBe(false);
        expect([left, due]).toEqual([0, undefined]);
        const deliveries = gone.flatMap(({ held }) => held.flatMap((one) => [one.delivery, ...(one.duplicates ?? [])]));
        expect(new Set(deliveries)).toEqual(new Set(arrivedAt.keys()));
        expect(deliveries).toHaveLength(arrivedAt.size);
        for (const { at, held, back } of gone) {
          const [first] = held;
          const bytes = held.reduce((sum, { message }) => sum + message.body.length, 0);
          expect(held.length).toBeLessThanOrEqual(policy.max);
          if (held.length > 1) expect(bytes).toBeLessThanOrEqual(policy.maxBytes ?? Number.POSITIVE_INFINITY);
          expect(new Set(held.map(({ message }) => message.meta.key)).size).toBe(1);
          expect(new Set(held.map(({ message }) => message.id)).size).toBe(held.length);
          if (back) expect(held.length).toBeLessThan(policy.min ?? 1);
          if (first) expect(at - (arrivedAt.get(first.delivery) ?? Number.NaN)).toBeLessThanOrEqual(policy.ttlMs);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('keep the order of arrival within a key', () => {
    fc.assert(
      fc.property(arrivals, policies, (list, settings) => {
        const { gone, arrivedAt } = play(list, policyOf(settings), settings.prefetch, settings.handleMs);
        const order = new Map([...arrivedAt.keys()].map((delivery, at) => [delivery, at]));
        for (const key of ['a', 'b', 'c', 'd', 'e']) {
          const seen = gone.flatMap(({ held }) =>
            held.filter(({ message }) => message.meta.key === key).map(({ delivery }) => order.get(delivery) ?? -1),
          );
          expect(seen).toEqual([...seen].sort((a, b) => a - b));
        }
      }),
    );
  });

  test('a full prefetch lets the oldest go, enough of them to share a confirm', () => {
    const went: string[][] = [];
    const batches = new Batches({ max: 100, ttlMs: 1e9, key: ({ id }) => id }, 16, {
      handle: (held) => went.push(held.map(({ message }) => message.id)),
      release: () => {},
    });
    for (let n = 0; n < 16; n++) {
      batches.add(
        unsettledOf({
          id: `${n}`,
          queue: 'q',
          meta: {},
          body: Buffer.alloc(0),
          attempts: 0,
          firstAt: 0,
          ack() {},
          retry() {},
          release() {},
        }),
        n,
      );
      batches.relieve(n + 1);
    }
    expect(went).toEqual([['0'], ['1']]);
    expect(batches.waiting).toBe(14);
  });

  const waitOf = (policy: BatchPolicy, ...took: number[]): number => {
    const batches = new Batches(policy, 200, { handle: () => {}, release: () => {} });
    for (const ms of took) batches.took(ms);
    batches.add(
      unsettledOf({ id: 'a', queue: 'q', meta: {}, body: Buffer.alloc(0), attempts: 0, firstAt: 0, ack() {}, retry() {}, release() {} }),
      1000,
    );
    return (batches.dueAt ?? Number.NaN) - 1000;
  };

  test('nothing waits longer than ten minutes, with any policy', () => {
    const day = 24 * 3_600_000;
    expect(waitOf({ max: 100, ttlMs: day })).toBe(600_000);
    expect(waitOf({ max: 100, ttlMs: 1, mostTtlMs: day }, day)).toBe(600_000);
  });

  test.each([
    [undefined, [500], 100],
    [50, [500], 100],
    [1000, [], 100],
    [1000, [10], 100],
    [1000, [120], 240],
    [1000, [900], 1000],
    [1000, [900, 10], 100],
  ])('with at most %p ms they wait twice as long as the last of %p took', (mostTtlMs, took, waitMs) => {
    expect(waitOf({ max: 100, ttlMs: 100, ...(mostTtlMs !== undefined && { mostTtlMs }) }, ...took)).toBe(waitMs);
  });
});
