import { hostname } from 'node:os';
import { openBroker } from '@blockhub/broker';
import { systemClock } from '@blockhub/clock';
import { BlockhubError, errorCode, hasCode } from '@blockhub/errors';
import { openRegistry } from '@blockhub/registry';
import { help, parseSettings, type SettingsShape, type Values, wantsHelp } from '@blockhub/settings';
import { openStore } from '@blockhub/store';
import { createHealth, createLogger, createMetrics, type Logger, startProbes } from '@blockhub/telemetry';
import { eventIds, systemRandom } from './chance.ts';
import { type ProcessValues, settingsOf } from './common.ts';
import { Releases } from './releases.ts';
import { startWorker } from './start.ts';
import type { Worker } from './types.ts';

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
}

const stopSignals = ['SIGTERM', 'SIGINT'] as const;

/**
 * A worker as a process: reads settings, opens what it needs by URL, answers probes, runs until SIGTERM or SIGINT, drains.
 * Gives the exit code: 0 after a stop and for `--help`, 2 when settings are wrong (all mistakes on standard error), 1 when it cannot start.
 */
export async function runWorker<Shape extends SettingsShape, State>(
  worker: Worker<Shape, State>,
  options: RunOptions = {},
): Promise<number> {
  const { argv = process.argv.slice(2), env = process.env, out = writeTo(process.stdout), err = writeTo(process.stderr) } = options;
  const shape = settingsOf(worker);
  if (wantsHelp(argv)) {
    out(help(worker.name, worker.summary, shape));
    return 0;
  }
  let values: Values<SettingsShape>;
  try {
    values = parseSettings(shape, { argv, env });
  } catch (error) {
    if (!hasCode(error, 'SETTINGS_INVALID')) throw error;
    err(`${worker.name}: ${mistakesOf(error).join(`\n${worker.name}: `)}\n`);
    return 2;
  }
  // The shape holds both parts, which its type cannot say: it depends on what the worker needs.
  return runProcess(worker, values as unknown as Values<Shape> & ProcessValues, options);
}

/** The whole `main.ts` of a service: `await main(worker)`. */
export async function main<Shape extends SettingsShape, State>(worker: Worker<Shape, State>): Promise<void> {
  process.exitCode = await runWorker(worker);
}

async function runProcess<Shape extends SettingsShape, State>(
  worker: Worker<Shape, State>,
  values: Values<Shape> & ProcessValues,
  options: RunOptions,
): Promise<number> {
  const log = options.log ?? createLogger({ name: worker.name, level: values.logLevel });
  const releases = new Releases((part, error) => log.error({ part, err: error }, 'could not be closed'));
  const stop = listenForStop(options, releases);
  try {
    await work(worker, values, { log, releases, stop });
    return 0;
  } catch (error) {
    if (stop.aborted) return 0;
    log.error({ err: error, code: errorCode(error), ...(error instanceof BlockhubError ? { fix: error.fix } : {}) }, 'worker failed');
    return error instanceof BlockhubError && settingCodes.has(error.code) ? 2 : 1;
  } finally {
    await releases.run();
  }
}

const settingCodes: ReadonlySet<string> = new Set(['SETTINGS_INVALID', 'BROKER_URL_INVALID', 'STORE_URL_INVALID', 'REGISTRY_URL_INVALID']);

interface WorkParts {
  readonly log: Logger;
  readonly releases: Releases;
  readonly stop: AbortSignal;
}

async function work<Shape extends SettingsShape, State>(
  worker: Worker<Shape, State>,
  values: Values<Shape> & ProcessValues,
  { log, releases, stop }: WorkParts,
): Promise<void> {
  const clock = systemClock;
  const health = createHealth();
  const metrics = createMetrics({ service: worker.name });
  // Probes come first and go last: alive is whoever answers, also while broker and store are awaited.
  const probes = await startProbes({
    host: values.probeHost,
    port: values.probePort,
    health,
    metrics,
    log,
    version: { name: worker.name },
  });
  releases.add('probes', () => probes.close());
  log.info({ host: values.probeHost, port: probes.port }, 'probes listen');
  const { store: storeUrl, registry: registryUrl } = values;
  const store = storeUrl === undefined ? undefined : await openStore(storeUrl, { clock });
  if (store) releases.add('store', () => store.close());
  const registry = registryUrl === undefined ? undefined : await openRegistry(registryUrl);
  if (registry) releases.add('registry', () => registry.close());
  const broker = await openBroker(values.broker, { clock, log });
  releases.add('broker', () => broker.close());
  const running = await startWorker(worker, {
    settings: values,
    broker,
    ...(store && { store }),
    ...(registry && { registry }),
    clock,
    random: systemRandom,
    log,
    metrics,
    health,
    instance: values.instance ?? `${hostname()}-${eventIds(clock, systemRandom)().slice(-8)}`,
    maxAttempts: values.maxAttempts,
    signal: stop,
  });
  if (!stop.aborted) await new Promise<void>((resolve) => stop.addEventListener('abort', () => resolve(), { once: true }));
  await running.stop({ graceMs: values.grace });
}

/** Aborts at the first signal; the second one ends the process. */
function listenForStop({ signals = process, abort = () => process.exit(1) }: RunOptions, releases: Releases): AbortSignal {
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

const writeTo =
  (stream: { write(text: string): unknown }) =>
  (text: string): void => {
    stream.write(text.endsWith('\n') ? text : `${text}\n`);
  };
