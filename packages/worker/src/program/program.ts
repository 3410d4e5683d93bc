import { systemClock } from '@blockhub/clock';
import { BlockhubError, errorCode, hasCode } from '@blockhub/errors';
import { help, hideUserinfo, parseSettings, sentence, type Values, wantsHelp } from '@blockhub/settings';
import { createHealth, createLogger, createMetrics, type Logger, openTracing } from '@blockhub/telemetry';
import { whenAborted } from '../abort.ts';
import type { RunningWorker } from '../instance/running-worker.ts';
import { systemRandom } from '../random.ts';
import { Releases } from '../releases.ts';
import type { ProcessShape } from './common-settings.ts';
import { type OpenResources, opener } from './resources.ts';

/** What a process runs: one worker, or many that share their connections. */
export interface Program<Shape extends ProcessShape> {
  /** Stands in logs, metrics and `--help`, and before what is written to standard error. */
  readonly name: string;
  readonly summary: string;
  readonly settings: Shape;
  /** Starts the workers; resolves when they run. If it throws, the process ends. */
  start(values: Values<Shape>, context: ProgramContext): Promise<void>;
}

export interface ProgramContext {
  readonly out: (text: string) => void;
  readonly releases: Releases;
  /** The program adds each worker when it runs. They stop in reverse order and share one grace. */
  readonly workers: RunningWorker[];
  /**
   * Starts the probes, then opens broker, store and registry. It does not wait for answers, so
   * that the process is alive meanwhile. All of it is closed at the end, the probes last.
   */
  readonly open: OpenResources;
}

export interface RunOptions {
  readonly argv?: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly out?: (text: string) => void;
  readonly err?: (text: string) => void;
  /** Emits SIGTERM and SIGINT. */
  readonly signals?: Pick<NodeJS.EventEmitter, 'on' | 'off'>;
  /** Called at the second signal. By default it ends the process at once. */
  readonly abort?: () => void;
  readonly log?: Logger;
  /** On a terminal an error of the start is on standard error, and in the log only at `debug`. */
  readonly terminal?: boolean;
}

/** The exit code that shells use for a process that SIGINT ended. */
const ENDED_BY_SIGNAL = 130;
const stopSignals = ['SIGTERM', 'SIGINT'] as const;
const settingCodes: ReadonlySet<string> = new Set(['SETTINGS_INVALID', 'BROKER_URL_INVALID', 'STORE_URL_INVALID', 'REGISTRY_URL_INVALID']);

/**
 * The life of a process: settings, log, probes, start, until SIGTERM or SIGINT, drain, release.
 * Signals count from the first step on. Resolves with the exit code: 0 after a stop and for
 * `--help`; 2 if settings are wrong; 1 if the start fails, or something cannot be released. Each
 * error is on standard error with its code and fix; wrong settings are reported all at once.
 */
export async function runProgram<Shape extends ProcessShape>(program: Program<Shape>, options: RunOptions = {}): Promise<number> {
  const { argv: words = process.argv.slice(2), env = process.env, out = writeTo(process.stdout), err = writeTo(process.stderr) } = options;
  const { name, summary, settings } = program;
  // `pnpm start -- --port 0` passes the first dashes on.
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

export async function runMain<Shape extends ProcessShape>(program: Program<Shape>): Promise<void> {
  // If the reader of the output ends, or its disk is full, the process must go on.
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
    // A start that a signal ended is not an error.
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

/** Capture stops first, so that messages on their way still reach their next stage. */
async function stopAll(workers: readonly RunningWorker[], graceMs: number): Promise<void> {
  const end = systemClock.ticks() + graceMs;
  for (const worker of workers.toReversed()) await worker.stop({ graceMs: Math.max(0, end - systemClock.ticks()) });
}

/** Aborts at the first signal; the second one calls `abort`. */
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
