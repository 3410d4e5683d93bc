import { type Fault, GOES_ON, networkFault } from '@blockhub/errors';
import type { Advice, FailureClass } from '../driver.ts';
import type { S3Target } from './s3-url.ts';

/** The class is given only if the status of the answer does not decide it. */
type Entry = readonly [failure: FailureClass | undefined, what: string, fix: string];

const setting = '--store';
const keys = 'BLOCKHUB_STORE_ACCESS_KEY and BLOCKHUB_STORE_SECRET_KEY (or their _FILE variables, or where AWS tools look)';
const nothingToDo = `Nothing has to be done. ${GOES_ON}`;
const busy = [
  'the store limits the rate of requests',
  'Raise the request limit of the store, or lower ?connections= in the store URL. Services slow down by themselves.',
] as const;

/** By error codes of S3 servers, and by statuses for answers without a known code. */
const entries: readonly (readonly [codes: string, ...Entry])[] = [
  [
    'AccessDenied Forbidden Unauthorized AllAccessDisabled AccessControlListNotSupported 403',
    'denied',
    'the access key does not have the right to do this',
    'Allow the access key s3:GetObject, s3:PutObject and s3:ListBucket on the bucket {bucket}, and s3:DeleteObject below probe/. Check the policies of the bucket and of the user, rules that deny access, and the networks from which access is allowed.',
  ],
  [
    'InvalidAccessKeyId InvalidClientTokenId UnrecognizedClientException',
    'denied',
    'the store does not have this access key',
    `Correct ${keys}: the key was deleted, belongs to another store, or has a typing error.`,
  ],
  [
    'ExpiredToken InvalidToken TokenRefreshRequired',
    'denied',
    'the session of the access key has expired',
    'Get new session credentials, or use a key that does not expire.',
  ],
  [
    '401',
    'denied',
    'the store, or a proxy before it, requires other credentials',
    `Correct ${keys}. If a proxy before the store requires a login of its own, exempt these requests from it.`,
  ],
  [
    'AccountProblem NotSignedUp UserSuspended',
    'denied',
    'the account at the store cannot be used',
    'Ask the operator of the store about the account: it may be unpaid, locked or not signed up.',
  ],
  [
    'ObjectLocked InvalidRetentionPeriod',
    'denied',
    'the object is locked against changes',
    'Objects of chains are written once, so this hinders repairs only. To replace or remove the object, remove its lock, retention or legal hold first.',
  ],
  [
    'InvalidObjectState',
    'unusable',
    'the object lies in an archive',
    'Restore it. Remove the rules of the bucket {bucket} that move objects to an archive, because chains are read as a whole.',
  ],
  [
    'KMSNotConfigured KMS.DisabledException KMS.NotFoundException KMS.KMSInvalidStateException XMinioKMSKeyNotFoundException',
    'unusable',
    'the store cannot encrypt or decrypt with its key',
    'Repair the key (KMS) that the bucket {bucket} encrypts with, or allow its use.',
  ],
  [
    'QuotaExceeded XMinioAdminBucketQuotaExceeded',
    'full',
    'the quota is used up',
    `Raise the quota of the bucket {bucket} or of its account, or free space in it. ${GOES_ON}`,
  ],
  [
    'InsufficientStorage InsufficientCapacity XMinioStorageFull 507',
    'full',
    'the disks of the store are full',
    `Free space in the store, or add disks to it. ${GOES_ON}`,
  ],
  [
    'EntityTooLarge 413',
    'permanent',
    'the object is larger than the store, or a proxy before it, allows',
    'Raise the limit of request bodies at the proxy (nginx: client_max_body_size) or at the store, or write smaller packs.',
  ],
  [
    'MethodNotAllowed 405',
    'permanent',
    'the server does not accept this method',
    'Write the address of the S3 API in the store URL. A console or a web server may listen at this one.',
  ],
  ['411', 'permanent', 'a proxy before the store requires another form of requests', 'Set the proxy to forward requests unchanged.'],
  [
    '501',
    'permanent',
    'the server does not support a part of S3 that Blockhub requires',
    'Use a store that supports conditional writes (If-None-Match). `blockhub doctor store` tests them.',
  ],
  [
    'RequestTimeTooSkewed RequestExpired',
    'transient',
    'the clocks of this machine and of the store differ too much',
    `Synchronise the clocks of this machine and of the store (NTP). ${GOES_ON}`,
  ],
  ['429', 'transient', ...busy],
  ['ConditionalRequestConflict 409', 'transient', 'another write of the object is in progress', nothingToDo],
  ['OperationAborted', 'transient', 'another change of the bucket is in progress', nothingToDo],
  [
    'XAmzContentSHA256Mismatch BadDigest',
    'unknown',
    'the body was changed on the way',
    'Look for a proxy before the store that changes bodies.',
  ],
  [
    'RequestTimeout 408',
    'unknown',
    'the request reached the store too slowly',
    `Check the network and the proxies before the store. ${GOES_ON}`,
  ],
  [
    'SlowDown TooManyRequests TooManyRequestsException Throttling ThrottlingException RequestLimitExceeded BandwidthLimitExceeded ServiceUnavailable',
    undefined,
    ...busy,
  ],
  [
    'SlowDownRead SlowDownWrite XMinioReadQuorum XMinioWriteQuorum XMinioInsufficientReadQuorum XMinioInsufficientWriteQuorum',
    undefined,
    'too few disks or nodes of the store are available',
    `Restore the missing disks and nodes of the store. ${GOES_ON}`,
  ],
  ['XMinioServerNotInitialized', undefined, 'the store is still starting', `Wait until it has started; see its log. ${GOES_ON}`],
  [
    '502 504',
    undefined,
    'a proxy before the store cannot reach it',
    `Check whether the store runs, and see the log of the proxy. ${GOES_ON}`,
  ],
  [
    '503',
    undefined,
    'the store, or a proxy before it, accepts no requests at the moment',
    `See the state and the log of the store. ${GOES_ON}`,
  ],
];

