import { openBroker } from '@blockhub/broker';
import { isHash } from '@blockhub/chain';
import { systemClock } from '@blockhub/clock';
import { BlockhubError, errorCode, hasCode } from '@blockhub/errors';
import { declarations } from '@blockhub/message';
import { type ChainRecord, openRegistry } from '@blockhub/registry';
import { help, parseSettings, type Values, wantsHelp } from '@blockhub/settings';
import { openStore, type Store } from '@blockhub/store';
import { createHealth, createLogger, createMetrics, startProbes } from '@blockhub/telemetry';
import { findChain } from '@blockhub/walker';
import { worker as webToMsg } from '@blockhub/web-to-msg';
import { type RunningWorker, type StartOptions, startWorker, systemRandom } from '@blockhub/worker';
import { createChain } from '@blockhub/writer';
import { openDataFolder } from './data-folder.ts';
import { pipeline } from './pipeline.ts';
import { settings } from './settings.ts';

const SUMMARY = 'Everything in one process: capture, queues, store and chains, on an embedded broker and a folder.';
type StandaloneSettings = Values<typeof settings>;

/** Starts, runs until SIGINT or SIGTERM, drains, and gives the exit code: 0; 1 when it cannot run; 2 when settings are wrong. */
export async function run(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  if (wantsHelp(argv)) {
    process.stdout.write(help('blockhub standalone', SUMMARY, settings));
    return 0;
  }
  let values: StandaloneSettings;
  try {
    values = parseSettings(settings, { argv, env });
  } catch (error) {
    if (!hasCode(error, 'SETTINGS_INVALID')) throw error;
    const { mistakes } = error.details;
    for (const mistake of Array.isArray(mistakes) ? mistakes : [error.message]) process.stderr.write(`blockhub: ${mistake}\n`);
    return 2;
  }
  const releases: (() => Promise<void> | void)[] = [];
  const stop = stopSignal();
  const code = await serve(values, stop, releases).then(
    () => 0,
    (error: unknown) => (stop.aborted ? 0 : tell(error)),
  );
  const released = await releaseAll(releases);
  return code === 0 && !released ? 1 : code;
}

/** What went wrong and what to do, for a person; gives the exit code. */
function tell(error: unknown): number {
  const fix = error instanceof BlockhubError ? ` ${error.fix}` : '';
  process.stderr.write(`blockhub: ${errorCode(error)}: ${(error as Error).message}${fix}\n`);
  return hasCode(error, 'SETTINGS_INVALID') ? 2 : 1;
}

async function serve(values: StandaloneSettings, stop: AbortSignal, releases: (() => Promise<void> | void)[]): Promise<void> {
  const log = createLogger({ name: 'standalone', level: values.logLevel });
  const metrics = createMetrics({ service: 'standalone' });
  const health = createHealth();
  health.set('started', false);
  const data = openDataFolder(values.data);
  releases.push(() => data.release());
  const probes = await startProbes({ host: values.probeHost, port: values.probePort, health, metrics, log });
  releases.push(() => probes.close());
  const store = await openStore(data.storeUrl);
  releases.push(() => store.close());
  countRequests(store, metrics);
  await store.assertSafe();
  const broker = await openBroker(data.brokerUrl, { log });
  releases.push(() => broker.close());
  await broker.declare(declarations(1));
  const registry = await openRegistry(data.registryUrl);
  releases.push(() => registry.close());
  await registry.putChain(await openDefaultChain(store, values.defaultChain));

  const options: Omit<StartOptions, 'settings'> = {
    broker,
    store,
    registry,
    clock: systemClock,
    random: systemRandom,
    log,
    metrics,
    health,
    storeIsSafe: true,
  };
  const stages: RunningWorker[] = [];
  // Capture stops first, then the others in the order of the pipeline, so that what is on its way still finds its next stage.
  releases.push(async () => {
    // One grace for all of them.
    const end = systemClock.ticks() + values.grace;
    for (const running of stages.toReversed()) await running.stop({ graceMs: Math.max(0, end - systemClock.ticks()) });
  });
  const starting = { ...options, signal: stop };
  for (const stage of pipeline({ groupTtlMs: values.groupTtl })) stages.push(await stage.start({ ...starting, instance: stage.name }));
  stages.push(await startWorker(webToMsg, { ...starting, settings: values }));
  health.set('started', true);
  welcome(values, data.path, probes.port, health.report().checks.listening?.detail ?? '');
  await aborted(stop);
  log.info({}, 'stopping');
}

/** The chain of this id; or of this name, created when no chain has it. */
async function openDefaultChain(store: Store, nameOrId: string): Promise<ChainRecord> {
  if (isHash(nameOrId)) {
    const found = await findChain(store, nameOrId);
    if (found) return found;
    throw new BlockhubError('CHAIN_NOT_FOUND', `--default-chain: no chain has the id ${nameOrId}.`, { details: { chain: nameOrId } });
  }
  const { created: _created, ...chain } = await createChain(store, { name: nameOrId, now: systemClock.now(), random: systemRandom });
  return chain;
}

/** Aborted at the first SIGINT or SIGTERM; the second one ends the process at once. */
function stopSignal(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => (stop.signal.aborted ? process.exit(130) : stop.abort()));
  return stop.signal;
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true })));

/** Newest first; each one runs even when another fails. False when one did. */
async function releaseAll(releases: (() => Promise<void> | void)[]): Promise<boolean> {
  let released = true;
  for (const release of releases.toReversed()) {
    try {
      await release();
    } catch (error) {
      process.stderr.write(`blockhub: ${errorCode(error)} while stopping: ${(error as Error).message}\n`);
      released = false;
    }
  }
  return released;
}

function countRequests(store: Store, metrics: ReturnType<typeof createMetrics>): void {
  const family = metrics.gauge('blockhub_store_requests', 'Requests to the store since the start, by operation.', ['operation']);
  for (const operation of Object.keys(store.requests) as (keyof Store['requests'])[])
    family.labels({ operation }).read(() => store.requests[operation]);
}

function welcome(values: StandaloneSettings, path: string, probePort: number, url: string): void {
  const data = values.data === settings.data.default ? '' : ` --data ${values.data}`;
  process.stdout.write(`Blockhub keeps its data in ${path}

  Capture  ${url}
  Probes   http://${values.probeHost.includes(':') ? `[${values.probeHost}]` : values.probeHost}:${probePort}/readyz and /metrics

  Append   curl -d 'hello' ${url}/append/chain/${values.defaultChain}
  Walk     npx -y pnpm blockhub walk ${values.defaultChain}${data}

Ctrl-C stops it.
`);
}
