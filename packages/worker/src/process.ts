import { type Broker, openBroker } from '@blockhub/broker';
import { systemClock } from '@blockhub/clock';
import { BlockhubError, errorCode, hasCode } from '@blockhub/errors';
import { openRegistry, type Registry } from '@blockhub/registry';
import { help, hideUserinfo, parseSettings, sentence, type Values, wantsHelp } from '@blockhub/settings';
import { openStore, type Store, type StoreCredentials } from '@blockhub/store';
import {
  createHealth,
  createLogger,
  createMetrics,
  type Health,
  type Logger,
  type Metrics,
  openTracing,
  startProbes,
} from '@blockhub/telemetry';
import { systemRandom } from './chance.ts';
import type { ProcessShape } from './common.ts';
import { storeMeters, watchBroker } from './process-meters.ts';
import { watchRegistry } from './registry-watch.ts';
import { Releases } from './releases.ts';
import type { RunningWorker, StartOptions } from './start.ts';
import { whenAborted } from './when-aborted.ts';

/** What a process is for: one worker, or many that share what they need. */
export interface Program<Shape extends ProcessShape> {
  /** Stands in logs, metrics and `--help`, and before what is written for a person. */
  readonly name: string;
  readonly summary: string;
  readonly settings: Shape;
  /** Opens what the workers need and starts them; resolves when they run. What it throws ends the process. */
  start(values: Values<Shape>, process: Process): Promise<void>;
}

/** Where things are, by URL, and what opens them. */
export interface Places {
  readonly broker: string;
  readonly brokerUser?: string | undefined;
  readonly brokerPassword?: string | undefined;
  readonly store?: string | undefined;
  readonly registry?: string | undefined;
  readonly credentials?: StoreCredentials | undefined;
  readonly registryPassword?: string | undefined;
  /** Requests are refused while the registry is away, so that readiness asks for it. */
  readonly reliesOnRegistry?: boolean | undefined;
}

/** Everything that `startWorker` takes from a process; each worker adds settings and a name. */
export interface Opened extends Omit<StartOptions, 'settings'> {
  /** Where the probes listen. */
  readonly probePort: number;
}

/** A process as its program sees it. */
export interface Process {
  readonly out: (text: string) => void;
  readonly releases: Releases;
  /** Each worker is added when it runs. They stop in reverse order, before anything is released, and share one grace. */
  readonly workers: RunningWorker[];
  /**
   * Answers probes, then opens what lies at these places, whether it answers yet or not. All of it is closed when the process ends, the probes last:
   * alive is whoever answers, also while broker and store are awaited.
   */
  open(
    places: Places & Required<Pick<Places, 'store' | 'registry'>>,
  ): Promise<Opened & { readonly store: Store; readonly registry: Registry }>;
  open(places: Places): Promise<Opened>;
}

/** Where a process gets its orders and says what a person should read. */
export interface RunOptions {
  readonly argv?: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly out?: (text: string) => void;
  readonly err?: (text: string) => void;
  /** SIGTERM and SIGINT come from here. */
  readonly signals?: Pick<NodeJS.EventEmitter, 'on' | 'off'>;
  /** Called at the second signal: whoever insists is not kept waiting. */
  readonly abort?: () => void;
  readonly log?: Logger;
  /** A person reads standard output, as on a terminal: why it cannot run is on standard error, and in the log, with its stack, only at `debug`. */
  readonly terminal?: boolean;
}

/** As a shell says it of a process that SIGINT ended. */
const ENDED_BY_SIGNAL = 130;
const stopSignals = ['SIGTERM', 'SIGINT'] as const;
const settingCodes: ReadonlySet<string> = new Set(['SETTINGS_INVALID', 'BROKER_URL_INVALID', 'STORE_URL_INVALID', 'REGISTRY_URL_INVALID']);

/**
 * The life of a process: settings, log, probes, start, until SIGTERM or SIGINT, drain, release. A signal is heard from the first step on.
 * Gives the exit code: 0 after a stop and for `--help`; 2 when settings are wrong; 1 when it cannot run, or something could not be released.
 * What went wrong is on standard error with its code and what to do, wrong settings all at once.
 */
export async function runProgram<Shape extends ProcessShape>(program: Program<Shape>, options: RunOptions = {}): Promise<number> {
  const { argv: words = process.argv.slice(2), env = process.env, out = writeTo(process.stdout), err = writeTo(process.stderr) } = options;
  const { name, summary, settings } = program;
  // `pnpm start -- --port 0` hands the dashes on.
  const argv = words[0] === '--' ? words.slice(1) : words;
  if (wantsHelp(argv)) {
    out(help(name, summary, settings));
    return 0;
  }
  let values: Values<Shape>;
  try {
    values = parseSettings(settings, { argv, env });
  } catch (error) {
    if (!hasCode(error, 'SETTINGS_INVALID')) throw error;
    for (const mistake of mistakesOf(error)) err(`${name}: ${mistake}\n`);
    return 2;
  }
  return live(program, values, { ...options, env, out, err });
}

