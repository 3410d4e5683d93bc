import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import { finished } from 'node:stream';
import type { AddressSet } from '@blockhub/access';
import { BlockhubError } from '@blockhub/errors';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Appender } from './appender.ts';
import { ByteBudget, readBody } from './body.ts';
import { clientOf, type Forwarding } from './client.ts';
import { Connections } from './connection.ts';
import { isDryRun, reportOf } from './dry-run.ts';
import { Failures } from './failures.ts';
import { takeAnyContentType } from './media.ts';
import { asProblemError, PROBLEM_MIME, problemOf } from './problem.ts';
import type { Head } from './rules/rule.ts';
import type { Said } from './rules/rules.ts';
import type { CaptureContext } from './settings.ts';
import { traceRequests } from './trace-requests.ts';

/** A request of which the head has come, and what the rules say of it in a dry run. */
interface Judged {
  readonly head: Head;
  readonly report: Said[] | undefined;
}

declare module 'fastify' {
  interface FastifyRequest {
    judged: Judged | undefined;
  }
}

const JSON_MIME = 'application/json; charset=utf-8';
const MAX_HEADERS = 100;
/** Requests that a sender may have sent on a connection without waiting for an answer: each is held, and many are sent in one packet. */
const MAX_PIPELINED = 64;

/** A body counts against the budget while its request is open, and while work goes on that needs it: also behind an answer that would not wait. */
class HeldBody {
  readonly bytes: Buffer;
  readonly #giveBack: () => void;
  #users = 1;

  constructor(bytes: Buffer, giveBack: () => void) {
    this.bytes = bytes;
    this.#giveBack = giveBack;
  }

  /** Keeps it until the work ends, well or badly. */
  during(work: Promise<unknown>): void {
    this.#users++;
    const end = (): void => this.leave();
    work.then(end, end);
  }

  leave(): void {
    if (--this.#users === 0) this.#giveBack();
  }
}

/** The HTTP side of capture: two routes, one parser for every type, one shape for every error. */
export function buildServer(context: CaptureContext, appender: Appender): FastifyInstance {
  const { settings, metrics } = context;
  const budget = new ByteBudget(settings.inFlightLimit, settings.bodyLimit);
  const connections = new Connections();
  const answers = metrics.counter('blockhub_capture_requests_total', 'Requests answered, by HTTP status.', ['status']);
  const answered = (status: number): void => answers.labels({ status: String(status) }).add();
  const failures = new Failures(context.clock, context.log);
  const answerProblem = (request: FastifyRequest, reply: FastifyReply, error: BlockhubError): void => {
    answered(error.status);
    if (error.status >= 500) failures.failed(error, request.id);
    sendProblem(request, reply, error);
  };
  const taken = {
    broker: { status: 201, count: answers.labels({ status: '201' }) },
    spool: { status: 202, count: answers.labels({ status: '202' }) },
  };
  const bytes = metrics.counter('blockhub_capture_bytes_total', 'Bytes of bodies answered with 201 or 202.');
  metrics.gauge('blockhub_capture_held_bytes', 'Bytes of bodies held in memory.').read(() => budget.used);

  const app = fastify({
    logger: false,
    bodyLimit: settings.bodyLimit,
    requestTimeout: settings.requestTimeout,
    keepAliveTimeout: settings.keepAliveTimeout,
    // A request on a connection that is still open while the server closes is served; the answer says `connection: close`.
    return503OnClosing: false,
    routerOptions: { maxParamLength: 128 },
    // Node's own answer to a missing Host header has no body; `capture` refuses it in our shape.
    http: { connectionsCheckingInterval: 1000, maxHeaderSize: 16 * 1024, requireHostHeader: false },
    frameworkErrors: (error, request, reply) => answerProblem(request, reply, asProblemError(error)),
    clientErrorHandler: (error, socket) => {
      const connection = connections.of(socket);
      if (connection.answeredEarly) socket.destroy();
      else connection.afterAnswers(() => answerMalformed(error, socket, answered));
    },
  });
  if (context.tracing) traceRequests(app, context.tracing);
  app.server.headersTimeout = Math.min(settings.headersTimeout, settings.requestTimeout);
  app.server.maxHeadersCount = MAX_HEADERS + 1;
  app.server.maxRequestsPerSocket = 100_000;
  app.server.maxConnections = settings.maxConnections;
  // What an Expect header asks beyond 100-continue may be ignored (RFC 9110, 10.1.1); Node's own answer has no body.
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response));

  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    '*',
    (_request: FastifyRequest, payload: IncomingMessage, done: (error: Error | null, body?: HeldBody) => void) => {
      const declared = payload.headers['content-length'];
      readBody(payload, declared === undefined ? undefined : Number(declared), settings.bodyLimit, budget, (error, bytes, taken) => {
        if (error) budget.give(taken);
        done(error, error ? undefined : new HeldBody(bytes, () => budget.give(taken)));
      });
    },
  );
  takeAnyContentType(app);
  app.addHook('onRequest', ({ raw: { socket } }, reply, done) => {
    const connection = connections.of(socket);
    // Without an answer, which would only stand in line as well; what is under way is captured or not, as when any connection breaks.
    if (connection.waiting >= MAX_PIPELINED) {
      reply.hijack();
      socket.destroy();
      return;
    }
    connection.join(reply.raw);
    done();
  });
  app.addHook('preHandler', (request, reply, done) => {
    const held = request.body as HeldBody | undefined;
    if (held) connections.of(request.raw.socket).hold(reply.raw, held);
    done();
  });

  app.setErrorHandler((error, request, reply) => answerProblem(request, reply, asProblemError(error)));
  app.setNotFoundHandler((request, reply) => {
    const known = request.url === '/' || /^\/append\/chain\/[^/?]+(?:\?|$)/.test(request.url) || request.url.startsWith('/?');
    const error = known
      ? new BlockhubError('METHOD_NOT_ALLOWED', `${request.method} is not possible here; use POST.`)
      : new BlockhubError('ROUTE_NOT_FOUND', 'Nothing is served at this path.');
    answerProblem(request, reply, error);
  });

  app.decorateRequest('judged', undefined);
  const { rules } = appender;
  /** Before the body: what is refused here costs no memory. */
  const judge = (request: FastifyRequest, chain: string, done: (error?: Error) => void): void => {
    try {
      const head = headOf(request, chain, rules.proxies, settings.forwarding);
      const report = isDryRun(head, settings.dryRun) ? [] : undefined;
      request.judged = { head, report };
      const judging = rules.judgeHead(head, report);
      if (judging) judging.then(() => done(), done);
      else done();
    } catch (error) {
      done(error as Error);
    }
  };
  const handle = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { head, report } = request.judged as Judged;
    const held = request.body as HeldBody | undefined;
    const body = held?.bytes ?? EMPTY;
    const judging = rules.judgeBody(head, body, report);
    if (judging) await judging;
    if (report) {
      const said = bodyOf(await reportOf(appender, { ...head, body }, report));
      answered(200);
      return reply.code(200).header('content-type', JSON_MIME).send(said);
    }
    const appending = appender.append({ ...head, body }, (work) => held?.during(work));
    held?.during(appending);
    const { receipt, safeIn } = await appending;
    const { status, count } = taken[safeIn];
    count.add();
    failures.taken();
    bytes.add(receipt.length);
    return reply.code(status).header('content-type', JSON_MIME).send(bodyOf(receipt));
  };
  const ofDefault = (request: FastifyRequest, _: FastifyReply, done: (error?: Error) => void): void =>
    judge(request, settings.defaultChain, done);
  const ofPath = (request: FastifyRequest, _: FastifyReply, done: (error?: Error) => void): void =>
    judge(request, (request.params as { chain: string }).chain, done);
  app.post('/', { onRequest: ofDefault }, handle);
  app.post('/append/chain/:chain', { onRequest: ofPath }, handle);
  return app;
}

