import { BlockhubError, type FaultKind } from '@blockhub/errors';
import { invalidUrl } from '@blockhub/settings';
import type { Advice, FailureClass } from '../driver.ts';
import { storeUserinfo } from '../secrets.ts';
import { meaningOf, noCredentialsFix, wayFault } from './s3-advice.ts';
import type { S3Target } from './s3-url.ts';

/** Has nothing of the request: the SDK's errors hold the access key's id and what was signed. */
export class S3Failure extends Error {
  override readonly name = 'S3Failure';
  /** The error code of the server, such as `SlowDown`, or of the system, such as `ECONNRESET`. */
  readonly code: string;
  /** Of the HTTP answer, if there was one. */
  readonly status: number | undefined;
  readonly failure: FailureClass;
  /** How long the server asked to wait. */
  readonly retryAfterMs: number | undefined;
  readonly advice: Advice | undefined;

  constructor(message: string, { code, status, failure, retryAfterMs, advice }: Omit<S3Failure, keyof Error>) {
    super(message);
    this.code = code;
    this.status = status;
    this.failure = failure;
    this.retryAfterMs = retryAfterMs;
    this.advice = advice;
  }
}

/** Fields that an error of the SDK may have. Which ones exist differs by kind and server. */
interface SdkError {
  readonly name?: string;
  readonly code?: unknown;
  readonly message?: string;
  readonly Region?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string };
  readonly $response?: { readonly headers?: Readonly<Record<string, string | undefined>>; readonly body?: unknown };
}

const noCredentials = new Set(['CredentialsProviderError', 'TokenProviderError']);
/** With these faults nothing was sent. */
const unsent: ReadonlySet<FaultKind | undefined> = new Set([
  'refused',
  'name',
  'resolver',
  'unreachable',
  'denied',
  'descriptors',
  'memory',
]);
/** With these faults waiting does not help. */
const lasting: ReadonlySet<FaultKind | undefined> = new Set(['certificate', 'protocol']);

/** Classifies an error of the SDK. Mistakes in the code, and our own errors, stay as they are. */
export function explain(error: unknown, target: S3Target): unknown {
  if (error instanceof BlockhubError || error instanceof S3Failure) return error;
  const { name = '', message = '', $metadata } = error as SdkError;
  const status = $metadata?.httpStatusCode;
  if (status !== undefined) return ofAnswer(error as SdkError, status, target);
  if (noCredentials.has(name)) {
    const advice = { what: 'no credentials were found', fix: noCredentialsFix };
    return new S3Failure(`${message}; ${noCredentialsFix}`, { ...unanswered, code: name, failure: 'denied', advice });
  }
  return ofWay(error as SdkError);
}

const unanswered = { status: undefined, retryAfterMs: undefined };

function ofAnswer({ name = '', message = '', $metadata, $response, Region }: SdkError, status: number, target: S3Target): Error {
  const headers = $response?.headers ?? {};
  const wrong = wrongTarget({ name, message, status, headers, region: Region }, target);
  if (wrong) return wrong;
  const text = typeof $response?.body === 'string' ? $response.body : '';
  const { failure = status >= 500 ? 'unknown' : 'permanent', advice } = meaningOf(
    { code: name, status, message: `${message} ${text}` },
    target,
  );
  const request = $metadata?.requestId === undefined ? '' : `, request ${$metadata.requestId}`;
  // After the first line, the SDK explains how to debug it.
  const [line = ''] = message.split('\n', 1);
  const said = line === '' || line === name ? '' : `: ${line}`;
  // A permanent error is thrown as it is, so the advice is added here.
  const more = failure === 'permanent' && advice ? `; ${advice.what}. ${advice.fix}` : '';
  const retryAfterMs = readRetryAfter(headers['retry-after']);
  return new S3Failure(`${name} (status ${status}${request})${said}${more}`, { code: name, status, failure, retryAfterMs, advice });
}

/** There was no answer. */
function ofWay(error: SdkError): unknown {
  const { name = '', message = '' } = error;
  // The SDK calls a broken connection a timeout too.
  const timedOut = (name === 'TimeoutError' || name === 'AbortError') && typeof error.code !== 'string';
  const fault = wayFault(timedOut ? { ...error, code: 'ETIMEDOUT' } : error);
  const code = typeof error.code === 'string' ? error.code : (fault?.code ?? name);
  if (!fault && typeof error.code !== 'string' && !timedOut) return error;
  const failure = lasting.has(fault?.kind) ? 'unusable' : unsent.has(fault?.kind) ? 'transient' : 'unknown';
  const advice = fault && { what: fault.what, fix: fault.fix };
  return new S3Failure(message === '' ? code : message, { ...unanswered, code, failure, advice });
}

interface FailedAnswer {
  readonly name: string;
  readonly message: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly region: unknown;
}

/** What only another URL, or a new bucket, can repair. */
function wrongTarget(
  { name, message, status, headers, region: named }: FailedAnswer,
  { bucket, region }: S3Target,
): BlockhubError | undefined {
  // Absent objects are not failures, so the bucket is missing.
  if (name === 'NoSuchBucket' || status === 404) return noBucket(bucket);
  if (name === 'InvalidBucketName')
    return invalidUrl(
      storeUserinfo,
      'bucket',
      `the store does not accept the bucket name ${bucket}: correct it. If a proxy stands before the store, ?basePath= must be the path of the buckets there`,
    );
  const right = named ?? headers['x-amz-bucket-region'] ?? /expecting '([\w-]+)'/.exec(message)?.[1];
  const { location } = headers;
  const isElsewhere = status >= 300 && status < 400;
  if (isElsewhere && typeof right !== 'string' && location !== undefined) return sentElsewhere(status, location);
  const isRegion = wrongRegion.has(name) && (name !== 'AuthorizationHeaderMalformed' || right !== undefined || /region/i.test(message));
  // An answer to HEAD has no error code.
  const isToldOnly = status === 400 && typeof right === 'string' && right !== region;
  if (!isRegion && !isElsewhere && !isToldOnly) return undefined;
  const hint = typeof right === 'string' ? `write ?region=${right}` : 'name the right one with ?region=';
  return invalidUrl(storeUserinfo, 'region', `region ${region} is not the region of bucket ${bucket}: ${hint}`);
}

const wrongRegion: ReadonlySet<string> = new Set([
  'AuthorizationHeaderMalformed',
  'PermanentRedirect',
  'IllegalLocationConstraintException',
  'InvalidRegion',
  'XMinioInvalidRegion',
]);

/** Such as a proxy that redirects from http to https, or to a login page. */
function sentElsewhere(status: number, location: string): BlockhubError {
  const { origin, pathname } = URL.canParse(location) ? new URL(location) : { origin: '', pathname: location.split('?')[0] };
  const to = `${origin}${pathname}`.slice(0, 200);
  return invalidUrl(storeUserinfo, 'host', `the server redirects all requests (status ${status}) to ${to}: write that address`);
}

export const noBucket = (bucket: string): BlockhubError =>
  new BlockhubError('STORE_NOT_FOUND', `there is no bucket ${bucket}: create it, or correct the URL`, {
    details: { bucket },
    fix: `Create the bucket ${bucket}, or correct its name in the store URL. If a proxy stands before the store and the bucket lies below a path, name that path with ?basePath=.`,
  });

/** In seconds. Stores do not use the form with a date. */
const readRetryAfter = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,6}$/.test(text) ? Number(text) * 1000 : undefined;
