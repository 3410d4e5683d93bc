import type { IncomingHttpHeaders } from 'node:http';
import { blobKey, hashOf, type Meta } from '@blockhub/chain';
import { hasCode } from '@blockhub/errors';
import type { Declared } from '@blockhub/media';
import { type Capture, writeIngress } from '@blockhub/message';
import { Redactor } from '@blockhub/redact';
import type { ChainRecord } from '@blockhub/registry';
import { type Logger, parseTraceparent } from '@blockhub/telemetry';
import { within } from '../publish/deadline.ts';
import { CapturePublisher, type KeepBodyFor } from '../publish/publisher.ts';
import { type SafeIn, SpoolingPublisher } from '../publish/spooling-publisher.ts';
import { Routes } from '../routes/routes.ts';
import type { CaptureContext } from '../settings.ts';
import { openFolder, type SpoolDisk } from '../spool/disk.ts';
import { Spool } from '../spool/spool.ts';
import { Chains } from './chains.ts';
import { declaredOf } from './declared.ts';
import { type FirstRequest, IdempotencyKeys, idempotencyKeyOf } from './idempotency.ts';
import { type CaptureReceipt, captureOf, receiptOf } from './receipt.ts';
import { type DocumentedRequest, REQUEST_MIME, requestDocument } from './request-document.ts';

/** A request that arrived completely: all that capture needs of HTTP. */
export interface CaptureRequest extends Pick<DocumentedRequest, 'method' | 'url' | 'rawHeaders' | 'client'> {
  /** Id or name. */
  readonly chain: string;
  /** Only the `content-…` headers, `traceparent` and `idempotencyHeaders` are read. */
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Goes into the meta of the body. Its subject goes into the meta of the request document too. */
  readonly found?: Meta;
}

interface Publishing {
  readonly chain: ChainRecord;
  readonly request: CaptureRequest;
  readonly declared: Declared;
  /** When the sender must be answered, in ticks. */
  readonly deadline: number;
  readonly keepBodyFor: KeepBodyFor;
}

/** What the sender gets, and where its request is durable. */
export interface Captured {
  readonly receipt: CaptureReceipt;
  readonly safeIn: SafeIn;
}

interface AppenderParts {
  readonly chains: Chains;
  readonly routes: Routes;
  readonly publisher: SpoolingPublisher;
  readonly spool: Spool | undefined;
}

/** Version 00 of the header has 55 characters; a later version may be longer. */
const MAX_TRACEPARENT = 100;

/** Captures requests. It has no socket, so the simulation can run it in virtual time. */
export class Appender {
  /** The paths and their rules. The server checks them before it calls the appender. */
  readonly routes: Routes;
  /** Replaces the secrets in all that is stored or logged of a request. */
  readonly redactor: Redactor;
  readonly #context: CaptureContext;
  readonly #chains: Chains;
  readonly #idempotencyKeys: IdempotencyKeys;
  readonly #publisher: SpoolingPublisher;
  readonly #spool: Spool | undefined;

  private constructor(context: CaptureContext, { chains, routes, publisher, spool }: AppenderParts) {
    const { registry, clock, settings } = context;
    this.#context = context;
    this.#chains = chains;
    this.#idempotencyKeys = new IdempotencyKeys(registry, clock, settings.idempotencyWindow);
    this.routes = routes;
    this.redactor = new Redactor({ names: [...settings.redact, ...routes.secretParameters], values: [...routes.tokens] });
    this.#spool = spool;
    this.#publisher = publisher;
  }

  /**
   * Opens the spool of the settings, or `disk` in its place, and begins to drain it.
   * @throws SETTINGS_INVALID, SPOOL_IN_USE, SPOOL_UNUSABLE
   */
  static async open(context: CaptureContext, disk?: SpoolDisk): Promise<Appender> {
    const { broker, registry, store, clock, settings, metrics, tracing, log, health } = context;
    const chains = new Chains(registry, store, clock);
    // Before the spool, which drains at once: if the settings are refused, nothing must go on.
    const routes = new Routes({ settings, clock, store, metrics, chains, log, health });
    const publisher = new CapturePublisher({ broker, store, clock, tracing });
    const folder = disk ?? (settings.spool === undefined ? undefined : await openFolder(settings.spool));
    const waits = { limitMs: settings.confirmTimeout, diskLimitMs: settings.spoolTimeout };
    const limits = { maxBytes: settings.spoolLimit, maxRequests: settings.spoolRequests, ...waits };
    const spool = folder && (await Spool.open({ ...limits, ...context, disk: folder, publisher }));
    return new Appender(context, { chains, routes, spool, publisher: new SpoolingPublisher({ broker, publisher, spool, clock }) });
  }

