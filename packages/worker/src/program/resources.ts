import { type Broker, openBroker } from '@blockhub/broker';
import { openRegistry, type Registry } from '@blockhub/registry';
import { openStore, type Store, type StoreCredentials } from '@blockhub/store';
import { type Health, type Logger, type Metrics, startProbes } from '@blockhub/telemetry';
import type { StartOptions } from '../instance/running-worker.ts';
import type { Releases } from '../releases.ts';
import { storeMeters, watchBroker } from './connection-meters.ts';
import { watchRegistry } from './registry-check.ts';

interface ResourceUrls {
  readonly broker: string;
  readonly brokerUser?: string | undefined;
  readonly brokerPassword?: string | undefined;
  readonly store?: string | undefined;
  readonly registry?: string | undefined;
  readonly credentials?: StoreCredentials | undefined;
  readonly registryPassword?: string | undefined;
  /** Requests are refused while the registry is away, so the process is not ready then. */
  readonly reliesOnRegistry?: boolean | undefined;
}

/** Everything that `startWorker` takes from a process; each worker adds settings and a name. */
export interface Resources extends Omit<StartOptions, 'settings'> {
  readonly probePort: number;
}

/** Opens broker, store and registry, see `ProgramContext.open`. */
export interface OpenResources {
  (
    urls: ResourceUrls & Required<Pick<ResourceUrls, 'store' | 'registry'>>,
  ): Promise<Resources & { readonly store: Store; readonly registry: Registry }>;
  (urls: ResourceUrls): Promise<Resources>;
}

export interface SharedParts extends Pick<StartOptions, 'clock' | 'random' | 'tracing'> {
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly health: Health;
  readonly signal: AbortSignal;
}

export function opener(
  name: string,
  { probeHost, probePort }: { readonly probeHost: string; readonly probePort: number },
  shared: SharedParts,
  releases: Releases,
): OpenResources {
  const { clock, log, metrics, health } = shared;
  const open = async (urls: ResourceUrls): Promise<Resources> => {
    const probes = await startProbes({ host: probeHost, port: probePort, health, metrics, log, version: { name } });
    releases.add('probes', () => probes.close());
    log.info({ host: probeHost, port: probes.port }, 'probes listen');
    const { credentials } = urls;
    const store = urls.store === undefined ? undefined : await openStore(urls.store, { clock, credentials, ...storeMeters(metrics) });
    if (store) releases.add('store', () => store.close());
    const registry = urls.registry === undefined ? undefined : await openRegistry(urls.registry, { password: urls.registryPassword, log });
    if (registry) {
      releases.add('registry', () => registry.close());
      const relied = urls.reliesOnRegistry ?? false;
      releases.add('registry watch', watchRegistry({ registry, clock, health, metrics, relied }));
    }
    const broker: Broker = await openBroker(urls.broker, { clock, log, name, user: urls.brokerUser, password: urls.brokerPassword });
    releases.add('broker', () => broker.close());
    watchBroker(broker, metrics);
    return { ...shared, broker, ...(store && { store }), ...(registry && { registry }), probePort: probes.port };
  };
  return open as OpenResources;
}