const EMPTY = Buffer.alloc(0);

/** Ends its line, so that a shell goes on below what curl shows. */
const bodyOf = (answer: object): string => `${JSON.stringify(answer)}\n`;

/** All of a request but its body. Throws REQUEST_INVALID. */
function headOf({ raw }: FastifyRequest, chain: string, proxies: AddressSet | undefined, forwarding: Forwarding): Head {
  const { rawHeaders, headers, httpVersion, method = '', url = '' } = raw;
  if (rawHeaders.length / 2 > MAX_HEADERS) throw new BlockhubError('REQUEST_INVALID', `More than ${MAX_HEADERS} headers.`);
  if (headers.host === undefined && httpVersion === '1.1') throw new BlockhubError('REQUEST_INVALID', 'The Host header is missing.');
  // Nobody here undoes another coding: the bytes would not be those of the sender.
  if (headers['transfer-encoding'] !== undefined && headers['transfer-encoding'].toLowerCase() !== 'chunked')
    throw new BlockhubError('REQUEST_INVALID', 'The Transfer-Encoding is not chunked alone.');
  // RFC 1945, 8.3: without it the body of an HTTP/1.0 request cannot be told, and Node takes none.
  if (headers['content-length'] === undefined && httpVersion === '1.0')
    throw new BlockhubError('REQUEST_INVALID', 'The Content-Length header is missing, which HTTP/1.0 needs.');
  return { chain, method, url, rawHeaders, headers, client: clientOf(raw, proxies, forwarding), found: {} };
}

function sendProblem(request: FastifyRequest, reply: FastifyReply, error: BlockhubError): void {
  if (error.status === 405) reply.header('allow', 'POST');
  if (error.status === 401) reply.header('www-authenticate', 'Bearer realm="blockhub"');
  if (error.status === 429) reply.header('retry-after', String(Math.ceil(Number(error.details.retryAfterMs) / 1000)));
  if (error.status === 503) reply.header('retry-after', '2');
  reply.code(error.status).header('content-type', PROBLEM_MIME);
  const body = bodyOf(problemOf(error));
  if (error.code === 'BODY_TOO_LARGE' || error.code === 'BODY_INCOMPLETE' || error.code === 'CAPTURE_BUSY')
    answerEarly(request, reply, body);
  else reply.send(body);
}

/**
 * Answers at once and ends the connection behind the request, or at its time-out. Ended before, it would be reset by what the sender still
 * sends, and many a sender would see that instead of the answer.
 */
function answerEarly(request: FastifyRequest, reply: FastifyReply, body: string): void {
  reply.header('connection', 'close').header('content-length', Buffer.byteLength(body)).hijack();
  reply.raw.writeHead(reply.statusCode, reply.getHeaders() as OutgoingHttpHeaders).write(body);
  finished(request.raw, () => reply.raw.end());
}

/** What Node's parser refuses never becomes a request: the answer is written by hand and the connection ends. */
function answerMalformed(error: Error & { code?: string }, socket: Socket, count: (status: number) => void): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const late = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  const problem = problemOf(
    late
      ? new BlockhubError('REQUEST_TIMEOUT', 'The request did not arrive in time.')
      : new BlockhubError(
          'REQUEST_INVALID',
          error.code === 'HPE_HEADER_OVERFLOW' ? 'The headers are too large.' : 'This is not a valid HTTP request.',
        ),
  );
  const body = bodyOf(problem);
  count(problem.status);
  socket.end(
    `HTTP/1.1 ${problem.status} ${problem.title}\r\ncontent-type: ${PROBLEM_MIME}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