/** What `main.ts` does with a program. */
export async function runMain<Shape extends ProcessShape>(program: Program<Shape>): Promise<void> {
  // Whoever reads our output may go, and its disk may be full: that must not stop the mesh.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  process.exitCode = await runProgram(program);
}

async function live<Shape extends ProcessShape>(
  program: Program<Shape>,
  values: Values<Shape>,
  options: RunOptions & Required<Pick<RunOptions, 'env' | 'out' | 'err'>>,
): Promise<number> {
  const { name } = program;
  const { out, err } = options;
  const { logLevel, grace, ...probes } = values as Values<ProcessShape>;
  const log = options.log ?? createLogger({ name, level: logLevel });
  const metrics = createMetrics({ service: name });
  const health = createHealth(metrics);
  health.set('started', false);
  let code = 0;
  const releases = new Releases((part, error) => {
    log.error({ part, err: error }, 'could not be closed');
    err(`${name}: ${errorCode(error)} while stopping: ${messageOf(error)}\n`);
    code = 1;
  });
  const signal = listenForStop(options, releases);
  const workers: RunningWorker[] = [];
  try {
    const tracing = await openTracing({ service: name, env: options.env, log });
    if (tracing) releases.add('tracing', () => tracing.close());
    const shared = { clock: systemClock, random: systemRandom, log, metrics, health, ...(tracing && { tracing }), signal };
    await program.start(values, { out, releases, workers, open: opener(name, probes, shared, releases) });
    health.set('started', true);
    await whenAborted(signal);
    log.info('stopping');
  } catch (error) {
    // Whoever stops a start does not ask why it did not succeed.
    if (!signal.aborted) {
      const fix = error instanceof BlockhubError ? error.fix : undefined;
      const { terminal = process.stdout.isTTY } = options;
      log[terminal ? 'debug' : 'error']({ err: error, code: errorCode(error), ...(fix !== undefined && { fix }) }, 'process failed');
      err(`${name}: ${errorCode(error)}: ${sentence(messageOf(error))}${fix === undefined ? '' : ` ${fix}`}\n`);
      code = error instanceof BlockhubError && settingCodes.has(error.code) ? 2 : 1;
    }
  }
  await stopAll(workers, grace);
  await releases.run();
  return code;
}

interface Shared extends Pick<StartOptions, 'clock' | 'random' | 'tracing'> {
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly health: Health;
  readonly signal: AbortSignal;
}

function opener(
  name: string,
  { probeHost, probePort }: { probeHost: string; probePort: number },
  shared: Shared,
  releases: Releases,
): Process['open'] {
  const { clock, log, metrics, health } = shared;
  const open = async (places: Places): Promise<Opened> => {
    const probes = await startProbes({ host: probeHost, port: probePort, health, metrics, log, version: { name } });
    releases.add('probes', () => probes.close());
    log.info({ host: probeHost, port: probes.port }, 'probes listen');
    const { credentials } = places;
    const store = places.store === undefined ? undefined : await openStore(places.store, { clock, credentials, ...storeMeters(metrics) });
    if (store) releases.add('store', () => store.close());
    const registry =
      places.registry === undefined ? undefined : await openRegistry(places.registry, { password: places.registryPassword, log });
    if (registry) {
      releases.add('registry', () => registry.close());
      const relied = places.reliesOnRegistry ?? false;
      releases.add('registry watch', watchRegistry({ registry, clock, health, metrics, relied }));
    }
    const broker: Broker = await openBroker(places.broker, { clock, log, name, user: places.brokerUser, password: places.brokerPassword });
    releases.add('broker', () => broker.close());
    watchBroker(broker, metrics);
    return { ...shared, broker, ...(store && { store }), ...(registry && { registry }), probePort: probes.port };
  };
  return open as Process['open'];
}

/** Capture stops first, then the others down the pipeline, so that what is on its way still finds its next stage. */
async function stopAll(workers: readonly RunningWorker[], graceMs: number): Promise<void> {
  const end = systemClock.ticks() + graceMs;
  for (const worker of workers.toReversed()) await worker.stop({ graceMs: Math.max(0, end - systemClock.ticks()) });
}

/** Aborts at the first signal; the second one ends the process. */
function listenForStop({ signals = process, abort = () => process.exit(ENDED_BY_SIGNAL) }: RunOptions, releases: Releases): AbortSignal {
  const stop = new AbortController();
  const onSignal = (): void => (stop.signal.aborted ? abort() : stop.abort());
  for (const signal of stopSignals) signals.on(signal, onSignal);
  releases.add('signals', () => {
    for (const signal of stopSignals) signals.off(signal, onSignal);
  });
  return stop.signal;
}

function mistakesOf({ message, details }: BlockhubError): string[] {
  const { mistakes } = details;
  return Array.isArray(mistakes) ? mistakes.map(String) : [message];
}

const messageOf = (error: unknown): string => hideUserinfo(error instanceof Error ? error.message : String(error));

const writeTo =
  (stream: { write(text: string): unknown }) =>
  (text: string): void => {
    stream.write(text);
  };
