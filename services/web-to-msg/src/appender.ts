import type { IncomingHttpHeaders } from 'node:http';
import { blobKey, hashOf, type Meta } from '@blockhub/chain';
import { hasCode } from '@blockhub/errors';
import type { Declared } from '@blockhub/media';
import { type Capture, writeIngress } from '@blockhub/message';
import type { Redactor } from '@blockhub/redact';
import type { ChainRecord } from '@blockhub/registry';
import { type Logger, parseTraceparent } from '@blockhub/telemetry';
import { answerOf, type CaptureReceipt, captureOf } from './capture.ts';
import { Carrier, type Keeps } from './carrier.ts';
import { Chains } from './chains.ts';
import { type Claim, Claims, claimName } from './claims.ts';
import { declaredOf } from './media.ts';
import { Outlet, type SafeIn } from './outlet.ts';
import { redactorOf } from './redaction.ts';
import { REQUEST_MIME, type RequestFacts, requestDocument } from './request-document.ts';
import { Routes } from './routes/routes.ts';
import type { CaptureContext } from './settings.ts';
import { openFolder, type SpoolDisk } from './spool/disk.ts';
import { Spool } from './spool/spool.ts';
import { within } from './within.ts';

/** A request that arrived whole: all that capture knows of HTTP. */
export interface CaptureRequest extends Pick<RequestFacts, 'method' | 'url' | 'rawHeaders' | 'client'> {
  /** Id or name. */
  readonly chain: string;
  /** Of these, the `content-…` that tell of the body, `traceparent` and `idempotencyHeaders` count. */
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** What the rules found: it goes into the meta of the body, and the subject into that of the request document. */
  readonly found?: Meta;
}

/** A request on its way out. */
interface Publishing {
  readonly chain: ChainRecord;
  readonly request: CaptureRequest;
  readonly declared: Declared;
  /** When the sender is answered at the latest, in ticks. */
  readonly end: number;
  readonly keeps: Keeps;
}

/** What the sender gets, and where its request is safe. */
export interface Captured {
  readonly receipt: CaptureReceipt;
  readonly safeIn: SafeIn;
}

interface AppenderParts {
  readonly chains: Chains;
  readonly routes: Routes;
  readonly outlet: Outlet;
  readonly spool: Spool | undefined;
}

/** What this version has takes 55; a later one may add to it. */
const MAX_TRACEPARENT = 100;

/** What lies behind HTTP: a request in, a receipt or an error out. It knows no socket, so the simulation runs it in virtual time. */
export class Appender {
  /** Where requests are taken, and by which rules; the server asks them before it asks the appender. */
  readonly routes: Routes;
  /** Replaces the secrets of requests: what is stored or logged of one goes through it. */
  readonly redactor: Redactor;
  readonly #context: CaptureContext;
  readonly #chains: Chains;
  readonly #claims: Claims;
  readonly #outlet: Outlet;
  readonly #spool: Spool | undefined;

  private constructor(context: CaptureContext, { chains, routes, outlet, spool }: AppenderParts) {
    const { registry, clock, settings } = context;
    this.#context = context;
    this.#chains = chains;
    this.#claims = new Claims(registry, clock, settings.idempotencyWindow);
    this.routes = routes;
    this.redactor = redactorOf({ names: [...settings.redact, ...routes.secretParameters], tokens: routes.tokens });
    this.#spool = spool;
    this.#outlet = outlet;
  }

  /**
   * Opens the spool, if there is to be one, and begins to drain it.
   * @param disk instead of the folder that the settings name
   * @throws SETTINGS_INVALID, SPOOL_IN_USE, SPOOL_UNUSABLE
   */
  static async open(context: CaptureContext, disk?: SpoolDisk): Promise<Appender> {
    const { broker, registry, store, clock, settings, metrics, tracing, log, health } = context;
    const chains = new Chains(registry, store, clock);
    // Before the spool, which drains by itself: settings that are refused must leave nothing behind that goes on.
    const routes = new Routes({ settings, clock, store, metrics, chains, log, health });
    const carrier = new Carrier({ broker, store, clock, tracing });
    const folder = disk ?? (settings.spool === undefined ? undefined : await openFolder(settings.spool));
    const waits = { limitMs: settings.confirmTimeout, diskLimitMs: settings.spoolTimeout };
    const limits = { maxBytes: settings.spoolLimit, maxRequests: settings.spoolRequests, ...waits };
    const spool = folder && (await Spool.open({ ...limits, ...context, disk: folder, carrier }));
    return new Appender(context, { chains, routes, spool, outlet: new Outlet({ broker, carrier, spool, clock }) });
  }

