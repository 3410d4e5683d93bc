import { type Fault, GOES_ON, networkFault } from '@blockhub/errors';
import type { Advice, FailureClass } from '../driver.ts';
import type { S3Target } from './s3-url.ts';

/** What a word of the server means; the class only where it says more than the status of the answer. */
type Entry = readonly [FailureClass | undefined, what: string, fix: string];

const setting = '--store';
const keys = 'BLOCKHUB_STORE_ACCESS_KEY and BLOCKHUB_STORE_SECRET_KEY (or those with _FILE, or where AWS tools look)';

const rights: Entry = [
  'denied',
  'this access key may not do that',
  'Allow this access key s3:GetObject, s3:PutObject and s3:ListBucket on the bucket {bucket}, and s3:DeleteObject below probe/. Look at policies of the bucket and of the user, at rules that deny, and at networks from which access is allowed.',
];
const unknownKey: Entry = [
  'denied',
  'the store does not know this access key',
  `Correct ${keys}: the key was deleted, belongs to another store, or has a typing error.`,
];
const expired: Entry = [
  'denied',
  'the session of this access key is over',
  'Get new credentials of a session, or use a key that does not expire.',
];
const clock: Entry = [
  undefined,
  'the clocks of this machine and of the store differ too much',
  `Set the clock of this machine, and of the store, by NTP. ${GOES_ON}`,
];
const busy: Entry = [
  undefined,
  'the store asks for fewer requests',
  'Raise its limit of requests, or lower ?connections= in the store URL. Services slow down by themselves.',
];
const fullDisk: Entry = ['full', 'the disks of the store are full', `Free space in the store, or add disks to it. ${GOES_ON}`];
const quota: Entry = [
  'full',
  'the quota is used up',
  `Raise the quota of the bucket {bucket} or of its account, or free space in it. ${GOES_ON}`,
];
const quorum: Entry = [
  undefined,
  'too few disks or nodes of the store are available',
  `Bring back the disks and nodes of the store that are away. ${GOES_ON}`,
];
const locked: Entry = [
  'denied',
  'the object is locked against changes',
  'Objects of chains are written once, so this hinders repairs only. To replace or remove the object, take its lock, retention or legal hold off first.',
];
const archived: Entry = [
  'unusable',
  'the object lies in an archive',
  'Restore it, and take rules off the bucket {bucket} that move objects to an archive: chains are read as a whole.',
];
const encryption: Entry = [
  'unusable',
  'the store cannot encrypt or decrypt with its key',
  'Repair or allow the key (KMS) that the bucket {bucket} encrypts with.',
];
const account: Entry = [
  'denied',
  'the account at the store is not in order',
  'Ask the operator of the store about the account: it may be unpaid, locked or not signed up.',
];
const starting: Entry = [undefined, 'the store is still starting', `Wait until it has started; see its log. ${GOES_ON}`];
const tooLarge: Entry = [
  'permanent',
  'the object is larger than is allowed on the way',
  'Raise the limit of bodies at the proxy before the store (nginx: client_max_body_size) or at the store, or write smaller packs.',
];

const byCode: Readonly<Record<string, Entry>> = {
  AccessDenied: rights,
  Forbidden: rights,
  Unauthorized: rights,
  AllAccessDisabled: rights,
  MethodNotAllowed: [
    'permanent',
    'the server does not take this method',
    'Name the S3 API of the store: its console, or a web server, may listen at this address.',
  ],
  InvalidAccessKeyId: unknownKey,
  InvalidClientTokenId: unknownKey,
  UnrecognizedClientException: unknownKey,
  XAmzContentSHA256Mismatch: ['unknown', 'the body was changed on the way', 'Look for a proxy before the store that changes bodies.'],
  BadDigest: ['unknown', 'the body was changed on the way', 'Look for a proxy before the store that changes bodies.'],
  ExpiredToken: expired,
  InvalidToken: expired,
  TokenRefreshRequired: expired,
  RequestTimeTooSkewed: ['transient', clock[1], clock[2]],
  RequestExpired: ['transient', clock[1], clock[2]],
  AccessControlListNotSupported: rights,
  AccountProblem: account,
  NotSignedUp: account,
  UserSuspended: account,
  SlowDown: busy,
  SlowDownRead: quorum,
  SlowDownWrite: quorum,
  TooManyRequests: busy,
  TooManyRequestsException: busy,
  Throttling: busy,
  ThrottlingException: busy,
  RequestLimitExceeded: busy,
  BandwidthLimitExceeded: busy,
  ServiceUnavailable: busy,
  QuotaExceeded: quota,
  XMinioAdminBucketQuotaExceeded: quota,
  InsufficientStorage: fullDisk,
  InsufficientCapacity: fullDisk,
  XMinioStorageFull: fullDisk,
  XMinioServerNotInitialized: starting,
  XMinioReadQuorum: quorum,
  XMinioWriteQuorum: quorum,
  XMinioInsufficientReadQuorum: quorum,
  XMinioInsufficientWriteQuorum: quorum,
  ObjectLocked: locked,
  InvalidRetentionPeriod: locked,
  InvalidObjectState: archived,
  KMSNotConfigured: encryption,
  'KMS.DisabledException': encryption,
  'KMS.NotFoundException': encryption,
  'KMS.KMSInvalidStateException': encryption,
  XMinioKMSKeyNotFoundException: encryption,
  EntityTooLarge: tooLarge,
  ConditionalRequestConflict: ['transient', 'another write of the object is under way', `Nothing has to be done. ${GOES_ON}`],
  OperationAborted: ['transient', 'another change of the bucket is under way', `Nothing has to be done. ${GOES_ON}`],
  RequestTimeout: [
    'unknown',
    'the request reached the store too slowly',
    `Look at the network and at proxies before the store. ${GOES_ON}`,
  ],
};

