import { createHash } from 'node:crypto';
import type { Clock } from '@blockhub/clock';
import { BlockhubError, hasCode, isTransient } from '@blockhub/errors';
import type { Random } from '@blockhub/faults';
import type { ByteRange, OnUnseen, StoredObject } from './driver.ts';

export interface ProbedStore {
  find(key: string, range?: ByteRange): Promise<Buffer | undefined>;
  get(key: string, range?: ByteRange): Promise<Buffer>;
  head(key: string): Promise<{ length: number } | undefined>;
  create(key: string, bytes: Uint8Array): Promise<'created' | 'exists'>;
  put(key: string, bytes: Uint8Array): Promise<void>;
  remove(key: string): Promise<void>;
  list(prefix: string, options?: { after?: string; onUnseen?: OnUnseen }): AsyncIterable<StoredObject>;
}

export interface ProbeCheck {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
  /** What to do, if an error kept the check from a result. */
  readonly fix?: string;
  /** The error that kept the check from a result, if there was one. */
  readonly error?: unknown;
}

export interface ProbeReport {
  readonly ok: boolean;
  readonly checks: readonly ProbeCheck[];
  /** Objects that could not be removed, as under a write-once lock. */
  readonly left: readonly string[];
}

/**
 * A store was found that lets several writers win in 23 of 100 races of 16, and in 14 of 100 of 4.
 * These races miss it less than once in 10,000,000 times. Small races run four at a time.
 */
const races = [
  { rounds: 16, writers: 16, atOnce: 1 },
  { rounds: 96, writers: 4, atOnce: 4 },
];
const RACE_BYTES = 2048;
const MOST_WRITERS = 16;
const LARGE_BYTES = 8 * 1024 * 1024;
/** Left-overs of this age are removed. Clocks differ, so a running probe may seem hours old. */
const STALE_MS = 24 * 60 * 60 * 1000;

interface Trial {
  readonly store: ProbedStore;
  /** A key of this probe. Its object is removed at the end. */
  key(name: string): string;
  readonly prefix: string;
}

/** Gives what it found. Throws, by `must`, what is wrong. */
type Check = (trial: Trial) => Promise<string>;

class Verdict extends Error {}

function must(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Verdict(otherwise);
}

const text = (value: string): Buffer => Buffer.from(value);

const checks: Readonly<Record<string, Check>> = {
  async 'read after write'({ store, key }) {
    const at = key('read');
    must((await store.find(at)) === undefined && (await store.head(at)) === undefined, 'an object exists that was never written');
    await store.create(at, text('written'));
    must((await store.find(at))?.toString() === 'written', 'a read gives other bytes than were just written');
    must((await store.head(at))?.length === 7, 'head gives another length than was written');
    return 'reads give what was just written';
  },
  async 'create if absent'({ store, key }) {
    const at = key('create');
    must((await store.create(at, text('first'))) === 'created', 'the first create was refused');
    must((await store.create(at, text('second'))) === 'exists', 'a second create of one key was accepted');
    must((await store.find(at))?.toString() === 'first', 'a refused create changed the object');
    return 'a second create is refused and changes nothing';
  },
  async 'one winner of a race'({ store, key }) {
    for (const { rounds, writers, atOnce } of races) {
      for (let round = 0; round < rounds; round += atOnce) {
        await Promise.all(Array.from({ length: atOnce }, (_, at) => runRace(store, key(`race-${writers}-${round + at}`), writers)));
      }
    }
    return `${races.map(({ rounds, writers }) => `${rounds} races of ${writers} writers`).join(' and ')} had one winner each`;
  },
  async range({ store, key }) {
    const at = key('range');
    await store.create(at, text('0123456789'));
    must((await store.get(at, { offset: 3, length: 4 })).toString() === '3456', 'a range gives other bytes');
    must((await store.get(at, { offset: 8, length: 9 })).toString() === '89', 'a range past the end gives other bytes');
    return 'ranges give the right bytes';
  },
  async 'list order'({ store, key, prefix }) {
    const names = ['list/b', 'list/a/2', 'list/a-1', 'list/a0', 'list/a/1', 'list/000000000010', 'list/000000000009'];
    for (const name of names) await store.create(key(name), text(name));
    const want = names.map((name) => prefix + name).sort();
    const seen: string[] = [];
    for await (const object of store.list(`${prefix}list/`)) seen.push(object.key);
    must(seen.join() === want.join(), `expected the list ${want.join(' ')}, got ${seen.join(' ')}`);
    const rest: string[] = [];
    for await (const object of store.list(`${prefix}list/`, { after: want[3] ?? '' })) rest.push(object.key);
    must(rest.join() === want.slice(4).join(), 'a listing behind a key gives other objects');
    return 'listings are complete and ordered by the bytes of the keys, behind any key';
  },
  async 'large object'({ store, key }) {
    const bytes = Buffer.alloc(LARGE_BYTES, 'a pattern of 23 letters');
    await store.create(key('large'), bytes);
    must((await store.find(key('large')))?.equals(bytes) === true, `${LARGE_BYTES} bytes were read back changed`);
    return `${LARGE_BYTES} bytes were read back unchanged`;
  },
  async replace({ store, key }) {
    const at = key('replace');
    try {
      await store.put(at, text('old'));
      await store.put(at, text('new'));
    } catch (error) {
      // Only repairs and `deploy --rewrite` replace objects, so a store may refuse to. It must not
      // accept the put and keep the old bytes.
      if (isTransient(error) && !hasCode(error, 'STORE_DENIED')) throw error;
      return 'a put is refused, as under a write-once lock';
    }
    must((await store.find(at))?.toString() === 'new', 'a replaced object still has its old bytes');
    return 'a put replaces';
  },
};

