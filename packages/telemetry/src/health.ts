import { hideText } from './hide.ts';
import type { Metrics } from './metrics.ts';

export interface HealthReport {
  readonly ready: boolean;
  readonly checks: Readonly<Record<string, { readonly ok: boolean; readonly detail?: string }>>;
}

interface Check {
  readonly ok: boolean;
  readonly detail?: string | (() => string);
}

/** The named checks that decide whether a process is ready. The last value of a check counts. */
export interface Health {
  /** `/readyz` shows `detail`, with secrets hidden. A function is called for each answer. */
  set(check: string, ok: boolean, detail?: string | (() => string)): void;
  /** True if at least one check was set and all are ok. */
  ready(): boolean;
  report(): HealthReport;
}

/** With `metrics`, readiness and each check are metrics too. */
export function createHealth(metrics?: Metrics): Health {
  const checks = new Map<string, Check>();
  const shownNow = ({ ok, detail }: Check): { ok: boolean; detail?: string } =>
    detail === undefined ? { ok } : { ok, detail: hideText(typeof detail === 'string' ? detail : detail()) };
  const ready = (): boolean => checks.size > 0 && checks.values().every((check) => check.ok);
  metrics?.gauge('blockhub_ready', '1 if all checks of readiness are ok, else 0. `/readyz` shows the same.').read(() => Number(ready()));
  const shown = metrics?.gauge('blockhub_check', '1 if this check of readiness is ok, else 0. `/readyz` shows the reason.', ['check']);
  return {
    set(check, ok, detail) {
      checks.set(check, detail === undefined ? { ok } : { ok, detail });
      shown?.labels({ check }).set(Number(ok));
    },
    ready,
    report: () => ({ ready: ready(), checks: Object.fromEntries(Array.from(checks, ([check, state]) => [check, shownNow(state)])) }),
  };
}
