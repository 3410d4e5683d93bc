import type { Socket } from 'node:net';
import { type Clock, Pace } from '@blockhub/clock';
import type { BlockhubError, ErrorCode } from '@blockhub/errors';
import type { Redactor } from '@blockhub/redact';
import type { Counter, Family, Logger, Metrics } from '@blockhub/telemetry';
import { refusedCounter, refusingRule } from '../rules/rules.ts';
import type { Exchange } from './exchange.ts';

/** In this time at most one refusal of each code is logged. */
const LOG_AGAIN_MS = 1000;
const MAX_TEXT = 200;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters, and characters that turn the direction of text, are replaced.
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
/** The step that refuses with a code, if no rule does. */
const steps: Readonly<Partial<Record<ErrorCode, string>>> = {
  ROUTE_NOT_FOUND: 'route',
  METHOD_NOT_ALLOWED: 'route',
  CHAIN_NOT_FOUND: 'chain',
  IDEMPOTENCY_KEY_REUSED: 'idempotency',
};
const digestHeaders: readonly string[] = ['content-digest', 'repr-digest', 'content-md5', 'x-hash'];

/** Makes a text of a sender safe for the log. */
type Show = (text: string) => string;

/** Counts requests that are refused with 4xx, and logs a sample of them, without secrets. */
export class Refusals {
  readonly #log: Logger;
  readonly #redactor: Redactor;
  readonly #counter: Family<'rule' | 'code', Counter>;
  readonly #pace: Pace;

  constructor(clock: Clock, log: Logger, metrics: Metrics, redactor: Redactor) {
    this.#pace = new Pace(clock, LOG_AGAIN_MS);
    this.#log = log;
    this.#redactor = redactor;
    this.#counter = refusedCounter(metrics);
  }

  refused(error: BlockhubError, exchange: Exchange): void {
    const rule = this.#count(error);
    this.#report(error, (show) => ({ rule, ...requestOf(exchange, show), ...refusedValue(error, exchange, show) }));
  }

  /** Counts and logs bytes that are not a request. */
  malformed(error: BlockhubError, socket: Socket): void {
    const rule = this.#count(error);
    this.#report(error, () => ({ rule, client: socket.remoteAddress }));
  }

  /** Rules count their own refusals. */
  #count(error: BlockhubError): string {
    const by = refusingRule(error);
    const rule = by ?? steps[error.code] ?? 'request';
    if (by === undefined) this.#counter.labels({ rule, code: error.code }).add();
    return rule;
  }

  #report(error: BlockhubError, fields: (show: Show) => Record<string, unknown>): void {
    const { code, status } = error;
    const refusals = this.#pace.pass(code);
    if (refusals === 0) return;
    // Redacted before it is cut: a part of a token would not be found.
    const show: Show = (text) => printable(this.#redactor.text(text));
    this.#log.info({ code, status, ...fields(show), reason: show(error.message), leftOut: refusals - 1 }, 'request refused');
  }
}

function requestOf({ request, head, route }: Exchange, show: Show): Record<string, unknown> {
  const { ip = request.socket.remoteAddress, via } = head?.client ?? {};
  const { method } = request;
  return { client: ip, ...(via !== undefined && { via }), method, ...(route && { route: route.name, chain: show(route.chain) }) };
}

/** The refused value. Other headers and the query may hold secrets. */
function refusedValue({ code, details }: BlockhubError, { request: { headers, url = '' } }: Exchange, show: Show): Record<string, unknown> {
  switch (code) {
    case 'OBJECT_INVALID_MIME':
      return { mime: show(String(details.mime ?? headers['content-type'] ?? '')) };
    case 'DIGEST_MISMATCH':
      return Object.fromEntries(
        digestHeaders.filter((name) => headers[name] !== undefined).map((name) => [name, show(String(headers[name]))]),
      );
    case 'ROUTE_NOT_FOUND':
      return { path: pathOf(show(url)) };
    case 'BODY_TOO_LARGE':
      return { contentLength: show(headers['content-length'] ?? 'not declared') };
    case 'REQUEST_INVALID':
      return typeof details.value === 'string' ? { value: show(details.value) } : {};
    default:
      return {};
  }
}

const pathOf = (url: string): string => url.replace(/^[a-z]+:\/\/[^/?#]*/i, '').split(/[?#]/, 1)[0] ?? '';

const printable = (text: string): string => {
  const clean = text.slice(0, MAX_TEXT).replace(UNPRINTABLE, '?');
  return text.length > MAX_TEXT ? `${clean}…` : clean;
};