  /** Requests are taken from now on. */
  start(): void {
    this.routes.start();
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
   * Resolves when body and request document are durable: each will be in the chain exactly once. A request whose event was named before
   * (`idempotencyHeaders`) gets the first receipt, and adds nothing.
   * @throws CHAIN_NOT_FOUND, OBJECT_EXISTS, IDEMPOTENCY_KEY_REUSED: nothing of it will be in a chain. CAPTURE_UNCONFIRMED and
   * the transient errors of broker, store, registry and spool: all, a part or nothing of it will be, once.
   * @param keeps told of work that holds the body, and may go on behind CAPTURE_UNCONFIRMED
   */
  async append(request: CaptureRequest, keeps: Keeps = () => {}): Promise<Captured> {
    const { clock, settings, newEvent } = this.#context;
    // One end for all waits: each with its own would keep the sender for as long as all of them.
    const end = clock.ticks() + settings.confirmTimeout;
    const declared = this.#declaredOf(request);
    const chain = await this.#chain(request.chain, end);
    const subject = request.found?.subject?.toString();
    const name = claimName(settings.idempotencyHeaders, { headers: request.headers, chain: chain.id, subject });
    if (name === undefined) return this.#publish({ chain, request, declared, end, keeps }, { event: newEvent() });
    const mine: Claim = { event: newEvent(), document: newEvent(), sha256: hashOf('sha256', request.body) };
    const claim = await within(clock, end, this.#claims.make(name, mine), 'registry');
    if (claim.confirmed) return { receipt: answerOf(captureOf(chain, claim.event, request.body, {})), safeIn: 'broker' };
    const captured = await this.#publish({ chain, request, declared, end, keeps }, claim);
    // What lies on one disk only is published again by whoever gets it again.
    if (captured.safeIn === 'broker') this.#claims.confirm(name, claim);
    return captured;
  }

  /** What `append` would answer with, but for event and time. Keeps nothing. @throws as `append` */
  async tryOut(request: CaptureRequest): Promise<Pick<CaptureReceipt, 'chain' | 'hash' | 'crypt' | 'length'>> {
    const { clock, settings } = this.#context;
    const { id, crypt } = await this.#chain(request.chain, clock.ticks() + settings.confirmTimeout);
    return { chain: id, hash: hashOf(crypt, request.body), crypt, length: request.body.length };
  }

  /** @throws CHAIN_NOT_FOUND; CAPTURE_UNCONFIRMED or the store's error if the store does not answer */
  async checkChain(nameOrId: string): Promise<void> {
    const { clock, settings } = this.#context;
    await this.#chain(nameOrId, clock.ticks() + settings.confirmTimeout);
  }

  /** Warns of routes whose chain does not exist yet: it may be created later. If the store cannot be read, nothing is logged. */
  async warnOfMissingChains(log: Logger): Promise<void> {
    for (const { name: route, chain } of this.routes.targets) {
      const error: unknown = await this.checkChain(chain).catch((thrown: unknown) => thrown);
      if (hasCode(error, 'CHAIN_NOT_FOUND'))
        log.warn(
          { route, chain, fix: `Create it with \`blockhub create\`, or correct the route table.` },
          'the chain of a route does not exist',
        );
    }
  }

  /** An unknown coding or charset is kept as it came, so it may hold a secret. */
  #declaredOf(request: CaptureRequest): Declared {
    const declared = declaredOf(request);
    const { coding, charset } = declared;
    if (coding === undefined && charset === undefined) return declared;
    return {
      ...declared,
      ...(coding !== undefined && { coding: this.redactor.text(coding) }),
      ...(charset !== undefined && { charset: this.redactor.text(charset) }),
    };
  }

  #chain(nameOrId: string, end: number): ChainRecord | Promise<ChainRecord> {
    return this.#chains.peek(nameOrId) ?? within(this.#context.clock, end, this.#chains.get(nameOrId), 'store');
  }

  /** @param ids event ids of the body and of the request document */
  async #publish(
    { chain, request, declared, end, keeps }: Publishing,
    { event, document }: { readonly event: string; readonly document?: string },
  ): Promise<Captured> {
    const { newEvent } = this.#context;
    const blob = this.#addressed(captureOf(chain, event, request.body, { ...request.found, ...declared }));
    const captures = chain.settings.requests === false ? [blob] : [blob, this.#document(chain, document ?? newEvent(), request, blob)];
    const traceparent = traceOf(request.headers.traceparent);
    const messages = captures.map((capture) => writeIngress(capture, traceparent));
    return { receipt: answerOf(blob), safeIn: await this.#outlet.send(messages, end, keeps) };
  }

  /** Over the broker's limit the body is to lie in the store. */
  #addressed(blob: Capture): Capture {
    return blob.length <= this.#context.settings.messageLimit ? blob : { ...blob, at: blobKey(blob.sha256 ?? blob.hash) };
  }

  #document(chain: ChainRecord, event: string, request: CaptureRequest, blob: Capture): Capture {
    const { method, url, rawHeaders, client, found } = request;
    const { hash, crypt, length, meta } = blob;
    const body = { event: blob.event, hash, crypt, length, ...(meta.mime === undefined ? {} : { mime: String(meta.mime) }) };
    const subject = found?.subject?.toString();
    const document = requestDocument({ method, url, rawHeaders, client, subject, receivedAt: blob.createdAt, body }, this.redactor);
    return captureOf(chain, event, document, { mime: REQUEST_MIME, about: blob.event, ...(subject === undefined ? {} : { subject }) });
  }
}

const traceOf = (header: string | string[] | undefined): string | undefined =>
  typeof header === 'string' && header.length <= MAX_TRACEPARENT && parseTraceparent(header) ? header : undefined;
