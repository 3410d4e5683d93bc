/**
 * The words of this folder:
 * - **route**: a path, its chain and its rules: `/`, `/append/chain/{chain}`, and those of the
 *   table (`--routes`).
 * - **captured**: methods whose requests become events. Other requests are only answered.
 * - **custom response**: for a challenge, or in place of the receipt. The first that fits is sent.
 */
import { BlockhubError } from '@blockhub/errors';
import { envName, flagName } from '@blockhub/settings';
import type { Metrics } from '@blockhub/telemetry';
import type { RuleContext } from '../rules/rule.ts';
import { Rules } from '../rules/rules.ts';
import { Cors } from './cors.ts';
import { chainOf, dotSegments, faultOf, hasDots, normalizePath, pathOf, plainChain } from './path.ts';
import type { CustomResponse } from './responses.ts';
import { withRules } from './rule-values.ts';
import { readTable } from './table.ts';
import { Webhooks } from './webhooks.ts';

/** The route of a request, with its chain. */
export interface Route {
  /** The declared path, for traces and logs. */
  readonly name: string;
  /** Id or name. */
  readonly chain: string;
  readonly rules: Rules;
  readonly captured: readonly string[];
  readonly responses: readonly CustomResponse[];
}

const POST = ['POST'];
const NONE: readonly CustomResponse[] = [];

type Base = Pick<Route, 'name' | 'rules' | 'captured' | 'responses'>;

export class Routes {
  /** The rules of `/`, of `/append/chain/{chain}`, and of each route without rules of its own. */
  readonly rules: Rules;
  /** Names of parameters that may hold a token, in lower case. */
  readonly secretParameters: ReadonlySet<string>;
  /** All shared tokens, without the text after a semicolon. */
  readonly tokens: ReadonlySet<string>;
  readonly cors: Cors | undefined;
  readonly webhooks: Webhooks;
  readonly #default: Route;
  readonly #append: Base;
  readonly #exact = new Map<string, Route>();
  /** The longest prefix first. */
  readonly #prefixes: (readonly [prefix: string, route: Route])[] = [];

  /** @throws SETTINGS_INVALID with all mistakes in all rules and routes */
  constructor(context: Omit<RuleContext, 'mistake'> & { readonly metrics: Metrics }) {
    const { settings } = context;
    const mistakes: string[] = [];
    const noted = new Set<string>();
    const mistake = (name: string, what: string): void => {
      noted.add(`${name}: ${what}`);
      mistakes.push(`${name} (${flagName(name)}, ${envName(name)}): ${what}`);
    };
    this.rules = new Rules({ ...context, mistake });
    const base = { rules: this.rules, captured: POST, responses: NONE };
    this.#append = { ...base, name: '/append/chain/:chain' };
    this.#default = { ...base, name: '/', chain: settings.defaultChain };
    const parameters = [settings.tokenParameter];
    const tokens = [...(settings.tokens ?? [])];
    const table = settings.routes === undefined ? [] : readTable(settings.routes, (what) => mistake('routes', what));
    for (const { path, normal, isPrefix, chain, methods, rules: given, responses, label } of table) {
      const note = (name: string, what: string): void => {
        // A mistake in a setting of the process is listed once, not again for each route.
        if (!noted.has(`${name}: ${what}`)) mistake('routes', `${label}: rules.${name}: ${what}`);
      };
      const own = Object.keys(given).length === 0 ? undefined : withRules(settings, given, note);
      const rules = own ? new Rules({ ...context, settings: own, mistake: note }) : this.rules;
      parameters.push(own?.tokenParameter);
      tokens.push(...(own?.tokens ?? []));
      const route: Route = { name: path, chain, rules, captured: methods, responses };
      if (isPrefix) this.#prefixes.push([normal, route]);
      else this.#exact.set(normal, route);
    }
    this.cors = Cors.of(settings.corsOrigins, (what) => mistake('corsOrigins', what));
    this.webhooks = new Webhooks(settings.webhookOrigins, (what) => mistake('webhookOrigins', what));
    this.#prefixes.sort(([a], [b]) => b.length - a.length);
    if (mistakes.length > 0) throw refuse(mistakes);
    this.secretParameters = new Set(parameters.filter((name) => name !== undefined).map((name) => name.toLowerCase()));
    this.tokens = new Set(tokens.map((token) => (token.split(';', 1)[0] ?? '').trim()));
  }

  get tableRoutes(): readonly Route[] {
    return [...this.#exact.values(), ...this.#prefixes.map(([, route]) => route)];
  }

  start(): void {
    for (const rules of new Set([this.rules, ...this.tableRoutes.map((route) => route.rules)])) rules.start();
  }

  /** @throws REQUEST_INVALID, ROUTE_NOT_FOUND, CHAIN_NOT_FOUND, each fault with its own text */
  find(url: string): Route {
    const path = pathOf(url);
    if (path === '/') return this.#default;
    const plain = plainChain(path);
    if (plain !== undefined) return { ...this.#append, chain: plain };
    const exact = this.#exact.get(path);
    return exact && !hasDots(path) ? exact : this.#findNormal(normalizePath(path));
  }

  #findNormal(normal: string): Route {
    if (hasDots(normal)) throw dotSegments();
    const known = this.#inTable(normal);
    if (known) return known;
    const chain = chainOf(normal);
    if (chain !== undefined) return { ...this.#append, chain };
    throw faultOf(normal, (path) => path === '/' || this.#inTable(path) !== undefined);
  }

  #inTable(normal: string): Route | undefined {
    return this.#exact.get(normal) ?? this.#prefixes.find(([prefix]) => normal.startsWith(prefix))?.[1];
  }
}

function refuse(mistakes: readonly string[]): BlockhubError {
  const title = mistakes.length === 1 ? '1 mistake in the settings' : `${mistakes.length} mistakes in the settings`;
  return new BlockhubError('SETTINGS_INVALID', `${title}:\n${mistakes.map((one) => `  - ${one}`).join('\n')}`, {
    details: { mistakes },
  });
}
