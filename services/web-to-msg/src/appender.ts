import type { IncomingHttpHeaders } from 'node:http';
import { blobKey } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import { type Capture, writeIngress } from '@blockhub/message';
import type { ChainRecord } from '@blockhub/registry';
import { answerOf, type CaptureReceipt, captureOf } from './capture.ts';
import { Carrier, type Keeps } from './carrier.ts';
import { Chains } from './chains.ts';
import { Outlet, type SafeIn } from './outlet.ts';
import { REQUEST_MIME, type RequestFacts, requestDocument } from './request-document.ts';
import type { CaptureContext } from './settings.ts';
import { openFolder, type SpoolDisk } from './spool/disk.ts';
import { Spool } from './spool/spool.ts';
import { within } from './within.ts';

/** A request that arrived whole: all that capture knows of HTTP. */
export interface CaptureRequest extends Pick<RequestFacts, 'method' | 'url' | 'rawHeaders' | 'client'> {
  /** Id or name. */
  readonly chain: string;
  /** Of these, `content-type` and `traceparent` count. */
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What the sender gets, and where its request is safe. */
export interface Captured {
  readonly receipt: CaptureReceipt;
  readonly safeIn: SafeIn;
}

const MIME = /^[!#$%&'*+.^_`|~0-9a-z-]+\/[!#$%&'*+.^_`|~0-9a-z-]+$/;
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** What lies behind HTTP: a request in, a receipt or an error out. It knows no socket, so the simulation runs it in virtual time. */
export class Appender {
  readonly #context: CaptureContext;
  readonly #chains: Chains;
  readonly #outlet: Outlet;
  readonly #spool: Spool | undefined;

  private constructor(context: CaptureContext, carrier: Carrier, spool: Spool | undefined) {
    const { broker, clock, settings } = context;
    this.#context = context;
    this.#chains = new Chains(context.registry, context.store, context.clock);
    this.#spool = spool;
    this.#outlet = new Outlet({ broker, carrier, spool, clock, limitMs: settings.confirmTimeout });
  }

  /**
   * Opens the spool, if there is to be one, and begins to drain it.
   * @param disk instead of the folder that the settings name
   * @throws SPOOL_IN_USE, SPOOL_UNUSABLE
   */
  static async open(context: CaptureContext, disk?: SpoolDisk): Promise<Appender> {
    const { broker, store, clock, settings } = context;
    const carrier = new Carrier({ broker, store, clock });
    const folder = disk ?? (settings.spool === undefined ? undefined : await openFolder(settings.spool));
    const limits = { maxBytes: settings.spoolLimit, maxRequests: settings.spoolRequests, limitMs: settings.confirmTimeout };
    return new Appender(context, carrier, folder && (await Spool.open({ ...limits, ...context, disk: folder, carrier })));
  }

  /** Nothing waits on our disk for the broker. */
  get isDrained(): boolean {
    return this.#spool?.isEmpty ?? true;
  }

  /** Brings what is spooled to the broker, for as long as it takes it. */
  async finish(): Promise<void> {
    await this.#spool?.finish();
  }

  async close(): Promise<void> {
    await this.#spool?.close();
  }

  /**
   * Resolves when body and request document are durable: each will be in the chain exactly once.
   * @throws REQUEST_INVALID, CHAIN_NOT_FOUND, OBJECT_EXISTS: nothing of it will be in a chain. CAPTURE_UNCONFIRMED and the transient errors of
   * broker, store and spool: all, a part or nothing of it will be, once.
   * @param keeps told of work that holds the body, and may go on behind CAPTURE_UNCONFIRMED
   */
  async append(request: CaptureRequest, keeps: Keeps = () => {}): Promise<Captured> {
    const { clock, settings, newEvent } = this.#context;
    // One end for all waits: each with its own would keep the sender for as long as all of them.
    const end = clock.ticks() + settings.confirmTimeout;
    const mime = declaredMime(request.headers['content-type']);
    const chain = this.#chains.peek(request.chain) ?? (await within(clock, end, this.#chains.get(request.chain), 'store'));
    const blob = this.#addressed(captureOf(chain, newEvent(), request.body, { mime }));
    const captures = chain.settings.requests === false ? [blob] : [blob, documentOf(chain, newEvent(), request, blob, mime)];
    const traceparent = traceOf(request.headers.traceparent);
    const messages = captures.map((capture) => writeIngress(capture, traceparent));
    return { receipt: answerOf(blob), safeIn: await this.#outlet.send(messages, end, keeps) };
  }

  /** Over the broker's limit the body is to lie in the store. */
  #addressed(blob: Capture): Capture {
    return blob.length <= this.#context.settings.messageLimit ? blob : { ...blob, at: blobKey(blob.sha256 ?? blob.hash) };
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
