import type { OutgoingHttpHeaders } from 'node:http';
import { finished } from 'node:stream';
import type { BlockhubError } from '@blockhub/errors';
import type { Metrics } from '@blockhub/telemetry';
import type { Cors } from '../routes/cors.ts';
import { type Exchange, isHalfSent } from './exchange.ts';
import type { Failures } from './failures.ts';
import { linger } from './linger.ts';
import { PROBLEM_MIME, problemOf } from './problem.ts';
import type { Refusals } from './refusals.ts';

export const JSON_MIME = 'application/json; charset=utf-8';

/** Errors that are sent before the body has arrived, because the body is not read to its end. */
const EARLY: ReadonlySet<string> = new Set(['BODY_TOO_LARGE', 'BODY_INCOMPLETE', 'CAPTURE_BUSY', 'CAPTURE_STOPPING']);

/** JSON with a line end, so that the prompt of a shell comes on a new line after curl. */
export const lineOf = (answer: object): string => `${JSON.stringify(answer)}\n`;

export interface AnswersParts {
  readonly metrics: Metrics;
  readonly failures: Failures;
  readonly refusals: Refusals;
  readonly cors: Cors | undefined;
}

/** Writes every answer, and counts it. */
export class Answers {
  /** The process is stopping: the last answer on each connection ends it. */
  stopping = false;
  readonly #parts: AnswersParts;
  readonly #counts = new Map<number, { add(): void }>();

  constructor(parts: AnswersParts) {
    this.#parts = parts;
  }

  count(status: number): void {
    let count = this.#counts.get(status);
    if (!count) {
      const answers = this.#parts.metrics.counter('blockhub_capture_requests_total', 'Requests that were answered, by HTTP status.', [
        'status',
      ]);
      count = answers.labels({ status: String(status) });
      this.#counts.set(status, count);
    }
    count.add();
  }

  /** @param headers in lower case, without the length of the body */
  send(exchange: Exchange, status: number, headers: OutgoingHttpHeaders, body: string): void {
    const { request, response } = exchange;
    this.count(status);
    if (response.headersSent) return;
    // If the answer ends the connection, unread bytes of the body must not cause a reset.
    if (!request.complete && isHalfSent(request)) request.socket.destroySoon = () => linger(request.socket);
    response.writeHead(status, this.#headersOf(exchange, status, headers, body)).end(body);
  }

  problem(exchange: Exchange, error: BlockhubError, allow?: string): void {
    const { failures, refusals } = this.#parts;
    if (error.status >= 500) failures.failed(error, exchange.id);
    else refusals.refused(error, exchange);
    const headers: OutgoingHttpHeaders = { ...problemHeaders(error), ...(allow !== undefined && { allow }) };
    const body = lineOf(problemOf(error));
    if (isHalfSent(exchange.request) && EARLY.has(error.code)) this.#sendEarly(exchange, error.status, headers, body);
    else this.send(exchange, error.status, headers, body);
  }

  /** Ends the connection once the request is complete or timed out: a reset may hide the answer. */
  #sendEarly(exchange: Exchange, status: number, headers: OutgoingHttpHeaders, body: string): void {
    const { request, response, awaitsContinue } = exchange;
    const { socket } = request;
    this.count(status);
    if (response.headersSent) return;
    response.writeHead(status, { ...this.#headersOf(exchange, status, headers, body), connection: 'close' });
    request.resume();
    // A sender that waits for 100 Continue sends no more, and a stopping instance does not wait.
    if (awaitsContinue || this.stopping) {
      socket.destroySoon = () => linger(socket);
      response.end(body);
      return;
    }
    response.write(body);
    finished(request, () => response.end());
  }

  #headersOf(exchange: Exchange, status: number, headers: OutgoingHttpHeaders, body: string): OutgoingHttpHeaders {
    const { request, response, connection } = exchange;
    const all: OutgoingHttpHeaders = { ...headers };
    if (status !== 204 && status !== 304) all['content-length'] = Buffer.byteLength(body);
    // Behind an answer that says so, those in line would be lost.
    if (this.stopping && connection.isLast(response)) all.connection = 'close';
    return this.#parts.cors && !exchange.isPreflight ? { ...all, ...this.#parts.cors.answer(request.headers) } : all;
  }
}

function problemHeaders(error: BlockhubError): OutgoingHttpHeaders {
  const { status } = error;
  return {
    'content-type': PROBLEM_MIME,
    ...(status === 401 && { 'www-authenticate': 'Bearer realm="blockhub"' }),
    ...(status === 429 && { 'retry-after': String(Math.ceil(Number(error.details.retryAfterMs) / 1000)) }),
    ...(status === 503 && { 'retry-after': '2' }),
  };
}
