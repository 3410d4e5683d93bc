import { VirtualClock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import { MemoryRegistry } from '@blockhub/registry';
import { defaults } from '@blockhub/settings';
import { openStore } from '@blockhub/store';
import { createHealth, createLogger } from '@blockhub/telemetry';
import { Chains } from '../capture/chains.ts';
import { type CaptureSettings, settings } from '../settings.ts';
import type { Head, MakeRule, Rule, RuleContext } from './rule.ts';

export interface RuleTest extends RuleContext {
  readonly clock: VirtualClock;
  readonly mistakes: string[];
  readonly lines: Record<string, unknown>[];
}

/** What a rule is made from, with memory behind it and a clock that stands still. */
export async function ruleTest(given: Partial<CaptureSettings> = {}): Promise<RuleTest> {
  const clock = new VirtualClock();
  const store = await openStore('memory:', { clock });
  const mistakes: string[] = [];
  const lines: Record<string, unknown>[] = [];
  return {
    settings: defaults(settings, given),
    clock,
    store,
    chains: new Chains(new MemoryRegistry(), store, clock),
    log: createLogger({ name: 'test', level: 'debug', stream: { write: (line) => lines.push(JSON.parse(line)) } }),
    lines,
    health: createHealth(),
    mistakes,
    mistake: (name, what) => mistakes.push(`${name}: ${what}`),
  };
}

/** The rule that these settings ask for. */
export async function ruleOf(make: MakeRule, given: Partial<CaptureSettings>): Promise<Rule & { readonly test: RuleTest }> {
  const test = await ruleTest(given);
  const rule = make(test);
  if (!rule) throw new Error('the settings ask for no rule');
  return { ...rule, test };
}

export const headOf = (headers: Head['headers'] = {}, more: Partial<Head> = {}): Head => ({
  method: 'POST',
  url: '/',
  chain: 'default',
  rawHeaders: Object.entries(headers).flatMap(([name, value]) => [value].flat().flatMap((one) => [name, one ?? ''])),
  headers,
  client: { ip: '192.0.2.1', port: 1, tls: false },
  found: {},
  ...more,
});

export const from = (ip: string): Head => headOf({}, { client: { ip, port: 1, tls: false } });

/** What a rule says, short: `passed`, the code of a refusal, or `thrown CODE`. */
export async function verdictOf(ask: () => ReturnType<NonNullable<Rule['head']>> | undefined): Promise<string> {
  try {
    const verdict = await ask();
    return verdict instanceof BlockhubError ? verdict.code : 'passed';
  } catch (error) {
    return `thrown ${error instanceof BlockhubError ? error.code : String(error)}`;
  }
}
