import { BlockhubError } from '@blockhub/errors';
import type { Appender, CaptureRequest } from '../capture/appender.ts';
import type { Head } from '../rules/rule.ts';
import type { RuleReport } from '../rules/rules.ts';

/** The answer to a dry run (CAP-12). */
export interface DryRunReport {
  readonly dryRun: true;
  readonly accepted: boolean;
  readonly rules: readonly RuleReport[];
  readonly found: Head['found'];
  /** The receipt without event and time. Absent if the request is refused. */
  readonly receipt?: Awaited<ReturnType<Appender['tryOut']>>;
}

/** If dry runs are off, a dry run is refused and not captured. @throws REQUEST_INVALID */
export function isDryRun({ headers }: Head, isOn: boolean): boolean {
  const asked = headers['x-dry-run'];
  if (asked === undefined || asked === 'false') return false;
  if (asked !== 'true') throw new BlockhubError('REQUEST_INVALID', 'The x-dry-run header must be true or false.');
  if (!isOn) throw new BlockhubError('REQUEST_INVALID', 'Dry runs are off. --dry-run turns them on.');
  return true;
}

/** Checks chain and headers last, so that a refused sender cannot find out which chains exist. */
export async function reportOf(appender: Appender, request: CaptureRequest & Head, rules: RuleReport[]): Promise<DryRunReport> {
  const { found } = request;
  if (rules.some(({ verdict }) => verdict === 'refused')) return { dryRun: true, accepted: false, rules, found };
  try {
    return { dryRun: true, accepted: true, rules, found, receipt: await appender.tryOut(request) };
  } catch (error) {
    if (!(error instanceof BlockhubError) || error.status >= 500) throw error;
    rules.push({ rule: 'append', verdict: 'refused', code: error.code, detail: error.message });
    return { dryRun: true, accepted: false, rules, found };
  }
}
