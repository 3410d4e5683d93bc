import { AddressSet } from '@blockhub/access';
import { BlockhubError } from '@blockhub/errors';
import { envName, flagName } from '@blockhub/settings';
import type { Metrics } from '@blockhub/telemetry';
import { accessRule } from './access.ts';
import { addressRule } from './address.ts';
import { digestRule } from './digest.ts';
import { mimeRule } from './mime.ts';
import type { Head, MakeRule, Rule, RuleContext, Verdict } from './rule.ts';
import { throttleAllRule, throttleIpRule, throttleKeyRule } from './throttle.ts';

/**
 * The order decides. Cheap and coarse first: an address that is blocked costs nothing more, and who guesses tokens is slowed by its address
 * before it is asked for one. Only who was let in counts against the limit of all.
 */
const order: readonly MakeRule[] = [addressRule, throttleIpRule, accessRule, mimeRule, digestRule, throttleKeyRule, throttleAllRule];

/** What one rule said in a dry run. */
export interface Said {
  readonly rule: string;
  readonly verdict: 'passed' | 'refused';
  readonly code?: string;
  readonly detail?: string;
}

type Ask = (rule: Rule) => Verdict | Promise<Verdict>;

/** The rules that are on, in their order. */
export class Rules {
  /** Proxies that are believed; undefined where none is. */
  readonly proxies: AddressSet | undefined;
  readonly #head: readonly Rule[];
  readonly #body: readonly Rule[];
  readonly #count: (rule: string, code: string) => void;

  /** @throws SETTINGS_INVALID with every mistake of every rule */
  constructor(context: Omit<RuleContext, 'mistake'> & { readonly metrics: Metrics }) {
    const { settings, metrics } = context;
    const mistakes: string[] = [];
    const mistake = (name: string, what: string): void => {
      mistakes.push(`${name} (${flagName(name)}, ${envName(name)}): ${what}`);
    };
    const rules = order.map((make) => make({ ...context, mistake })).filter((rule) => rule !== undefined);
    const { trustedProxies } = settings;
    this.proxies = trustedProxies.length === 0 ? undefined : new AddressSet(trustedProxies, (what) => mistake('trustedProxies', what));
    for (const header of settings.idempotencyHeaders)
      if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/i.test(header)) mistake('idempotencyHeaders', `${JSON.stringify(header)} is no name of a header`);
    for (const name of settings.redact)
      if (!/^[!#$%&'*+.^_`|~0-9a-z[\]-]*[0-9a-z][!#$%&'*+.^_`|~0-9a-z[\]-]*$/i.test(name))
        mistake('redact', `${JSON.stringify(name.slice(0, 100))} is no name of a header or parameter: write x-partner-id or customer_no`);
    if (mistakes.length > 0) throw refuse(mistakes);
    const refused = metrics.counter('blockhub_capture_refused_total', 'Requests that a rule refused.', ['rule', 'code']);
    this.#count = (rule, code) => refused.labels({ rule, code }).add();
    this.#head = rules.filter((rule) => rule.head);
    this.#body = rules.filter((rule) => rule.body);
  }

  /**
   * Asks all that need no body. Throws what the first one that refuses says, or a promise of it; gives nothing where all could answer at once.
   * @param report given in a dry run: a refusal is noted there instead, but for that of a throttle
   */
  judgeHead(head: Head, report?: Said[]): undefined | Promise<void> {
    return this.#judge(this.#head, (rule) => rule.head?.(head), head, report);
  }

  /** As `judgeHead`, for those that need the body. */
  judgeBody(head: Head, body: Buffer, report?: Said[]): undefined | Promise<void> {
    return this.#judge(this.#body, (rule) => rule.body?.(head, body), head, report);
  }

  #judge(rules: readonly Rule[], ask: Ask, head: Head, report: Said[] | undefined, from = 0): undefined | Promise<void> {
    for (let at = from; at < rules.length; at++) {
      const rule = rules[at] as Rule;
      const verdict = this.#ask(rule, ask);
      if (verdict instanceof Promise)
        return verdict.then(
          (given) => {
            this.#take(rule, given, head, report);
            return this.#judge(rules, ask, head, report, at + 1);
          },
          (error: unknown) => this.#fail(rule, error),
        );
      this.#take(rule, verdict, head, report);
    }
    return undefined;
  }

  #ask(rule: Rule, ask: Ask): Verdict | Promise<Verdict> {
    try {
      return ask(rule);
    } catch (error) {
      return this.#fail(rule, error);
    }
  }

  #take(rule: Rule, verdict: Verdict, { found }: Head, report: Said[] | undefined): void {
    if (!(verdict instanceof BlockhubError)) {
      if (verdict) Object.assign(found, verdict);
      report?.push({ rule: rule.name, verdict: 'passed' });
      return;
    }
    this.#count(rule.name, verdict.code);
    // A throttle that only reported would let anybody try tokens as fast as they like.
    if (!report || verdict.code === 'THROTTLED') throw verdict;
    report.push({ rule: rule.name, verdict: 'refused', code: verdict.code, detail: verdict.message });
  }

  /** A rule that cannot tell refuses for now. */
  #fail(rule: Rule, error: unknown): never {
    this.#count(rule.name, error instanceof BlockhubError ? error.code : 'INTERNAL');
    throw error;
  }
}

function refuse(mistakes: readonly string[]): BlockhubError {
  const title = mistakes.length === 1 ? '1 mistake in the settings' : `${mistakes.length} mistakes in the settings`;
  return new BlockhubError('SETTINGS_INVALID', `${title}:\n${mistakes.map((mistake) => `  - ${mistake}`).join('\n')}`, {
    details: { mistakes },
  });
}
