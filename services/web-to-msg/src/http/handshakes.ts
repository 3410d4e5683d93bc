import type { OutgoingHttpHeaders } from 'node:http';
import { BlockhubError } from '@blockhub/errors';
import type { Appender } from '../capture/appender.ts';
import type { Rendered } from '../routes/responses.ts';
import type { Route } from '../routes/routes.ts';
import type { Head } from '../rules/rule.ts';
import type { Answers } from './answers.ts';
import { customResponse } from './custom-response.ts';
import type { Exchange } from './exchange.ts';
import { headOf } from './head.ts';

/** Answers requests that senders make before the first one that is captured. */
export class Handshakes {
  readonly #appender: Appender;
  readonly #answers: Answers;

  constructor(appender: Appender, answers: Answers) {
    this.#appender = appender;
    this.#answers = answers;
  }

  /** The answer does not show which chains exist. @throws as `Routes.find` and the address rules */
  async options(exchange: Exchange): Promise<void> {
    const { request } = exchange;
    const { routes } = this.#appender;
    if (request.url === '*') {
      const methods = new Set(['POST', ...routes.tableRoutes.flatMap(methodsOf), 'HEAD', 'OPTIONS']);
      this.#answers.send(exchange, 204, { allow: [...methods].join(', ') }, '');
      return;
    }
    const route = exchange.route ?? routes.find(request.url ?? '');
    const head = headOf(request, route);
    exchange.head = head;
    await route.rules.judgeHandshake(head, true);
    const allow = allowOf(route);
    const granted = routes.webhooks.answer(head.headers, route.rules.perMinute);
    if (granted) {
      this.#answers.send(exchange, 200, { allow, ...granted }, '');
      return;
    }
    exchange.isPreflight = head.headers.origin !== undefined && head.headers['access-control-request-method'] !== undefined;
    const cors = exchange.isPreflight ? routes.cors?.preflight(head.headers, allow) : undefined;
    this.#answers.send(exchange, 204, { allow, ...cors }, '');
  }

  /**
   * Answers GET, HEAD and other methods that are not captured.
   * @throws METHOD_NOT_ALLOWED; CHAIN_NOT_FOUND for HEAD; as the rules
   */
  async other(exchange: Exchange, route: Route): Promise<void> {
    const { request } = exchange;
    const { method = '' } = request;
    const isHead = method === 'HEAD';
    if (!isHead && !hasResponse(route, method)) throw notAllowed(method);
    const head = headOf(request, route);
    exchange.head = head;
    // The rules come first, so that a refused sender cannot find out which chains exist.
    await route.rules.judgeHandshake(head);
    const rendered = this.respond(route, head, method) ?? (isHead ? this.respond(route, head, 'GET') : undefined);
    if (rendered) this.custom(exchange, rendered, 200);
    else if (!isHead) throw notAllowed(method);
    else {
      await this.#appender.checkChain(route.chain);
      this.#answers.send(exchange, 200, {}, '');
    }
  }

  respond(route: Route, head: Head, method: string, body?: Buffer): Rendered | undefined {
    const { secretParameters: secrets } = this.#appender.routes;
    return customResponse(route, head, { secrets, ...(body && { body }) }, method);
  }

  custom(exchange: Exchange, { status, headers, body }: Rendered, byDefault: number): void {
    const safe: OutgoingHttpHeaders = { ...headers, 'x-content-type-options': 'nosniff' };
    if (exchange.request.method === 'GET') safe['cache-control'] ??= 'no-store';
    this.#answers.send(exchange, status ?? byDefault, safe, body);
  }
}

export const hasResponse = ({ responses }: Route, method: string): boolean => responses.some(({ methods }) => methods.has(method));

const methodsOf = ({ captured, responses }: Route): string[] => [...captured, ...responses.flatMap(({ methods }) => [...methods])];

/** The methods of a route, without the one that it has just refused. */
export const allowOf = (route: Route, refused?: string): string =>
  [...new Set([...methodsOf(route), 'HEAD', 'OPTIONS'])].filter((method) => method !== refused).join(', ');

export const notAllowed = (method: string): BlockhubError =>
  new BlockhubError('METHOD_NOT_ALLOWED', `The method ${method.slice(0, 40)} is not allowed here; expected a method of the Allow header.`);
