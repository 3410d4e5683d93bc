import type { Clock } from '@blockhub/clock';
import { hasCode } from '@blockhub/errors';
import type { Registry } from '@blockhub/registry';
import type { Health, Metrics } from '@blockhub/telemetry';
import { faultText } from '../error-text.ts';

const SECOND = 1000;
/** A look takes one round trip. */
const EVERY_MS = 10 * SECOND;
const CHECK = 'registry';

export interface RegistryWatchParts {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly health: Health;
  readonly metrics: Metrics;
  /** Some requests are refused without it. Where none is, its faults are shown, and the process is ready all the same. */
  readonly relied: boolean;
}

/** Asks the registry now and then for what requests need of it, and shows the answer in readiness. Gives what ends it. */
export function watchRegistry({ registry, clock, health, metrics, relied }: RegistryWatchParts): () => void {
  const over = new AbortController();
  let works = 0;
  let hasWorked = false;
  metrics
    .gauge('blockhub_registry_works', '1 where the registry does what requests need of it, writes included, else 0; `/readyz` says why.')
    .read(() => works);
  const look = async (): Promise<void> => {
    try {
      await registry.check();
      works = 1;
      hasWorked = true;
      if (!over.signal.aborted) health.set(CHECK, true);
    } catch (error) {
      works = 0;
      // An outage takes all replicas at once, and ends by itself. Out of service, they would refuse the requests too that need no registry.
      const outlasts = relied && hasWorked && hasCode(error, 'REGISTRY_UNAVAILABLE');
      const meanwhile = relied ? (outlasts ? 'requests that name their event get 503 meanwhile: ' : '') : 'work goes on without it: ';
      if (!over.signal.aborted) health.set(CHECK, !relied || outlasts, `${meanwhile}${faultText(error)}`);
    }
  };
  const watch = async (): Promise<void> => {
    while (!over.signal.aborted) {
      await look();
      await clock.sleep(EVERY_MS, over.signal);
    }
  };
  if (relied) health.set(CHECK, false, 'not yet');
  void watch().catch(() => undefined);
  return () => over.abort();
}
