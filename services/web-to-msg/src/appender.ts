import type { IncomingHttpHeaders } from 'node:http';
import { blobKey } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import { type Capture, writeIngress } from '@blockhub/message';
import type { ChainRecord } from '@blockhub/registry';
import { answerOf, type CaptureReceipt, captureOf } from './capture.ts';
import { Chains } from './chains.ts';
import { REQUEST_MIME, type RequestFacts, requestDocument } from './request-document.ts';
import type { CaptureContext } from './settings.ts';
import { within } from './within.ts';

/** A request that arrived whole: all that capture knows of HTTP. */
export interface CaptureRequest extends Pick<RequestFacts, 'method' | 'url' | 'rawHeaders' | 'client'> {
  /** Id or name. */
  readonly chain: string;
  /** Of these, `content-type` and `traceparent` count. */
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

const EMPTY = Buffer.alloc(0);
const MIME = /^[!#$%&'*+.^_`|~0-9a-z-]+\/[!#$%&'*+.^_`|~0-9a-z-]+$/;
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** What lies behind HTTP: a request in, a receipt or an error out. It knows no socket, so the simulation runs it in virtual time. */
export class Appender {
  readonly #context: CaptureContext;
  readonly #chains: Chains;

  constructor(context: CaptureContext) {
    this.#context = context;
    this.#chains = new Chains(context.registry, context.store, context.clock);
  }

  /**
   * Resolves when body and request document are durable: each will be in the chain exactly once.
   * @throws REQUEST_INVALID, CHAIN_NOT_FOUND, OBJECT_EXISTS: nothing of it will be in a chain. CAPTURE_UNCONFIRMED and the transient errors of
   * broker and store: all, a part or nothing of it will be, once.
   * @param keeps told of work that holds the body, and may go on behind CAPTURE_UNCONFIRMED
   */
  async append(request: CaptureRequest, keeps: (work: Promise<unknown>) => void = () => {}): Promise<CaptureReceipt> {
    const { broker, clock, settings, newEvent } = this.#context;
    // One end for all waits: each with its own would keep the sender for as long as all of them.
    const end = clock.ticks() + settings.confirmTimeout;
    const mime = declaredMime(request.headers['content-type']);
    const chain = this.#chains.peek(request.chain) ?? (await within(clock, end, this.#chains.get(request.chain), 'store'));
    const blob = await this.#keep(captureOf(chain, newEvent(), request.body, { mime }), end, keeps);
    const captures = chain.settings.requests === false ? [blob] : [blob, documentOf(chain, newEvent(), request, blob, mime)];
    const traceparent = traceOf(request.headers.traceparent);
    const publishing = broker.publish(captures.map((capture) => writeIngress(capture, traceparent)));
    keeps(publishing);
    await within(clock, end, publishing, 'broker');
    return answerOf(blob);
  }

  /** Over the broker's limit the bytes go to the store first, and the message refers to them. */
  async #keep(blob: Capture, end: number, keeps: (work: Promise<unknown>) => void): Promise<Capture> {
    const { clock, settings, store } = this.#context;
    if (blob.length <= settings.messageLimit) return blob;
    const at = blobKey(blob.sha256 ?? blob.hash);
    // What lies there must be the body: a damaged object taken for it would lose it.
    const storing = store.keep(at, blob.body);
    keeps(storing);
    await within(clock, end, storing, 'store');
    return { ...blob, at, body: EMPTY };
  }
}

function documentOf(chain: ChainRecord, event: string, request: CaptureRequest, blob: Capture, mime: string): Capture {
  const { method, url, rawHeaders, client } = request;
  const { hash, crypt, length } = blob;
  const body = { event: blob.event, hash, crypt, length, mime };
  const document = requestDocument({ method, url, rawHeaders, client, receivedAt: blob.createdAt, body });
  return captureOf(chain, event, document, { mime: REQUEST_MIME, about: blob.event });
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
