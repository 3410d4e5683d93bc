import { readFileSync } from 'node:fs';
import { type Layer, layerOf } from './layers.ts';

interface Test {
  readonly path: string;
}

const order: readonly Layer[] = ['servers', 'long', 'fast'];

/**
 * The order of suites: those with the longest time-outs first, then the slower layers, then the
 * longer files. So no worker is left with a long suite at the end, on a fresh machine too.
 */
// biome-ignore lint/style/noDefaultExport: Jest takes it.
export default class LongFirst {
  sort<T extends Test>(tests: readonly T[]): T[] {
    return tests
      .map((test) => ({ test, rank: order.indexOf(layerOf(test.path)), ...read(test.path) }))
      .toSorted((a, b) => b.timeoutMs - a.timeoutMs || a.rank - b.rank || b.size - a.size)
      .map(({ test }) => test);
  }

  shard<T>(tests: readonly T[], { shardIndex, shardCount }: { readonly shardIndex: number; readonly shardCount: number }): T[] {
    return tests.filter((_, at) => at % shardCount === shardIndex - 1);
  }

  allFailedTests<T>(tests: readonly T[]): readonly T[] {
    return tests;
  }

  cacheResults(): void {
    // The order follows from the files alone.
  }
}

/** The longest time-out in a suite, or 0 if there is none, and the length of its file. */
function read(path: string): { timeoutMs: number; size: number } {
  const source = readFileSync(path, 'utf8');
  const timeouts = [...source.matchAll(/\b(\d{2,}_000)\);$|_MS = (\d{2,}_000);$/gm)].map(([, ...ms]) =>
    Number(ms.join('').replaceAll('_', '')),
  );
  return { timeoutMs: Math.max(0, ...timeouts), size: source.length };
}