const meanings = new Map<string, Entry>(
  entries.flatMap(([codes, ...entry]) => codes.split(' ').map((code): [string, Entry] => [code, entry])),
);
const broken: Entry = [undefined, 'the store failed', `See the log of the store. ${GOES_ON}`];

/** Names that the SDK gives to answers without an S3 error code. */
const wordless = /^(?:Unknown|UnknownError|Error|BadRequest|400|)$/;
const isLock = /\bWORM\b|object.?lock|legal hold|retention/i;
/** What TLS servers answer to plain HTTP: Go, nginx, Apache. */
const isPlain = /HTTP request (?:was sent )?to (?:an )?HTTPS|speaking plain HTTP to an SSL/i;

interface Answer {
  /** Its error code; empty if it has none. */
  readonly code: string;
  readonly status: number;
  readonly message: string;
}

export interface Meaning {
  readonly failure: FailureClass | undefined;
  readonly advice: Advice | undefined;
}

/** What the answer of a server means. If there is no class, the status decides. */
export function meaningOf({ code, status, message }: Answer, target: S3Target): Meaning {
  if (isPlain.test(message)) return { failure: 'unusable', advice: { what: 'the server speaks TLS at this port', fix: tlsOn } };
  if (code === 'SignatureDoesNotMatch') return { failure: 'denied', advice: signature(target) };
  if (status === 400 && wordless.test(code))
    return { failure: 'unusable', advice: { what: 'this is not the answer of an S3 store', fix: noS3 } };
  const ofStatus = meanings.get(String(status));
  const ofCode = isLock.test(message) && status < 500 ? meanings.get('ObjectLocked') : meanings.get(code);
  const entry = ofCode ?? ofStatus ?? (status >= 500 ? broken : undefined);
  return {
    failure: entry?.[0] ?? ofStatus?.[0],
    advice: entry && { what: entry[1], fix: entry[2].replaceAll('{bucket}', target.bucket) },
  };
}

function signature({ basePath, signBasePath }: S3Target): Advice {
  const path =
    basePath === ''
      ? 'and the path. If it removes a part of the path, name that part with ?basePath= in the store URL.'
      : `unchanged. If it ${signBasePath ? 'removes' : 'keeps'} the path ${basePath}, write &signBasePath=${signBasePath ? 'off' : 'on'} in the store URL.`;
  return {
    what: 'the signature does not match the secret key',
    fix: `Correct the secret key: ${keys}. If it is right, a proxy before the store changes what is signed. It must forward the header Host ${path}`,
  };
}

const noS3 =
  'Check host and port in --store: the S3 API must listen there. If the server speaks TLS at this port, remove ?tls=off from the store URL or write https:// in it.';
const tlsOn = 'Remove ?tls=off from the store URL, or write https:// instead of http://.';

export const wayFault = (error: unknown): Fault | undefined =>
  networkFault(error, {
    setting,
    tls: {
      on: 'remove ?tls=off from the store URL or write https:// in it',
      off: 'write ?tls=off or http:// in the store URL',
      ca: 'name the PEM file of its authority with ?ca=/path.pem in the store URL',
    },
  });

export const noCredentialsFix = `Set ${keys}.`;
