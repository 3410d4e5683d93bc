/** An export of a product file that no product file imports. */
export interface Unused {
  readonly path: string;
  readonly name: string;
}

/** Exports that only tests may use, by the begin of `path:name`, each with the reason. */
export const forTests: readonly (readonly [begin: string, reason: string])[] = [
  ['packages/test-servers/', 'the package is for tests'],
  ['packages/broker/src/conformance.ts', 'the suite that every broker driver must pass'],
  ['packages/registry/src/conformance.ts', 'the suite that every registry driver must pass'],
  ['packages/store/src/conformance.ts', 'the suite that every store driver must pass'],
  ['packages/faults/src/plan.ts:seededPlan', 'plans of faults for memory drivers'],
  ['packages/faults/src/random.ts:seededRandom', 'chance of simulation and conservation'],
  ['packages/worker/src/testing/test-worker.ts:testWorker', 'the tests of services call a handler without a broker'],
  ['packages/worker/src/testing/test-tracing.ts:testTracing', 'the tests of services read the spans of a handler'],
  ['packages/worker/src/index.ts:eventIds', 'tests that send messages make ids of events'],
  ['services/web-to-msg/src/worker.ts:Appender', 'the simulation appends without sockets'],
  ['services/web-to-msg/src/spool/memory-disk.ts:MemoryDisk', 'the simulation loses what a disk has not synced'],
];

/** What knip found, without re-exports: they go with what they re-export. */
function withoutReexports(found: readonly Unused[]): Unused[] {
  const isIndex = ({ path }: Unused): boolean => /\/src\/(?:index|worker)\.ts$/.test(path);
  const defined = new Set(found.filter((it) => !isIndex(it)).map(({ path, name }) => `${unitOf(path)}:${name}`));
  return found.filter((it) => !isIndex(it) || !defined.has(`${unitOf(it.path)}:${it.name}`));
}

const unitOf = (path: string): string => path.split('/').slice(0, 2).join('/');

/**
 * One sentence for each export that only tests use, and for each entry of the list that nothing
 * needs.
 */
export function checkUnused(found: readonly Unused[], allowed: typeof forTests = forTests): string[] {
  const ids = withoutReexports(found).map(({ path, name }) => `${path}:${name}`);
  return [
    ...ids
      .filter((id) => !allowed.some(([begin]) => id.startsWith(begin)))
      .map((id) => `${id} is used by tests only: delete it, or add it to tests/unused/exports.ts with a reason`),
    ...allowed
      .filter(([begin]) => !ids.some((id) => id.startsWith(begin)))
      .map(([begin]) => `${begin} is listed in tests/unused/exports.ts, but product code uses it or it does not exist: remove the entry`),
  ];
}
