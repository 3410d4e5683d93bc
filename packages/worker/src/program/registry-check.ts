import type { Clock } from '@blockhub/clock';
import { hasCode } from '@blockhub/errors';
import type { Registry } from '@blockhub/registry';
import type { Health, Metrics } from '@blockhub/telemetry';
import { faultText } from '../error-text.ts';

const SECOND = 1000;
/** A check takes one round trip. */
const EVERY_MS = 10 * SECOND;
const CHECK = 'registry';

export interface RegistryWatchParts {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly health: Health;
  readonly metrics: Metrics;
  /** Some requests are refused without the registry. If false, the process stays ready. */
  readonly relied: boolean;
}

/** Checks the registry every 10 s and shows the result in readiness. Returns what ends this. */
export function watchRegistry({ registry, clock, health, metrics, relied }: RegistryWatchParts): () => void {
  const over = new AbortController();
  let works = 0;
  let hasWorked = false;
  metrics
    .gauge('blockhub_registry_works', '1 if the registry does what requests need, writes included; else 0, and `/readyz` has the reason.')
    .read(() => works);
  const check = async (): Promise<void> => {
    try {
      await registry.check();
      works = 1;
      hasWorked = true;
      if (!over.signal.aborted) health.set(CHECK, true);
    } catch (error) {
      works = 0;
      // If all were not ready in an outage, requests that need no registry would be refused too.
      const outage = relied && hasWorked && hasCode(error, 'REGISTRY_UNAVAILABLE');
      const meanwhile = relied ? (outage ? 'requests that name their event get 503 meanwhile: ' : '') : 'work goes on without it: ';
      if (!over.signal.aborted) health.set(CHECK, !relied || outage, `${meanwhile}${faultText(error)}`);
    }
  };
  const watch = async (): Promise<void> => {
    while (!over.signal.aborted) {
      await check();
      await clock.sleep(EVERY_MS, over.signal);
    }
  };
  if (relied) health.set(CHECK, false, 'not yet');
  void watch().catch(() => undefined);
  return () => over.abort();
}
