import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { BlockhubError } from '@blockhub/errors';
import type { Counter } from '@blockhub/telemetry';
import type { Appender } from '../capture/appender.ts';
import type { SafeIn } from '../publish/spooling-publisher.ts';
import type { Route } from '../routes/routes.ts';
import type { CaptureContext } from '../settings.ts';
import { Answers, JSON_MIME, lineOf } from './answers.ts';
import { ByteBudget } from './body.ts';
import { BodyReader } from './body-reader.ts';
import { Connections } from './connection.ts';
import { customResponse } from './custom-response.ts';
import { boundConnections, watchRefusedConnections } from './descriptors.ts';
import { Draining, stopping } from './draining.ts';
import { isDryRun, reportOf } from './dry-run.ts';
import type { Exchange } from './exchange.ts';
import { Failures } from './failures.ts';
import { allowOf, Handshakes, hasResponse, notAllowed } from './handshakes.ts';
import { checkLength, headOf, MAX_HEADERS, tooManyHeaders } from './head.ts';
import { answerByHand, malformedError, type ParserError } from './malformed.ts';
import { asProblemError } from './problem.ts';
import { Refusals } from './refusals.ts';
import { traceRequest } from './trace-requests.ts';
import { Upgrades } from './upgrades.ts';

// Imported by name, it would load fetch and WebSocket too.
const { createServer } = process.getBuiltinModule('node:http');

/** Maximum number of unanswered requests on a connection. One packet may hold many. */
const MAX_PIPELINED = 64;
const ignore = (): void => {};

export class CaptureServer {
  readonly #context: CaptureContext;
  readonly #appender: Appender;
  readonly #server: Server;
  readonly #connections = new Connections();
  readonly #answers: Answers;
  readonly #refusals: Refusals;
  readonly #failures: Failures;
  readonly #handshakes: Handshakes;
  readonly #draining: Draining;
  readonly #bodies: BodyReader;
  readonly #upgrades: Upgrades;
  readonly #bytes: Counter;
  readonly #taken: Readonly<Record<SafeIn, Counter>>;
  #requests = 0;

