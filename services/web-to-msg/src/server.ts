import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { blobKey } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import { writeIngress } from '@blockhub/message';
import type { ChainRecord } from '@blockhub/registry';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { ByteBudget, readBody } from './body.ts';
import { answerOf, type CaptureReceipt, captureOf } from './capture.ts';
import { Chains } from './chains.ts';
import { eventIds } from './event-ids.ts';
import { asProblemError, PROBLEM_MIME, problemOf } from './problem.ts';
import { REQUEST_MIME, requestDocument } from './request-document.ts';
import { within } from './within.ts';
import type { CaptureContext } from './worker.ts';

const JSON_MIME = 'application/json; charset=utf-8';
const MAX_HEADERS = 100;
const MIME = /^[!#$%&'*+.^_`|~0-9a-z-]+\/[!#$%&'*+.^_`|~0-9a-z-]+$/;
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** A body counts against the budget while it is being published or its request is open, whichever is longer. */
class HeldBody {
  readonly bytes: Buffer;
  readonly #giveBack: () => void;
  #users = 1;

  constructor(bytes: Buffer, giveBack: () => void) {
    this.bytes = bytes;
    this.#giveBack = giveBack;
  }

  enter(): void {
    this.#users++;
  }

  leave(): void {
    if (--this.#users === 0) this.#giveBack();
  }
}

/** The HTTP side of capture: two routes, one parser for every type, one shape for every error. */
export function buildServer(context: CaptureContext): FastifyInstance {
  const { settings, metrics } = context;
  const budget = new ByteBudget(settings.inFlightLimit);
  const chains = new Chains(context.registry, context.store, context.clock);
  const nextEvent = eventIds(context.clock);
  const answers = metrics.counter('blockhub_capture_requests_total', 'Requests answered, by HTTP status.', ['status']);
  const answered = (status: number): void => answers.labels({ status: String(status) }).add();
  const created = answers.labels({ status: '201' });
  const bytes = metrics.counter('blockhub_capture_bytes_total', 'Bytes of bodies answered with 201.');
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
    frameworkErrors: (error, request, reply) => sendProblem(context, request, reply, asProblemError(error), answered),
    clientErrorHandler: (error, socket) => answerMalformed(error, socket, answered),
  });
  app.server.headersTimeout = Math.min(settings.headersTimeout, settings.requestTimeout);
  app.server.maxHeadersCount = MAX_HEADERS + 1;
  app.server.maxRequestsPerSocket = 100_000;
  app.server.maxConnections = settings.maxConnections;

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
  // Comes once for every request, also when the sender left before the answer.
  app.addHook('preHandler', (request, reply, done) => {
    const held = request.body as HeldBody | undefined;
    if (held) reply.raw.once('close', () => held.leave());
    done();
  });

  app.setErrorHandler((error, request, reply) => sendProblem(context, request, reply, asProblemError(error), answered));
  app.setNotFoundHandler((request, reply) => {
    const known = request.url === '/' || /^\/append\/chain\/[^/?]+(?:\?|$)/.test(request.url) || request.url.startsWith('/?');
    const error = known
      ? new BlockhubError('METHOD_NOT_ALLOWED', `${request.method} is not possible here; use POST.`)
      : new BlockhubError('ROUTE_NOT_FOUND', 'Nothing is served at this path.');
    sendProblem(context, request, reply, error, answered);
  });

  const handle = async (request: FastifyRequest, reply: FastifyReply, nameOrId: string): Promise<FastifyReply> => {
    const chain = chains.peek(nameOrId) ?? (await within(context.clock, settings.confirmTimeout, chains.get(nameOrId), 'store'));
    const held = request.body as HeldBody | undefined;
    held?.enter();
    const receipt = await capture(context, nextEvent, chain, request, held?.bytes ?? EMPTY).finally(() => held?.leave());
    created.add();
    bytes.add(receipt.length);
    return reply.code(201).header('content-type', JSON_MIME).send(JSON.stringify(receipt));
  };
  app.post('/', (request, reply) => handle(request, reply, settings.defaultChain));
  app.post<{ Params: { chain: string } }>('/append/chain/:chain', (request, reply) => handle(request, reply, request.params.chain));
  return app;
}

