import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Broker, openBroker } from '@blockhub/broker';
import { heightOfKey } from '@blockhub/chain';
import { systemClock } from '@blockhub/clock';
import { seededRandom } from '@blockhub/faults';
import { declarations } from '@blockhub/message';
import { openRegistry } from '@blockhub/registry';
import { openStore, type Store } from '@blockhub/store';
import { createChain } from '@blockhub/writer';
import { isClean, judge, type Verdict } from '../simulation/judge.ts';
import type { SampleChain } from '../simulation/senders.ts';
import { type FaultParts, inject } from './faults.ts';
import { type Mesh, startMesh, within } from './mesh.ts';
import { judgeNames, type RegistryLoss } from './names.ts';
import { describeFault, drawPlan, type Fault, type FaultKind, type Parties } from './plan.ts';
import { Poison } from './poison.ts';
import { type Sendings, sendAll } from './senders.ts';
import type { Servers } from './servers.ts';
import { noticeQueues, PARTITIONS } from './services.ts';

const SECOND = 1000;
const BOUND_MS = 120 * SECOND;
/**
 * Readings in a row that must find no message before the mesh counts as quiet. The broker's counts
 * are up to 5 s old.
 */
const STILL_READINGS = 4;
const READING_MS = 3 * SECOND;
const QUEUES_THAT_KEEP = new Set(['dead-letter.kept']);

export interface RunOptions {
  readonly seed: number;
  readonly faults: number;
  /** Mean time between two faults. */
  readonly everyMs: number;
  readonly only?: readonly FaultKind[] | undefined;
  readonly on?: RegExp | undefined;
  readonly chains: number;
  readonly senders: number;
  /** Mean pause of each sender. */
  readonly pauseMs: number;
  readonly replicas: number;
  /** How long the mesh may take to become quiet afterwards. */
  readonly restMs: number;
  /** Folder for logs. */
  readonly logs: string;
  /** Into the environment of all services. */
  readonly env?: NodeJS.ProcessEnv;
  readonly say: (line: string) => void;
}

export interface RunResult {
  readonly seed: number;
  readonly clean: boolean;
  readonly verdict: Verdict;
  /**
   * Messages that still waited at the end of the time limit, as `queue: messages, ready, unacked`.
   */
  readonly restless: readonly string[];
  /** Poison that is not a dead letter, and dead letters that are not poison. */
  readonly dead: { readonly missing: readonly string[]; readonly foreign: readonly string[] };
  /** Blocks without a notice. */
  readonly unnoticed: readonly string[];
  /** Faults of the plan by kind, and those of them that had an effect. */
  readonly planned: Counts;
  readonly injected: Counts;
  /** From the first fault to the end of the last. */
  readonly stormSeconds: number;
  /** Unexpected ends of processes, and stops that took too long or failed; see `wrongEnd`. */
  readonly ends: readonly string[];
  /** Requests that were sent, repetitions among them. */
  readonly requests: number;
  /** Names that senders gave to events; each is for one request and its repetitions. */
  readonly named: number;
  /** Names that the registry cannot have lost: at most one event each. */
  readonly single: number;
  /** Events with a receipt. */
  readonly captured: number;
  /** Dead letters that were intended. */
  readonly poisoned: number;
  /** The most memory that the test itself had, in MB. */
  readonly peakMb: number;
  readonly seconds: number;
}

type Counts = Readonly<Partial<Record<FaultKind, number>>>;

