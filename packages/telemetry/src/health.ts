import { hideText } from './hide.ts';
import type { Metrics } from './metrics.ts';

export interface HealthReport {
  readonly ready: boolean;
  readonly checks: Readonly<Record<string, { readonly ok: boolean; readonly detail?: string }>>;
}

/** What has to hold before work is sent here. Each check is set by whoever knows; the last word counts. */
export interface Health {
  /** `detail` is shown to whoever asks for readiness, and asked for then where it is a function; secrets in URLs are hidden. */
  set(check: string, ok: boolean, detail?: string | (() => string)): void;
  /** True when at least one check was set and all hold. */
  ready(): boolean;
  report(): HealthReport;
}

/** With `metrics`, readiness and each check can be scraped too. */
export function createHealth(metrics?: Metrics): Health {
  const checks = new Map<string, { readonly ok: boolean; readonly detail?: string | (() => string) }>();
  const shownNow = ({
    ok,
    detail,
  }: {
    readonly ok: boolean;
    readonly detail?: string | (() => string);
  }): { ok: boolean; detail?: string } =>
    detail === undefined ? { ok } : { ok, detail: hideText(typeof detail === 'string' ? detail : detail()) };
  const ready = (): boolean => checks.size > 0 && checks.values().every((check) => check.ok);
  metrics?.gauge('blockhub_ready', '1 where every check of readiness holds, else 0; `/readyz` says the same.').read(() => Number(ready()));
  const shown = metrics?.gauge('blockhub_check', '1 where this check of readiness holds, else 0; `/readyz` says why.', ['check']);
  return {
    set(check, ok, detail) {
      checks.set(check, detail === undefined ? { ok } : { ok, detail });
      shown?.labels({ check }).set(Number(ok));
    },
    ready,
    report: () => ({ ready: ready(), checks: Object.fromEntries(Array.from(checks, ([check, state]) => [check, shownNow(state)])) }),
  };
}
