import { BlockhubError } from '@blockhub/errors';
import type { Appender, CaptureRequest } from '../capture/appender.ts';
import type { Head } from '../rules/rule.ts';
import type { RuleReport } from '../rules/rules.ts';

/** The answer to a dry run (CAP-12): whether the request would have been taken, and what each rule says of it. */
export interface DryRunReport {
  readonly dryRun: true;
  readonly accepted: boolean;
  readonly rules: readonly RuleReport[];
  /** What the rules found. */
  readonly found: Head['found'];
  /** The receipt it would have got, but for event and time; absent where it is refused. */
  readonly receipt?: Awaited<ReturnType<Appender['tryOut']>>;
}

/**
 * True for a request that asks only what would become of it. Where no dry runs are taken it is refused, never captured by mistake.
 * @throws REQUEST_INVALID
 */
export function isDryRun({ headers }: Head, taken: boolean): boolean {
  const asked = headers['x-dry-run'];
  if (asked === undefined || asked === 'false') return false;
  if (asked !== 'true') throw new BlockhubError('REQUEST_INVALID', 'The x-dry-run header is neither true nor false.');
  if (!taken) throw new BlockhubError('REQUEST_INVALID', 'Dry runs are not taken here; --dry-run allows them.');
  return true;
}

/** Asks the last question, whether chain and headers will do; strangers are not told which chains there are. */
export async function reportOf(appender: Appender, request: CaptureRequest & Head, said: RuleReport[]): Promise<DryRunReport> {
  const { found } = request;
  const isRefused = said.some(({ verdict }) => verdict === 'refused');
  if (isRefused) return { dryRun: true, accepted: false, rules: said, found };
  try {
    return { dryRun: true, accepted: true, rules: said, found, receipt: await appender.tryOut(request) };
  } catch (error) {
    if (!(error instanceof BlockhubError) || error.status >= 500) throw error;
    said.push({ rule: 'append', verdict: 'refused', code: error.code, detail: error.message });
    return { dryRun: true, accepted: false, rules: said, found };
  }
}