const EMPTY = Buffer.alloc(0);

async function capture(
  context: CaptureContext,
  nextEvent: ReturnType<typeof eventIds>,
  chain: ChainRecord,
  request: FastifyRequest,
  body: Buffer,
): Promise<CaptureReceipt> {
  const { settings } = context;
  const { rawHeaders, headers, httpVersion, method = '', url = '', socket } = request.raw;
  if (rawHeaders.length / 2 > MAX_HEADERS) throw new BlockhubError('REQUEST_INVALID', `More than ${MAX_HEADERS} headers.`);
  if (headers.host === undefined && httpVersion === '1.1') throw new BlockhubError('REQUEST_INVALID', 'The Host header is missing.');
  const mime = declaredMime(headers['content-type']);
  const traceparent = traceOf(headers.traceparent);
  const { event, createdAt } = nextEvent();
  let blob = captureOf(chain, event, createdAt, body, { mime });
  if (body.length > settings.messageLimit) {
    // Over the broker's limit: the bytes go to the store first and the message refers to them.
    const at = blobKey(blob.sha256 ?? blob.hash);
    await within(context.clock, settings.confirmTimeout, keepLarge(context, at, body), 'store');
    blob = { ...blob, at, body: EMPTY };
  }
  const messages = [writeIngress(blob, traceparent)];
  if (chain.settings.requests !== false) {
    const { hash, crypt, length } = blob;
    const facts = { method, url, rawHeaders, client: clientOf(socket), receivedAt: createdAt, body: { event, hash, crypt, length, mime } };
    const second = nextEvent();
    const document = captureOf(chain, second.event, second.createdAt, requestDocument(facts), { mime: REQUEST_MIME, about: event });
    messages.push(writeIngress(document, traceparent));
  }
  await within(context.clock, settings.confirmTimeout, context.broker.publish(messages), 'broker');
  return answerOf(blob);
}

/** Other bytes at the key of this hash are a damaged object: taking them for the body would lose it. */
async function keepLarge({ store }: CaptureContext, key: string, body: Buffer): Promise<void> {
  if ((await store.create(key, body)) === 'created' || (await store.get(key)).equals(body)) return;
  throw new BlockhubError('OBJECT_EXISTS', `The object ${key} is damaged.`, { details: { key } });
}

/** The declared type, parsed once and strictly; parameters are dropped. A malformed one is an error of the sender. */
function declaredMime(header: string | undefined): string {
  if (header === undefined || header === '') return 'application/octet-stream';
  const end = header.indexOf(';');
  const mime = (end < 0 ? header : header.slice(0, end)).trim().toLowerCase();
  if (!MIME.test(mime) || mime.length > 127) throw new BlockhubError('REQUEST_INVALID', 'The Content-Type header is malformed.');
  return mime;
}

const traceOf = (header: string | string[] | undefined): string | undefined =>
  typeof header === 'string' && TRACEPARENT.test(header) ? header : undefined;

const clientOf = (socket: Socket): { ip: string; port: number; tls: boolean } => ({
  ip: socket.remoteAddress ?? '',
  port: socket.remotePort ?? 0,
  tls: (socket as Partial<TLSSocket>).encrypted === true,
});

function sendProblem(
  context: CaptureContext,
  request: FastifyRequest,
  reply: FastifyReply,
  error: BlockhubError,
  answered: (status: number) => void,
): void {
  answered(error.status);
  if (error.status >= 500)
    context.log[error.code === 'INTERNAL' ? 'error' : 'warn']({ code: error.code, err: error, requestId: request.id }, 'request failed');
  if (error.status === 405) reply.header('allow', 'POST');
  if (error.status === 503) reply.header('retry-after', '2');
  if (error.code === 'BODY_TOO_LARGE' || error.code === 'BODY_INCOMPLETE' || error.code === 'CAPTURE_BUSY')
    reply.header('connection', 'close');
  reply
    .code(error.status)
    .header('content-type', PROBLEM_MIME)
    .send(JSON.stringify(problemOf(error)));
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
  const body = JSON.stringify(problem);
  count(problem.status);
  socket.end(
    `HTTP/1.1 ${problem.status} ${problem.title}\r\ncontent-type: ${PROBLEM_MIME}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