async function runRace(store: ProbedStore, key: string, writers: number): Promise<void> {
  const bodies = Array.from({ length: writers }, (_, writer) => Buffer.alloc(RACE_BYTES, 97 + writer));
  const outcomes = await Promise.all(bodies.map((bytes) => store.create(key, bytes)));
  const winners = bodies.filter((_, writer) => outcomes[writer] === 'created');
  must(winners.length === 1, `${winners.length} of ${writers} racing creates of one key succeeded`);
  must((await store.get(key)).equals(winners[0] ?? text('')), 'the object of a race is not what its winner wrote');
}

async function run(name: string, check: Check, trial: Trial): Promise<ProbeCheck> {
  try {
    return { name, ok: true, detail: await check(trial) };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    const fix = error instanceof BlockhubError ? error.fix : undefined;
    return { name, ok: false, detail, ...(fix !== undefined && { fix }), ...(error instanceof Verdict ? {} : { error }) };
  }
}

async function removeAll(store: ProbedStore, keys: Iterable<string>): Promise<string[]> {
  const left: string[] = [];
  const remove = (key: string): Promise<unknown> => store.remove(key).catch(() => left.push(key));
  await Promise.all(Array.from(keys, remove));
  return left;
}

/** Keys are `probe/{13 digits of ms}-{random}/…`, so a key shows its age. */
async function removeStale(store: ProbedStore, nowMs: number): Promise<void> {
  const stale: string[] = [];
  for await (const { key } of store.list('probe/', { onUnseen: notOfProbes })) {
    const at = Number(key.slice(6, 19));
    if (at >= nowMs - STALE_MS) break;
    // A probe did not write a key without a number.
    if (at < nowMs - STALE_MS) stale.push(key);
  }
  await removeAll(store, stale);
}

/** Objects that cannot be opened are verdicts, which are made again, or left-overs. */
const notOfProbes = (): void => {};

const folderAt = (ms: number): string => `probe/${String(ms).padStart(13, '0')}`;

/** A verdict is about a server, so it counts only for the URL at which it was reached. */
const verdictName = (url: string): string => `safe-${createHash('sha256').update(url).digest('hex').slice(0, 16)}`;

/** True if a probe of the store at this URL passed within a day. */
export async function hasPassed(store: ProbedStore, url: string, nowMs: number): Promise<boolean> {
  for await (const { key } of store.list('probe/', { after: folderAt(nowMs - STALE_MS), onUnseen: notOfProbes })) {
    if (key.endsWith(`/${verdictName(url)}`)) return true;
  }
  return false;
}

/** For processes that start within a day. It is removed with what killed probes left. */
export const keepVerdict = async (store: ProbedStore, url: string, nowMs: number): Promise<unknown> =>
  store.create(`${folderAt(nowMs)}/${verdictName(url)}`, text(url));

/** A missing bucket or a wrong URL gives no result either. */
const isUnanswered = (error: unknown): boolean =>
  isTransient(error) || hasCode(error, 'STORE_NOT_FOUND') || hasCode(error, 'STORE_URL_INVALID');

export interface ProbeOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** The store passed within a day, so only the condition is checked, with a few requests. */
  readonly again?: boolean;
}

/** Runs every check, also after one failed. `open` gives a store over the same driver. */
export async function probeStore(
  open: (concurrency: number) => ProbedStore,
  { clock, random, again = false }: ProbeOptions,
): Promise<ProbeReport> {
  const store = open(MOST_WRITERS);
  const prefix = `${folderAt(clock.now())}-${random().toString(36).slice(2, 12)}/`;
  const used = new Set<string>();
  const key = (name: string): string => {
    used.add(prefix + name);
    return prefix + name;
  };
  const done: ProbeCheck[] = [];
  for (const [name, check] of Object.entries(checks)) {
    if (again && name !== 'create if absent') continue;
    const result = await run(name, check, { store, key, prefix });
    done.push(result);
    // Without an answer there is no result, and the other checks would only wait for the same.
    if (isUnanswered(result.error)) break;
  }
  const left = await removeAll(store, used);
  await removeStale(store, clock.now()).catch(() => undefined);
  return { ok: done.every((check) => check.ok), checks: done, left };
}

/** The error of a failed report: what kept it from a result, else STORE_UNSAFE. */
export function unsafe(url: string, report: ProbeReport): BlockhubError | undefined {
  const failed = report.checks.filter((check) => !check.ok);
  if (failed.length === 0) return undefined;
  const open = failed.find((check) => isUnanswered(check.error))?.error;
  if (open instanceof BlockhubError) return open;
  const what = failed.map((check) => `${check.name}: ${check.detail}`).join('; ');
  const names = failed.map((check) => check.name);
  return new BlockhubError('STORE_UNSAFE', `store ${url} is refused: ${what}`, { cause: failed[0]?.error, details: { failed: names } });
}