  /** Called once when the server accepts requests. */
  start(): void {
    this.routes.start();
  }

  get isDrained(): boolean {
    return this.#spool?.isEmpty ?? true;
  }

  /** Drains the spool as long as the broker confirms. */
  async finish(): Promise<void> {
    await this.#spool?.finish();
  }

  async close(): Promise<void> {
    await this.#spool?.close();
  }

  /**
   * Resolves when body and request document are durable: each will be in the chain exactly once. A
   * request with a known idempotency key gets the first receipt, and adds nothing.
   * @throws CHAIN_NOT_FOUND, OBJECT_EXISTS, IDEMPOTENCY_KEY_REUSED: nothing of it will be in a
   * chain. CAPTURE_UNCONFIRMED and the transient errors of broker, store, registry and spool: all,
   * a part or nothing of it will be in the chain, once.
   */
  async append(request: CaptureRequest, keepBodyFor: KeepBodyFor = () => {}): Promise<Captured> {
    const { clock, settings, newEvent } = this.#context;
    // One deadline for all waits: if each had its own, the sender would wait for their sum.
    const deadline = clock.ticks() + settings.confirmTimeout;
    const declared = this.#declaredOf(request);
    const chain = await this.#chain(request.chain, deadline);
    const subject = request.found?.subject?.toString();
    const key = idempotencyKeyOf(settings.idempotencyHeaders, { headers: request.headers, chain: chain.id, subject });
    if (key === undefined) return this.#publish({ chain, request, declared, deadline, keepBodyFor }, { event: newEvent() });
    const mine: FirstRequest = { event: newEvent(), document: newEvent(), sha256: hashOf('sha256', request.body) };
    const first = await within(clock, deadline, this.#idempotencyKeys.claim(key, mine), 'registry');
    if (first.confirmed) return { receipt: receiptOf(captureOf(chain, first.event, request.body, {})), safeIn: 'broker' };
    const captured = await this.#publish({ chain, request, declared, deadline, keepBodyFor }, first);
    // A spooled request is published again if it is sent again: only this instance reads its disk.
    if (captured.safeIn === 'broker') this.#idempotencyKeys.confirm(key, first);
    return captured;
  }

  /** What `append` would answer, without event and time. Nothing is stored. @throws as `append` */
  async tryOut(request: CaptureRequest): Promise<Pick<CaptureReceipt, 'chain' | 'hash' | 'crypt' | 'length'>> {
    const { clock, settings } = this.#context;
    const { id, crypt } = await this.#chain(request.chain, clock.ticks() + settings.confirmTimeout);
    return { chain: id, hash: hashOf(crypt, request.body), crypt, length: request.body.length };
  }

  /** @throws CHAIN_NOT_FOUND; CAPTURE_UNCONFIRMED or the store's error if it does not answer */
  async checkChain(nameOrId: string): Promise<void> {
    const { clock, settings } = this.#context;
    await this.#chain(nameOrId, clock.ticks() + settings.confirmTimeout);
  }

  /** Warns of missing chains; they may be created later. If the store fails, nothing is logged. */
  async warnOfMissingChains(log: Logger): Promise<void> {
    const fix = 'Create it with `blockhub create`, or correct the route table.';
    for (const { name: route, chain } of this.routes.tableRoutes) {
      const error: unknown = await this.checkChain(chain).catch((thrown: unknown) => thrown);
      if (hasCode(error, 'CHAIN_NOT_FOUND')) log.warn({ route, chain, fix }, 'the chain of a route does not exist');
    }
  }

  /** An unknown coding or charset is stored as sent, so secrets in it are replaced. */
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

  #chain(nameOrId: string, deadline: number): ChainRecord | Promise<ChainRecord> {
    return this.#chains.peek(nameOrId) ?? within(this.#context.clock, deadline, this.#chains.get(nameOrId), 'store');
  }

  /** @param ids event ids of the body and of the request document */
  async #publish(
    { chain, request, declared, deadline, keepBodyFor }: Publishing,
    { event, document }: { readonly event: string; readonly document?: string },
  ): Promise<Captured> {
    const { newEvent } = this.#context;
    const blob = this.#addressed(captureOf(chain, event, request.body, { ...request.found, ...declared }));
    const captures = chain.settings.requests === false ? [blob] : [blob, this.#document(chain, document ?? newEvent(), request, blob)];
    const traceparent = traceOf(request.headers.traceparent);
    const messages = captures.map((capture) => writeIngress(capture, traceparent));
    return { receipt: receiptOf(blob), safeIn: await this.#publisher.send(messages, deadline, keepBodyFor) };
  }

  /** A body over `messageLimit` gets a key in the store. */
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
