import { AddressSet } from '@blockhub/access';
import { BlockhubError, quote } from '@blockhub/errors';
import type { Counter, Family, Metrics } from '@blockhub/telemetry';
import type { Forwarding } from '../http/client.ts';
import { accessRule } from './access.ts';
import { addressRule } from './address.ts';
import { digestRule } from './digest.ts';
import { mimeRule } from './mime.ts';
import type { Head, MakeRule, Rule, RuleContext, Verdict } from './rule.ts';
import { parseLimit } from './throttle.ts';
import { throttleAllRule, throttleIpRule, throttleKeyRule } from './throttle-rules.ts';

/**
 * Cheap rules come first: a blocked address costs nothing more, and its limit slows down guessing
 * of tokens. Only requests that passed the others count against the limit of all.
 */
const order: readonly MakeRule[] = [addressRule, throttleIpRule, accessRule, mimeRule, digestRule, throttleKeyRule, throttleAllRule];

/** Rules that need a body. They do not apply to requests without one, such as HEAD. */
const ofBodies: ReadonlySet<string> = new Set(['mime', 'digest']);
/** Only these rules apply to a preflight, because a browser sends no credentials in it. */
const ofAddresses: ReadonlySet<string> = new Set(['address', 'throttle-ip']);

/** The rule that refused with this error, for logs and metrics. */
const refusals = new WeakMap<BlockhubError, string>();
export const refusingRule = (error: BlockhubError): string | undefined => refusals.get(error);

/** The verdict of one rule in a dry run. */
export interface RuleReport {
  readonly rule: string;
  readonly verdict: 'passed' | 'refused';
  readonly code?: string;
  readonly detail?: string;
}

type Ask = (rule: Rule) => Verdict | Promise<Verdict>;

/** The rules that are on, in their order. */
export class Rules {
  /** Undefined if no proxy is trusted. */
  readonly proxies: AddressSet | undefined;
  /** Which of their headers counts. */
  readonly forwarding: Forwarding;
  /** Requests in a minute that the strictest limit accepts. Undefined if there is no limit. */
  readonly perMinute: number | undefined;
  readonly #head: readonly Rule[];
  readonly #handshake: readonly Rule[];
  readonly #preflight: readonly Rule[];
  readonly #body: readonly Rule[];
  readonly #rules: readonly Rule[];
  readonly #count: (rule: string, code: string) => void;

  /** Mistakes in the settings are noted with `context.mistake`, and the caller refuses them. */
  constructor(context: RuleContext & { readonly metrics: Metrics }) {
    const { settings, metrics, mistake } = context;
    const rules = order.map((make) => make(context)).filter((rule) => rule !== undefined);
    const { trustedProxies, forwarding } = settings;
    this.forwarding = forwarding;
    this.proxies = trustedProxies.length === 0 ? undefined : new AddressSet(trustedProxies, (what) => mistake('trustedProxies', what));
    for (const header of settings.idempotencyHeaders)
      if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/i.test(header)) mistake('idempotencyHeaders', `${quote(header)} is not the name of a header`);
    for (const name of settings.redact)
      if (!/^[!#$%&'*+.^_`|~0-9a-z[\]-]*[0-9a-z][!#$%&'*+.^_`|~0-9a-z[\]-]*$/i.test(name))
        mistake('redact', `${quote(name)} is not the name of a header or parameter; expected one such as x-partner-id or customer_no`);
    const { throttleIp, throttleKey, throttleAll } = settings;
    const limits = [throttleIp, throttleKey, throttleAll].flatMap((text) => (text === undefined ? [] : (parseLimit(text) ?? [])));
    const perMinute = limits.map(({ count, periodMs }) => Math.max(1, Math.floor((count * 60_000) / periodMs)));
    this.perMinute = perMinute.length === 0 ? undefined : Math.min(...perMinute);
    const refused = refusedCounter(metrics);
    this.#count = (rule, code) => refused.labels({ rule, code }).add();
    this.#rules = rules;
    this.#head = rules.filter((rule) => rule.head);
    this.#handshake = this.#head.filter(({ name }) => !ofBodies.has(name));
    this.#preflight = this.#head.filter(({ name }) => ofAddresses.has(name));
    this.#body = rules.filter((rule) => rule.body);
  }

  start(): void {
    for (const rule of this.#rules) rule.start?.();
  }

  /** As `judgeHead`, for a request that is answered and not captured. */
  judgeHandshake(head: Head, isPreflight = false): undefined | Promise<void> {
    return this.#judge(isPreflight ? this.#preflight : this.#handshake, (rule) => rule.head?.(head), head, undefined);
  }

  /**
   * Throws the error of the first rule that refuses. Returns a promise only if a rule does.
   * @param report of a dry run: verdicts are added to it, and only a throttle throws
   */
  judgeHead(head: Head, report?: RuleReport[]): undefined | Promise<void> {
    return this.#judge(this.#head, (rule) => rule.head?.(head), head, report);
  }

  /** As `judgeHead`, for the rules that need the body. */
  judgeBody(head: Head, body: Buffer, report?: RuleReport[]): undefined | Promise<void> {
    return this.#judge(this.#body, (rule) => rule.body?.(head, body), head, report);
  }

  #judge(rules: readonly Rule[], ask: Ask, head: Head, report: RuleReport[] | undefined, from = 0): undefined | Promise<void> {
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

  #take(rule: Rule, verdict: Verdict, { found }: Head, report: RuleReport[] | undefined): void {
    if (!(verdict instanceof BlockhubError)) {
      if (verdict) Object.assign(found, verdict);
      report?.push({ rule: rule.name, verdict: 'passed' });
      return;
    }
    this.#count(rule.name, verdict.code);
    refusals.set(verdict, rule.name);
    // If a throttle did not refuse dry runs, tokens could be guessed without a limit.
    if (!report || verdict.code === 'THROTTLED') throw verdict;
    report.push({ rule: rule.name, verdict: 'refused', code: verdict.code, detail: verdict.message });
  }

  /** A rule that cannot decide refuses for now. */
  #fail(rule: Rule, error: unknown): never {
    this.#count(rule.name, error instanceof BlockhubError ? error.code : 'INTERNAL');
    if (error instanceof BlockhubError) refusals.set(error, rule.name);
    throw error;
  }
}

/** The counter for rules, and for all other steps that refuse a request. */
export const refusedCounter = (metrics: Metrics): Family<'rule' | 'code', Counter> =>
  metrics.counter('blockhub_capture_refused_total', 'Requests that were refused, by rule or step and by code.', ['rule', 'code']);