  constructor(context: CaptureContext, appender: Appender) {
    const { settings, metrics, clock, log } = context;
    this.#context = context;
    this.#appender = appender;
    this.#failures = new Failures(clock, log);
    this.#refusals = new Refusals(clock, log, metrics, appender.redactor);
    this.#answers = new Answers({ metrics, failures: this.#failures, refusals: this.#refusals, cors: appender.routes.cors });
    this.#handshakes = new Handshakes(appender, this.#answers);
    this.#bytes = metrics.counter('blockhub_capture_bytes_total', 'Bytes of the bodies that were answered with 2xx.');
    const taken = metrics.counter(
      'blockhub_capture_taken_total',
      'Requests whose body is durable in the broker or the spool. Their answer may still be an error.',
      ['safe_in'],
    );
    this.#taken = { broker: taken.labels({ safe_in: 'broker' }), spool: taken.labels({ safe_in: 'spool' }) };
    const budget = new ByteBudget(settings.inFlightLimit, settings.bodyLimit);
    metrics.gauge('blockhub_capture_held_bytes', 'Bytes of bodies in memory.').read(() => budget.used);
    this.#server = this.#open();
    const connections = this.#connections;
    const refuse = (socket: Socket): void => this.#refuseByHand(socket, stopping());
    this.#draining = new Draining({ server: this.#server, clock, connections, refuse });
    this.#bodies = new BodyReader(settings.bodyLimit, budget, this.#draining);
    this.#upgrades = new Upgrades(this.#server, connections, (request, socket) => {
      // Node has dropped the headers over the limit. One of them may say where the body ends.
      const isTooMany = request.rawHeaders.length / 2 > MAX_HEADERS;
      if (isTooMany) this.#refuseByHand(socket, tooManyHeaders());
      return isTooMany;
    });
  }

  /** @throws Node's errors of listening */
  async listen(host: string, port: number): Promise<AddressInfo> {
    const server = this.#server;
    const { clock, log, metrics } = this.#context;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port }, () => {
        server.off('error', reject);
        resolve();
      });
    });
    watchRefusedConnections(server, { clock, log, metrics });
    return server.address() as AddressInfo;
  }

  /** Stops the server. Resolves when all connections have ended. See `Draining`. */
  drain(nearlyOver: AbortSignal, graceOver: AbortSignal): Promise<void> {
    this.#answers.stopping = true;
    return this.#draining.run(nearlyOver, graceOver);
  }

  #open(): Server {
    const { settings, log } = this.#context;
    const server = createServer({
      requestTimeout: settings.requestTimeout,
      headersTimeout: Math.min(settings.headersTimeout, settings.requestTimeout),
      keepAliveTimeout: settings.keepAliveTimeout,
      connectionsCheckingInterval: 1000,
      maxHeaderSize: 16 * 1024,
      // Node's own answer has no body, so `headOf` checks the Host header.
      requireHostHeader: false,
    });
    server.maxHeadersCount = MAX_HEADERS + 1;
    server.maxRequestsPerSocket = 100_000;
    server.maxConnections = boundConnections(settings.maxConnections, log);
    server.on('request', (request, response) => this.#take(request, response, false));
    // `BodyReader` sends 100 Continue, so a request that its head refuses does not send its body.
    server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => this.#take(request, response, true));
    // Other expectations may be ignored (RFC 9110, 10.1.1). Node's own answer has no body.
    server.on('checkExpectation', ((request, response) => this.#take(request, response, false)) satisfies RequestListener);
    server.on('connect', (_request: IncomingMessage, socket: Socket) => {
      socket.on('error', ignore);
      this.#connections.of(socket).afterAnswers(() => this.#refuseByHand(socket, notAllowed('CONNECT'), { allow: 'POST, HEAD, OPTIONS' }));
    });
    server.on('clientError', (error: ParserError, socket: Socket) => {
      const connection = this.#connections.of(socket);
      // Health checks open a connection and send nothing. That is not an error.
      const isSilent = error.code === 'ECONNRESET' || socket.bytesRead === 0;
      if (connection.answeredEarly || isSilent || !socket.writable) socket.destroy();
      else connection.afterAnswers(() => this.#refuseByHand(socket, malformedError(error)));
    });
    return server;
  }

  #take(request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean): void {
    const { socket } = request;
    const connection = this.#connections.of(socket);
    response.on('error', ignore);
    // No answer: it would have to wait for the others. Requests on this connection may be captured,
    // as with any broken one.
    if (connection.unanswered >= MAX_PIPELINED) {
      socket.destroy();
      return;
    }
    // The answer before has ended the connection.
    if (!socket.writable) {
      request.resume();
      return;
    }
    connection.add(response);
    this.#upgrades.restore(request);
    const id = String(++this.#requests);
    const exchange: Exchange = { request, response, connection, id, route: undefined, head: undefined, awaitsContinue, isPreflight: false };
    this.#serve(exchange).catch((thrown: unknown) => this.#refuse(exchange, thrown));
  }

  async #serve(exchange: Exchange): Promise<void> {
    const { request, response } = exchange;
    const { tracing } = this.#context;
    const { method = '', url = '' } = request;
    try {
      if (method !== 'OPTIONS' || url !== '*') exchange.route = this.#appender.routes.find(url);
    } finally {
      if (tracing) traceRequest(tracing, request, response, exchange.route?.name);
    }
    const { route } = exchange;
    if (method === 'OPTIONS' || !route) return this.#handshakes.options(exchange);
    if (route.captured.includes(method)) return this.#capture(exchange, route);
    const hasBody = method !== 'GET' && method !== 'HEAD' && hasResponse(route, method);
    return hasBody ? this.#answerBody(exchange, route) : this.#handshakes.other(exchange, route);
  }

  /** The rules of the head run before the body is read, so refused requests need no memory. */
  async #capture(exchange: Exchange, route: Route): Promise<void> {
    const { request } = exchange;
    const { rules } = route;
    const { settings } = this.#context;
    const { routes } = this.#appender;
    const head = headOf(request, route);
    exchange.head = head;
    checkLength(request);
    const report = isDryRun(head, settings.dryRun) ? [] : undefined;
    const judgingHead = rules.judgeHead(head, report);
    if (judgingHead) await judgingHead;
    // A sender that waits for 100 Continue must not send a body for a chain that does not exist.
    if (exchange.awaitsContinue && !report) await this.#appender.checkChain(route.chain);
    const reading = this.#bodies.read(exchange);
    const buffered = reading instanceof Promise ? await reading : reading;
    const body = buffered.bytes;
    const judging = rules.judgeBody(head, body, report);
    if (judging) await judging;
    const captured = { ...head, body };
    if (report) {
      this.#answers.send(exchange, 200, { 'content-type': JSON_MIME }, lineOf(await reportOf(this.#appender, captured, report)));
      return;
    }
    const appending = this.#appender.append(captured, (work) => buffered.keepFor(work));
    buffered.keepFor(appending);
    const { receipt, safeIn } = await appending;
    this.#failures.succeeded();
    this.#bytes.add(receipt.length);
    this.#taken[safeIn].add();
    const status = safeIn === 'broker' ? 201 : 202;
    const custom = customResponse(route, head, { body, receipt, secrets: routes.secretParameters });
    if (custom) this.#handshakes.custom(exchange, custom, status);
    else this.#answers.send(exchange, status, { 'content-type': JSON_MIME }, lineOf(receipt));
  }

  /** Answers a request with a body that has a response, and is not captured. */
  async #answerBody(exchange: Exchange, route: Route): Promise<void> {
    const { request } = exchange;
    const head = headOf(request, route);
    exchange.head = head;
    checkLength(request);
    await route.rules.judgeHead(head);
    const { bytes } = await this.#bodies.read(exchange);
    await route.rules.judgeBody(head, bytes);
    const rendered = this.#handshakes.respond(route, head, head.method, bytes);
    if (!rendered) throw notAllowed(head.method);
    this.#handshakes.custom(exchange, rendered, 200);
  }

  #refuse(exchange: Exchange, thrown: unknown): void {
    const { route, request } = exchange;
    const error = asProblemError(thrown);
    const allow = error.code === 'METHOD_NOT_ALLOWED' && route ? allowOf(route, request.method) : undefined;
    this.#answers.problem(exchange, error, allow);
  }

  /** Refuses bytes that Node has not parsed as a request. */
  #refuseByHand(socket: Socket, error: BlockhubError, headers: Readonly<Record<string, string>> = {}): void {
    if (!socket.writable) {
      socket.destroy();
      return;
    }
    this.#answers.count(error.status);
    if (error.status < 500) this.#refusals.malformed(error, socket);
    answerByHand(socket, error, { ...headers, ...(error.status === 503 && { 'retry-after': '2' }) });
  }
}