/** Runs the mesh under a plan of faults, lets it become quiet and judges from the bucket. */
export async function run(servers: Servers, options: RunOptions): Promise<RunResult> {
  const { seed, logs } = options;
  const started = performance.now();
  const say = (text: string): void => options.say(`seed ${seed}, ${Math.round((performance.now() - started) / SECOND)} s: ${text}`);
  mkdirSync(logs, { recursive: true });
  const store = await openStore(servers.url('store'), { credentials: servers.credentials });
  const broker = await openBroker(servers.url('broker'), { clock: systemClock, name: 'conservation' });
  const registry = await openRegistry(servers.url('registry'));
  await broker.declare(declarations(PARTITIONS));
  const chains = await createChains(store, options.chains, seed);
  const noticed = await followNotices(broker);
  const poison = new Poison(broker, chains[0]?.id ?? '');
  const losses: RegistryLoss[] = [];
  const mesh = await startMesh(servers, options);
  let stormed: Pick<RunResult, 'planned' | 'injected' | 'stormSeconds'>;
  let sendings: Sendings;
  let restless: readonly string[];
  try {
    const plan = drawPlan(seed, partiesOf(mesh, servers), options);
    writeFileSync(join(logs, 'plan.txt'), `${plan.map(describeFault).join('\n')}\n`);
    say(`the mesh is up, ${plan.length} faults come; plan and logs in ${logs}`);
    const end = new AbortController();
    const sending = sendAll({ ...options, chains, captureUrls: mesh.captureUrls, count: options.senders, signal: end.signal });
    stormed = await storm(plan, { mesh, servers, registry, poison, away: new Set(), losses }, say);
    end.abort();
    sendings = await bounded(sending, 'senders');
    await servers.trace(false);
    await bounded(poison.published(), 'poison');
    say('the storm is over');
    // The spool of a replica that was removed may still hold requests: its next process publishes
    // them.
    if (mesh.spooled().length > 0) mesh.spares.get('web-to-msg')?.add();
    restless = await becomeQuiet(servers, mesh, options.restMs, say);
    if (restless.length > 0) await keepWaiting(servers, restless, logs);
  } finally {
    await mesh.stop();
  }
  say(`${restless.length === 0 ? 'quiet' : 'RESTLESS'}, judging`);
  const { sent, named } = sendings;
  const names = judgeNames(named, losses);
  const verdict = await judge(store, chains, [...sent, ...names.sent]);
  verdict.untrue.push(...names.untrue);
  const dead = await poison.compare();
  const unnoticed = await findUnnoticed(store, chains, noticed);
  for (const part of [broker, store, registry]) await part.close();
  return {
    seed,
    clean: isClean(verdict) && [restless, dead.missing, dead.foreign, unnoticed, mesh.ends].every((list) => list.length === 0),
    verdict,
    restless,
    dead,
    unnoticed,
    ...stormed,
    ends: mesh.ends,
    requests: named.reduce((sum, { tries }) => sum + tries.length, sent.length),
    named: named.length,
    single: names.single,
    captured: [...sent, ...names.sent].filter(({ answer }) => answer.receipt).length,
    poisoned: poison.count,
    peakMb: Math.round(process.resourceUsage().maxRSS / 1024),
    seconds: Math.round((performance.now() - started) / SECOND),
  };
}

const partiesOf = ({ processes, links, spares }: Mesh, { stoppable }: Servers): Parties => ({
  processes: [...processes.keys()],
  clocks: [...processes.keys()].filter((name) => name.startsWith('web-to-msg')),
  services: [...spares.keys()],
  links: [...links.keys()],
  servers: stoppable,
});

/** Resolves when all faults are over. */
async function storm(
  plan: readonly Fault[],
  parts: FaultParts,
  say: (text: string) => void,
): Promise<Pick<RunResult, 'planned' | 'injected' | 'stormSeconds'>> {
  const planned: Partial<Record<FaultKind, number>> = {};
  const injected: Partial<Record<FaultKind, number>> = {};
  const count = (counts: typeof planned, { kind }: Fault): void => {
    counts[kind] = (counts[kind] ?? 0) + 1;
  };
  const start = performance.now();
  const running: Promise<void>[] = [];
  for (const [n, fault] of plan.entries()) {
    await sleep(Math.max(0, start + fault.atMs - performance.now()));
    if (n % 50 === 49) say(`${n + 1} faults, ${Math.round(process.memoryUsage.rss() / 2 ** 20)} MB of the test itself`);
    count(planned, fault);
    const done = inject(fault, parts).then((hurt) => {
      if (hurt) count(injected, fault);
    });
    const work = bounded(done, describeFault(fault));
    // `Promise.all` below reports the error. Without this handler it would be unhandled until then.
    work.catch(() => undefined);
    running.push(work);
  }
  await Promise.all(running);
  return { planned, injected, stormSeconds: (performance.now() - start) / SECOND };
}

/** Rejects if the test's own work takes too long. */
async function bounded<T>(work: Promise<T>, what: string): Promise<T> {
  const late = sleep(BOUND_MS, undefined, { ref: false }).then(() => Promise.reject(new Error(`no end within ${BOUND_MS} ms: ${what}`)));
  return Promise.race([work, late]);
}

async function createChains(store: Store, count: number, seed: number): Promise<SampleChain[]> {
  const random = seededRandom(seed);
  return Promise.all(
    Array.from({ length: count }, async (_, n) => {
      const name = `chain-${n}`;
      const crypt = n % 5 === 4 ? 'md5' : 'sha256';
      const requests = n % 3 === 0;
      const { id } = await createChain(store, { name, crypt, settings: { requests }, now: systemClock.now(), random });
      return { id, name, crypt, requests } as const;
    }),
  );
}

/** Consumes all notices of blocks. The set of `chain height` grows while they arrive. */
async function followNotices(broker: Broker): Promise<ReadonlySet<string>> {
  const noticed = new Set<string>();
  await broker.declare(noticeQueues.map((name) => ({ name, kind: 'durable' })));
  for (const queue of noticeQueues) {
    await broker.consume(queue, { prefetch: 500 }, (notice) => {
      noticed.add(`${notice.meta.chain} ${notice.meta.height}`);
      notice.ack();
    });
  }
  return noticed;
}

/**
 * Resolves with an empty list when no queue and no spool holds a message, several times in a row.
 * If that takes too long, resolves with those that do.
 */
