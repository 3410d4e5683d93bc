import { hideText } from './hide.ts';

export interface HealthReport {
  readonly ready: boolean;
  readonly checks: Readonly<Record<string, { readonly ok: boolean; readonly detail?: string }>>;
}

/** What has to hold before work is sent here. Each check is set by whoever knows; the last word counts. */
export interface Health {
  /** `detail` is shown to whoever asks for readiness; secrets in URLs are hidden. */
  set(check: string, ok: boolean, detail?: string): void;
  /** True when at least one check was set and all hold. */
  ready(): boolean;
  report(): HealthReport;
}

export function createHealth(): Health {
  const checks = new Map<string, { ok: boolean; detail?: string }>();
  const ready = (): boolean => checks.size > 0 && checks.values().every((check) => check.ok);
  return {
    set: (check, ok, detail) => checks.set(check, detail === undefined ? { ok } : { ok, detail: hideText(detail) }),
    ready,
    report: () => ({ ready: ready(), checks: Object.fromEntries(checks) }),
  };
}
