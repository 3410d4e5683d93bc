import { BlockhubError } from '@blockhub/errors';
import type { FailureClass } from '../driver.ts';
import { invalidUrl } from '../invalid-url.ts';
import type { S3Place } from './s3-place.ts';

/** What a request came to. Holds nothing of the request itself: errors of the SDK carry the id of the key and what was signed. */
export class S3Failure extends Error {
  override readonly name = 'S3Failure';
  /** The server's word for it, such as `SlowDown`, or the system's, such as `ECONNRESET`. */
  readonly code: string;
  /** Of the HTTP answer, if there was one. */
  readonly status: number | undefined;
  readonly failure: FailureClass;
  /** How long the server asked to be left alone. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, { code, status, failure, retryAfterMs }: Omit<S3Failure, keyof Error>) {
    super(message);
    this.code = code;
    this.status = status;
    this.failure = failure;
    this.retryAfterMs = retryAfterMs;
  }
}

/** What an error of the SDK may have; which of it is there differs by kind and server. */
interface SdkError {
  readonly name?: string;
  readonly code?: unknown;
  readonly message?: string;
  readonly Region?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string };
  readonly $response?: { readonly headers?: Readonly<Record<string, string | undefined>> };
}

/** The word of the server decides, where it says more than the status. */
const byCode: Readonly<Record<string, FailureClass>> = {
  ConditionalRequestConflict: 'transient',
  OperationAborted: 'transient',
  // The SDK has learnt the server's time from the answer.
  RequestTimeTooSkewed: 'transient',
  RequestTimeout: 'unknown',
  QuotaExceeded: 'full',
  XMinioStorageFull: 'full',
  XMinioAdminBucketQuotaExceeded: 'full',
};

const byStatus: Readonly<Record<number, FailureClass>> = {
  401: 'denied',
  403: 'denied',
  408: 'unknown',
  409: 'transient',
  429: 'transient',
  501: 'permanent',
  507: 'full',
};

/** The request was never sent. */
const unsent = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);
const badTls = /^(?:EPROTO|ERR_SSL_|ERR_TLS_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH)/;
const noCredentials = new Set(['CredentialsProviderError', 'TokenProviderError']);

/** Gives an error of the SDK its meaning; mistakes in the code, and errors of ours, stay as they are. */
export function explain(error: unknown, place: S3Place): unknown {
  const { name = '', code, message = '', $metadata, $response, Region } = error as SdkError;
  const status = $metadata?.httpStatusCode;
  if (error instanceof BlockhubError || error instanceof S3Failure) return error;
  if (status !== undefined) {
    const wrong = wrongPlace(name, status, place, Region ?? $response?.headers?.['x-amz-bucket-region']);
    if (wrong) return wrong;
    const failure = byCode[name] ?? byStatus[status] ?? (status >= 500 ? 'unknown' : 'permanent');
    const request = $metadata?.requestId === undefined ? '' : `, request ${$metadata.requestId}`;
    const said = message === '' || message === name ? '' : `: ${message}`;
    const retryAfterMs = readRetryAfter($response?.headers?.['retry-after']);
    return new S3Failure(`${name} (status ${status}${request})${said}`, { code: name, status, failure, retryAfterMs });
  }
  if (noCredentials.has(name)) return refusal(name, `no credentials are found: ${message}; ${credentialsFix}`);
  if (typeof code === 'string' && badTls.test(code)) return refusal(code, `TLS with ${place.endpoint ?? 'AWS'} fails: ${code}; ${tlsFix}`);
  if (typeof code !== 'string' && name !== 'TimeoutError' && name !== 'AbortError') return error;
  const word = typeof code === 'string' ? code : name;
  const failure = unsent.has(word) ? 'transient' : 'unknown';
  return new S3Failure(message === '' ? word : message, { code: word, status, failure, retryAfterMs: undefined });
}

const credentialsFix = 'set BLOCKHUB_STORE_ACCESS_KEY and BLOCKHUB_STORE_SECRET_KEY, or those with _FILE, or what AWS tools read';
const tlsFix = 'name the file of its authority by ?ca=/path.pem, or turn TLS off by ?tls=off';

const refusal = (code: string, message: string): S3Failure =>
  new S3Failure(message, { code, status: undefined, failure: 'denied', retryAfterMs: undefined });

/** What only another URL, or a bucket, mends. */
function wrongPlace(name: string, status: number, { bucket, region }: S3Place, right: unknown): BlockhubError | undefined {
  if (name === 'NoSuchBucket') return noBucket(bucket);
  if (name !== 'AuthorizationHeaderMalformed' && name !== 'PermanentRedirect' && status !== 301) return undefined;
  const hint = typeof right === 'string' ? `write ?region=${right}` : 'name the right one by ?region=';
  return invalidUrl(`region ${region} is not that of bucket ${bucket}: ${hint}`);
}

export const noBucket = (bucket: string): BlockhubError =>
  new BlockhubError('STORE_NOT_FOUND', `there is no bucket ${bucket}; create it, or correct the URL`, { details: { bucket } });

/** Seconds; the form with a date is not in use among stores. */
const readRetryAfter = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,6}$/.test(text) ? Number(text) * 1000 : undefined;