/** Names that the SDK gives to answers which have no word of S3. */
const wordless = /^(?:Unknown|UnknownError|Error|BadRequest|400|)$/;

/** For answers without a word, such as those to HEAD, and with one that is not known. */
const byStatus: Readonly<Record<number, Entry>> = {
  401: [
    'denied',
    'the store, or a proxy before it, wants other credentials',
    `Correct ${keys}. If a proxy before the store asks for a login of its own, let it pass these requests.`,
  ],
  403: ['denied', rights[1], rights[2]],
  405: byCode.MethodNotAllowed as Entry,
  408: ['unknown', 'the request reached the store too slowly', `Look at the network and at proxies before the store. ${GOES_ON}`],
  409: ['transient', 'another write is under way', `Nothing has to be done. ${GOES_ON}`],
  411: ['permanent', 'a proxy before the store wants another form of requests', 'Let the proxy pass requests on as they are.'],
  413: tooLarge,
  429: ['transient', busy[1], busy[2]],
  501: [
    'permanent',
    'the server lacks a part of S3 that Blockhub needs',
    'Use a store that knows conditional writes (If-None-Match); `blockhub doctor store` tries them out.',
  ],
  502: [undefined, 'a proxy before the store does not reach it', `See whether the store runs, and the log of the proxy. ${GOES_ON}`],
  503: [undefined, 'the store, or a proxy before it, takes no requests now', `See the state and the log of the store. ${GOES_ON}`],
  504: [undefined, 'a proxy before the store does not reach it', `See whether the store runs, and the log of the proxy. ${GOES_ON}`],
  507: fullDisk,
};

const broken: Entry = [undefined, 'the store failed', `See the log of the store. ${GOES_ON}`];
const isLock = /\bWORM\b|object.?lock|legal hold|retention/i;
/** What servers that speak TLS answer to plain HTTP: Go, nginx, Apache. */
const isPlain = /HTTP request (?:was sent )?to (?:an )?HTTPS|speaking plain HTTP to an SSL/i;

/** An answer of a server. */
interface Answer {
  /** Its word for what happened; empty where it has none. */
  readonly code: string;
  readonly status: number;
  readonly message: string;
}

export interface Meaning {
  readonly failure: FailureClass | undefined;
  readonly advice: Advice | undefined;
}

/** What the answer of a server means; without a class its status decides. */
export function meaningOf({ code, status, message }: Answer, target: S3Target): Meaning {
  if (isPlain.test(message)) return { failure: 'unusable', advice: { what: 'the server speaks TLS at this port', fix: tlsOn } };
  if (code === 'SignatureDoesNotMatch') return { failure: 'denied', advice: signature(target) };
  if (status === 400 && wordless.test(code))
    return { failure: 'unusable', advice: { what: 'this is not the answer of an S3 store', fix: noS3 } };
  const ofCode = Object.hasOwn(byCode, code) ? byCode[code] : undefined;
  const entry = isLock.test(message) && status < 500 ? locked : (ofCode ?? byStatus[status] ?? (status >= 500 ? broken : undefined));
  return {
    failure: entry?.[0] ?? byStatus[status]?.[0],
    advice: entry && { what: entry[1], fix: entry[2].replaceAll('{bucket}', target.bucket) },
  };
}

function signature({ basePath, signBasePath }: S3Target): Advice {
  const base =
    basePath === ''
      ? ''
      : ` With ?basePath=${basePath} the proxy may ${signBasePath ? 'take that path off before' : 'leave that path on when'} the store checks the signature: try &signBasePath=${signBasePath ? 'off' : 'on'}.`;
  const path = basePath === '' ? ', and the path; if it takes a part of the path off, name that part by ?basePath= in the store URL' : '';
  return {
    what: 'the signature does not fit the secret key',
    fix: `Correct the secret key: ${keys}. If it is right, a proxy before the store changes what is signed: it must pass on the header Host${path}.${base}`,
  };
}

const noS3 =
  'Check host and port in --store: the S3 API must listen there. If the server speaks TLS at this port, take ?tls=off out of the store URL or write https:// in it.';
const tlsOn = 'Take ?tls=off out of the store URL, or write https:// instead of http://.';

/** What an error of the way to the server means. */
export const wayFault = (error: unknown): Fault | undefined =>
  networkFault(error, {
    setting,
    tls: {
      on: 'take ?tls=off out of the store URL or write https:// in it',
      off: 'write ?tls=off or http:// in the store URL',
      ca: 'name the file of its authority (PEM) by ?ca=/path.pem in the store URL',
    },
  });

export const noCredentialsFix = `Set ${keys}.`;
