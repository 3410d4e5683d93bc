/** @group long: it runs the mesh with many seeds. */
import { worker as builder } from '@blockhub/builder';
import type { Receipt } from '@blockhub/chain';
import { worker as msgMerge } from '@blockhub/msg-merge';
import { worker as nextField } from '@blockhub/next-field';
import { describe, expect, test } from '@jest/globals';
import { type MeshOptions, runMesh, type Verdict } from './mesh.ts';

const clean = { lost: 0, doubled: 0, unexpected: 0, forked: [], quiet: true, dead: 0 };

const rates = {
  failBefore: 0.02,
  failAfter: 0.02,
  crashBefore: 0.003,
  crashAfter: 0.003,
  maxDelayMs: 10,
  named: { 'deliver-twice': 0.05, reorder: 0.1, 'lose-hint': 0.05, disconnect: 0.005, 'two-active': 0.02, 'part-publish': 0.3 },
};

describe('the pipeline behind capture', () => {
  test('puts every event into its chain once if there are no faults', async () => {
    const verdict = await runMesh({ seed: 1, events: 200 });
    expect(verdict).toMatchObject({ ...clean, crashes: 0 });
    expect(verdict.blocks).toBeLessThanOrEqual(200);
  });

  test.each(Array.from({ length: 15 }, (_, at) => at + 1))('whatever fails, crashes, repeats or is reordered (seed %i)', async (seed) => {
    const verdict = await runMesh({ seed, rates });
    expect(verdict).toMatchObject(clean);
    expect(verdict.virtualMs).toBeLessThan(120_000);
  });

  test('a run is a function of its seed', async () => {
    expect(await runMesh({ seed: 7, rates })).toEqual(await runMesh({ seed: 7, rates }));
  });
});

/** The sum of the deviations over a few seeds. */
async function harm(replace: NonNullable<MeshOptions['replace']>): Promise<Pick<Verdict, 'lost' | 'doubled'>> {
  const sum = { lost: 0, doubled: 0 };
  for (let seed = 1; seed <= 12; seed++) {
    const { lost, doubled } = await runMesh({ seed, rates, replace });
    sum.lost += lost;
    sum.doubled += doubled;
  }
  return sum;
}

/** The context with one part replaced. */
const withPart = <C extends object>(context: C, part: object): C =>
  Object.create(context, Object.fromEntries(Object.entries(part).map(([name, value]) => [name, { value }]))) as C;

describe('the judge finds', () => {
  test('a builder without a duplicate check', async () => {
    const unchecked: typeof builder = {
      ...builder,
      handle: (message, context) => {
        const windows = {
          unseen: (_tail: unknown, items: ReadonlyMap<string, Receipt>) => Promise.resolve([...items.values()]),
          propose() {},
        };
        return builder.handle?.(message, withPart(context, { state: { ...context.state, windows } }));
      },
    };
    expect((await harm({ builder: unchecked })).doubled).toBeGreaterThan(0);
  });

  test('a msg-merge that acks before its blueprint is confirmed', async () => {
    const hasty: typeof msgMerge = {
      ...msgMerge,
      setup: (context) => {
        const publish: typeof context.publish = (messages) => {
          context.publish(messages).catch(() => {});
          return Promise.resolve();
        };
        if (!msgMerge.setup) throw new Error('no setup');
        return msgMerge.setup(withPart(context, { publish }));
      },
    };
    expect((await harm({ 'msg-merge': hasty })).lost).toBeGreaterThan(0);
  });

  test('a next-field that does not read which block has won', async () => {
    const blind: typeof nextField = {
      ...nextField,
      handle: (message, context) => {
        const { store } = context;
        const lying = {
          find: store.find.bind(store),
          get: store.get.bind(store),
          head: store.head.bind(store),
          create: async (key: string, bytes: Uint8Array) => {
            await store.create(key, bytes);
            return 'created';
          },
        };
        return nextField.handle?.(message, withPart(context, { store: lying }));
      },
    };
    expect((await harm({ 'next-field': blind })).lost).toBeGreaterThan(0);
  });
});
