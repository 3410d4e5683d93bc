import { hash } from 'node:crypto';
import { Agent as HttpsAgent } from 'node:https';
import {
  type BucketLocationConstraint,
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { readAuthorities } from '@blockhub/settings';
import { NodeHttpHandler, type NodeHttpHandlerOptions } from '@smithy/node-http-handler';
import type { Advice, ByteRange, FailureClass, StoreCredentials, StoreDriver, StoredObject } from '../driver.ts';
import { isKey } from '../keys.ts';
import { storeUserinfo } from '../secrets.ts';
import { explain, noBucket, S3Failure } from './s3-failure.ts';
import type { S3Target } from './s3-url.ts';

// Imported by name, it would load fetch and WebSocket too.
const { Agent: HttpAgent } = process.getBuiltinModule('node:http');

/**
 * Objects of an S3 bucket, one request each. `create` is a PUT with `If-None-Match: *`. An object
 * is written in one piece, which S3 limits to 5 GiB. The SDK does not retry, because `Store` does.
 * @param credentials if undefined, the SDK looks where AWS tools do
 * @throws STORE_URL_INVALID if the file with certificates cannot be read
 */
export function openS3Driver(target: S3Target, credentials: StoreCredentials | undefined): StoreDriver {
  const pool = { keepAlive: true, maxSockets: target.connections };
  const client = new S3Client({
    region: target.region,
    forcePathStyle: target.pathStyle,
    maxAttempts: 1,
    cacheMiddleware: true,
    // Newer checksums are sent as trailers, which many servers refuse. The signature covers the
    // body, and readers check its hash.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // Otherwise the SDK opens a connection for each request that waits to be allowed.
    expectContinueHeader: false,
    requestHandler: new Requests(target, {
      httpAgent: new HttpAgent(pool),
      httpsAgent: new HttpsAgent(target.ca === undefined ? pool : { ...pool, ca: readAuthorities(target.ca, storeUserinfo) }),
      connectionTimeout: target.timeoutMs,
      socketTimeout: target.timeoutMs,
      logger: silent,
    }),
    logger: silent,
    ...(target.endpoint === undefined ? {} : { endpoint: target.signBasePath ? target.endpoint + target.basePath : target.endpoint }),
    ...(credentials && { credentials: { accessKeyId: credentials.accessKey, secretAccessKey: credentials.secretKey } }),
  });
  return new S3Driver(client, target);
}

/** Classifies network errors before the SDK wraps them, and adds an unsigned base path. */
class Requests extends NodeHttpHandler {
  readonly #target: S3Target;

  constructor(target: S3Target, options: NodeHttpHandlerOptions) {
    super(options);
    this.#target = target;
  }

  override async handle(...[request, ...options]: Parameters<NodeHttpHandler['handle']>): ReturnType<NodeHttpHandler['handle']> {
    const { basePath, signBasePath } = this.#target;
    // After signing, so the signature is for the path without the base.
    const sent = signBasePath ? request : Object.assign(request.clone(), { path: basePath + request.path });
    try {
      return await super.handle(sent, ...options);
    } catch (error) {
      throw explain(error, this.#target);
    }
  }
}

const nothing = (): void => undefined;
const silent = { trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing };

const FIRST_REGION = 'us-east-1';

class S3Driver implements StoreDriver {
  readonly #client: S3Client;
  readonly #target: S3Target;
  /** A HEAD without an object does not show whether the bucket exists. One check is enough. */
  #hasBucket = false;

  constructor(client: S3Client, target: S3Target) {
    this.#client = client;
    this.#target = target;
  }

  async get(key: string, range?: ByteRange): Promise<Buffer | undefined> {
    // A request cannot have an empty range.
    if (range?.length === 0) return (await this.head(key)) && Buffer.alloc(0);
    try {
      const answer = await this.#client.send(
        new GetObjectCommand({ ...this.#at(key), ...(range && { Range: `bytes=${range.offset}-${range.offset + range.length - 1}` }) }),
      );
      const bytes = await answer.Body?.transformToByteArray();
      this.#hasBucket = true;
      return bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    } catch (error) {
      if (statusOf(error) === 416) return Buffer.alloc(0);
      return this.#nothingThere(error);
    }
  }

  async head(key: string): Promise<{ length: number } | undefined> {
    try {
      const { ContentLength = 0 } = await this.#client.send(new HeadObjectCommand(this.#at(key)));
      this.#hasBucket = true;
      return { length: ContentLength };
    } catch (error) {
      if (statusOf(error) === 404 && !this.#hasBucket) await this.#checkBucket();
      return this.#nothingThere(error);
    }
  }

  async create(key: string, bytes: Uint8Array): Promise<boolean> {
    try {
      await this.#client.send(new PutObjectCommand({ ...this.#write(key, bytes), IfNoneMatch: '*' }));
      return true;
    } catch (error) {
      if (statusOf(error) === 412) return false;
      return this.#fail(error);
    }
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    await this.#client.send(new PutObjectCommand(this.#write(key, bytes))).catch(this.#fail);
  }

  async remove(key: string): Promise<void> {
    await this.#client.send(new DeleteObjectCommand(this.#at(key))).catch(this.#nothingThere);
  }

  async *list(prefix: string, after?: string): AsyncGenerator<StoredObject, void, undefined> {
    const where = { Bucket: this.#target.bucket, Prefix: this.#target.prefix + prefix };
    for (let token: string | undefined; ; ) {
      const from = token === undefined ? after !== undefined && { StartAfter: this.#target.prefix + after } : { ContinuationToken: token };
      const page = await this.#client.send(new ListObjectsV2Command({ ...where, ...from })).catch(this.#fail);
      for (const { Key = '', Size = 0 } of page.Contents ?? []) {
        const key = Key.slice(this.#target.prefix.length);
        if (isKey(key)) yield { key, length: Size };
      }
      token = page.NextContinuationToken;
      if (page.IsTruncated !== true || token === undefined) return;
    }
  }

  async prepare(): Promise<boolean> {
    const { bucket, endpoint, region } = this.#target;
    const there = await this.#client.send(new HeadBucketCommand({ Bucket: bucket })).then(
      () => true,
      (error: unknown) => (statusOf(error) === 404 ? false : this.#fail(error)),
    );
    if (there) return false;
    // AWS requires the region, except for its first one, which it refuses.
    const where =
      endpoint === undefined && region !== FIRST_REGION ? { LocationConstraint: region as BucketLocationConstraint } : undefined;
    try {
      await this.#client.send(new CreateBucketCommand({ Bucket: bucket, ...(where && { CreateBucketConfiguration: where }) }));
      return true;
    } catch (error) {
      // Another process with the same credentials was faster.
      if ((error as Error).name === 'BucketAlreadyOwnedByYou') return false;
      return this.#fail(error);
    }
  }

  classify(error: unknown): FailureClass {
    return error instanceof S3Failure ? error.failure : 'permanent';
  }

  advise(error: unknown): Advice | undefined {
    return error instanceof S3Failure ? error.advice : undefined;
  }

  retryAfterMs(error: unknown): number | undefined {
    return error instanceof S3Failure ? error.retryAfterMs : undefined;
  }

  async close(): Promise<void> {
    this.#client.destroy();
  }

  #at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#target.bucket, Key: this.#target.prefix + key };
  }

  /** For a bucket that locks objects, AWS requires a checksum. All servers support this one. */
  #write(key: string, bytes: Uint8Array): { Bucket: string; Key: string; Body: Uint8Array; ContentMD5: string } {
    return { ...this.#at(key), Body: bytes, ContentMD5: hash('md5', bytes, 'base64') };
  }

  readonly #fail = (error: unknown): never => {
    throw explain(error, this.#target);
  };

  /** For what may be absent: gives undefined if it is, and throws every other error. */
  readonly #nothingThere = (error: unknown): undefined => {
    if (statusOf(error) !== 404 || (error as Error).name === 'NoSuchBucket') this.#fail(error);
    this.#hasBucket = true;
  };

  /** @throws STORE_NOT_FOUND */
  async #checkBucket(): Promise<void> {
    const { bucket } = this.#target;
    await this.#client.send(new HeadBucketCommand({ Bucket: bucket })).catch((error: unknown) => {
      if (statusOf(error) === 404) throw noBucket(bucket);
      this.#fail(error);
    });
  }
}

const statusOf = (error: unknown): number | undefined =>
  (error as { $metadata?: { httpStatusCode?: number } } | null)?.$metadata?.httpStatusCode;