async function becomeQuiet(servers: Servers, mesh: Mesh, restMs: number, say: (text: string) => void): Promise<readonly string[]> {
  let still = 0;
  let waiting: readonly string[] = [];
  let said = performance.now();
  const quiet = await within(
    restMs,
    async () => {
      waiting = (await servers.pending().catch((error: Error) => [error.message])).filter(
        (line) => !QUEUES_THAT_KEEP.has(line.split(':')[0] ?? ''),
      );
      waiting = [...waiting, ...mesh.spooled()];
      still = waiting.length === 0 ? still + 1 : 0;
      if (performance.now() - said > 20 * SECOND) {
        said = performance.now();
        say(`still waiting: ${waiting.join(', ')}`);
      }
      return still >= STILL_READINGS;
    },
    READING_MS,
  );
  return quiet ? [] : waiting;
}

/**
 * Writes the first waiting messages into a file beside the logs, since the queues end with the run.
 */
async function keepWaiting(servers: Servers, restless: readonly string[], logs: string): Promise<void> {
  const reason = (error: unknown): string => String(error);
  const seen: Record<string, unknown> = {};
  for (const line of restless) {
    const [queue = ''] = line.split(':');
    seen[line] = await servers.peek(queue).catch(reason);
  }
  // Reading a delay queue makes RabbitMQ pass on messages that are due.
  await sleep(2 * READING_MS);
  seen['a little later'] = await servers.pending().catch(reason);
  writeFileSync(join(logs, 'waiting.json'), JSON.stringify(seen, undefined, 2));
}

async function findUnnoticed(store: Store, chains: readonly SampleChain[], noticed: ReadonlySet<string>): Promise<string[]> {
  const unnoticed: string[] = [];
  for (const { id } of chains) {
    for await (const { key } of store.list(`chains/${id}/`)) {
      const height = heightOfKey(key);
      if (height !== undefined && height > 0 && !noticed.has(`${id} ${height}`)) unnoticed.push(`${id} ${height}`);
    }
  }
  return unnoticed;
}

/** The figures of a run, for tables. */
export function figuresOf({ seed, clean, verdict, restless, dead, unnoticed, planned, injected, ends, ...rest }: RunResult) {
  const { lost, doubled, unexpected, untrue, faults, blocks, events, spooled } = verdict;
  const sum = Object.values(injected).reduce((all, one) => all + one, 0);
  const { requests, named, single, captured, poisoned, stormSeconds, seconds, peakMb } = rest;
  return {
    ...{ seed, clean, faults: sum, faultsPerMinute: Math.round((sum / stormSeconds) * 60) },
    ...{ lost: lost.length, doubled: doubled.length, forked: faults.length, unexpected: unexpected.length, untrue: untrue.length },
    ...{ deadMeant: poisoned - dead.missing.length, deadOthers: dead.foreign.length, deadMissing: dead.missing.length },
    ...{ unnoticed: unnoticed.length, restless: restless.length, unexpectedEnds: ends.length },
    ...{ requests, named, single, captured, spooled, events, blocks, seconds, peakMb },
    ...{ planned, injected },
  };
}

/** One line of figures, then the deviations. */
export function describeRun(result: RunResult): string {
  const { verdict, restless, dead, unnoticed, ends } = result;
  const { lost, doubled, unexpected, untrue, faults } = verdict;
  const { planned, injected, ...is } = figuresOf(result);
  const figures = [
    `lost ${is.lost} doubled ${is.doubled} forked ${is.forked} unexpected ${is.unexpected} untrue ${is.untrue}`,
    `dead ${is.deadOthers} unnoticed ${is.unnoticed} unexpected ends ${is.unexpectedEnds}${is.restless > 0 ? ' RESTLESS' : ''}`,
    `(${is.faults} faults, ${is.faultsPerMinute} a minute; ${is.requests} requests, ${is.named} names of which ${is.single} were never lost, ${is.captured} events captured, ${is.spooled} of them spooled,`,
    `${is.events} events in ${is.blocks} blocks, ${is.seconds} s)`,
  ];
  const wrong = [
    ...restless.map((line) => `waits: ${line}`),
    ...ends.map((end) => `process ${end}`),
    ...faults,
    ...untrue.map((line) => `untrue: ${line}`),
    ...lost.map((event) => `lost: ${event}`),
    ...doubled.map((event) => `doubled: ${event}`),
    ...unexpected.map((event) => `unexpected: ${event}`),
    ...dead.foreign.map((line) => `dead: ${line}`),
    ...dead.missing.map((id) => `no dead letter of: ${id}`),
    ...unnoticed.map((block) => `unnoticed: ${block}`),
  ];
  const kinds = Object.entries(planned).map(([kind, count]) => `${kind} ${injected[kind as FaultKind] ?? 0} of ${count}`);
  return [
    `seed ${is.seed}: ${is.clean ? 'clean' : 'NOT CLEAN'} ${figures.join(' ')}`,
    `  ${kinds.join(', ')}`,
    ...wrong.slice(0, 30).map((line) => `    ${line}`),
  ].join('\n');
}
