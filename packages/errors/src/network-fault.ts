import { type Fault, type FaultKind, type FaultPlace, findFault, GOES_ON, type SystemError } from './fault.ts';

type Entry = readonly [FaultKind, what: string, fix: string];

/** The default for a server without texts of its own. */
const noTls = { on: 'turn TLS on', off: 'turn TLS off', ca: 'name the file of its authority (PEM)' };

const name: Entry = [
  'name',
  'the host name{host} does not exist',
  `Correct the host in {setting}, or add the name to DNS; in Kubernetes, a Service of another namespace needs its namespace in the name. ${GOES_ON}`,
];
const resolver: Entry = [
  'resolver',
  'no name server answered for the host name{host}',
  `Check the network and the name servers of this machine (/etc/resolv.conf; in Kubernetes, CoreDNS, and whether a NetworkPolicy lets port 53 through). ${GOES_ON}`,
];
const cut: Entry = [
  'reset',
  'the connection was cut',
  `See the log of the server and what stands in between (proxy, load balancer, firewall). If every connection is cut: check the port in {setting}, and that both sides or none speak TLS. ${GOES_ON}`,
];
const slow: Entry = [
  'timeout',
  'no answer came in time',
  `Check that the server is not overloaded, and that no firewall or NetworkPolicy drops packets on the way to the host and port in {setting}. ${GOES_ON}`,
];
const noRoute: Entry = [
  'unreachable',
  'there is no route to the address{host}',
  `Check the address in {setting}, the network of this machine, its routes and NetworkPolicies. ${GOES_ON}`,
];
const untrusted: Entry = [
  'certificate',
  'the certificate is signed by an authority that is not trusted here',
  'To trust it, {ca}. A server behind an intermediate authority has to send that certificate too.',
];
const wrongHost: Entry = [
  'certificate',
  'the certificate is for other names than the host in {setting}{names}',
  'Write a name in {setting} that the certificate has, or give the server a certificate for this one.',
];
const plainServer: Entry = ['protocol', 'the server does not speak TLS at this port', 'Correct the port in {setting}, or {off}.'];
const clientCertificate: Entry = [
  'certificate',
  'the server asks for a certificate of this process, or refuses the one that it has',
  'Give this process a certificate that the server trusts where {setting} takes one, or let the server not ask for any.',
];
const oldTls: Entry = [
  'protocol',
  'both sides have no version or cipher of TLS in common',
  'Let the server offer TLS 1.2 or newer with a usual cipher.',
];
const handles: Entry = [
  'descriptors',
  'this process may not open more connections',
  `Raise its limit of open files (ulimit -n, LimitNOFILE of systemd). ${GOES_ON}`,
];

const byCode: Readonly<Record<string, Entry>> = {
  ENOTFOUND: name,
  ENODATA: name,
  EAI_NODATA: name,
  EAI_NONAME: name,
  EAI_ADDRFAMILY: name,
  EAI_AGAIN: resolver,
  EAI_FAIL: resolver,
  ESERVFAIL: resolver,
  EREFUSED: resolver,
  ETIMEOUT: resolver,
  ECONNREFUSED: ['refused', 'nothing listens there{address}', `Start the server, or correct host and port in {setting}. ${GOES_ON}`],
  ECONNRESET: cut,
  ECONNABORTED: cut,
  EPIPE: cut,
  ETIMEDOUT: slow,
  ESOCKETTIMEDOUT: slow,
  EHOSTUNREACH: noRoute,
  ENETUNREACH: noRoute,
  ENETDOWN: noRoute,
  EHOSTDOWN: noRoute,
  EADDRNOTAVAIL: noRoute,
  EINVAL: noRoute,
  EACCES: [
    'denied',
    'the firewall of this machine forbids the connection',
    `Let this process connect to the host and port in {setting}. ${GOES_ON}`,
  ],
  EPERM: [
    'denied',
    'the firewall of this machine forbids the connection',
    `Let this process connect to the host and port in {setting}. ${GOES_ON}`,
  ],
  EMFILE: handles,
  ENFILE: handles,
  ENOBUFS: ['memory', 'the machine has no memory left for connections', `Give the machine more memory, or close connections. ${GOES_ON}`],
  ENOMEM: ['memory', 'the machine has no memory left for connections', `Give the machine more memory, or close connections. ${GOES_ON}`],
  CERT_HAS_EXPIRED: [
    'certificate',
    'the certificate of the server has expired',
    `Renew it at the server; if it is new, set the clock of this machine. ${GOES_ON}`,
  ],
  CERT_NOT_YET_VALID: [
    'certificate',
    'the certificate of the server is not valid yet',
    `Set the clocks of this machine and of the server, or wait until it is. ${GOES_ON}`,
  ],
  CERT_REVOKED: ['certificate', 'the certificate of the server was revoked', `Give the server another one. ${GOES_ON}`],
  DEPTH_ZERO_SELF_SIGNED_CERT: ['certificate', 'the certificate of the server is signed by itself', 'To trust it, {ca}.'],
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  UNABLE_TO_GET_ISSUER_CERT: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  CERT_UNTRUSTED: untrusted,
  INVALID_CA: untrusted,
  ERR_TLS_CERT_ALTNAME_INVALID: wrongHost,
  HOSTNAME_MISMATCH: wrongHost,
  IP_ADDRESS_MISMATCH: wrongHost,
  ERR_TLS_HANDSHAKE_TIMEOUT: ['protocol', 'the server did not answer the begin of TLS', plainServer[2]],
};

/** For whole families of words, the first that fits. */
const byForm: readonly (readonly [RegExp, Entry])[] = [
  [/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST|HTTPS_PROXY_REQUEST|UNKNOWN_PROTOCOL|RECORD_LAYER_FAILURE/, plainServer],
  [
    /ALERT_(?:CERTIFICATE_|BAD_CERTIFICATE|UNKNOWN_CA|UNSUPPORTED_CERTIFICATE|ACCESS_DENIED|NO_CERTIFICATE)|CERTIFICATE_REQUIRED/,
    clientCertificate,
  ],
  [
    /UNRECOGNIZED_NAME/,
    [
      'certificate',
      'the server has no certificate for the host in {setting}',
      'Correct that host, or give the server a certificate for it.',
    ],
  ],
  [
    /UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION|HANDSHAKE_FAILURE|NO_SHARED_CIPHER|NO_PROTOCOLS|INSUFFICIENT_SECURITY|TOO_SMALL|TOO_WEAK/,
    oldTls,
  ],
  [
    /^(?:CERT_|CRL_|UNABLE_TO_|ERROR_IN_CERT_|PATH_LENGTH_EXCEEDED|INVALID_PURPOSE|OUT_OF_MEM)/,
    ['certificate', 'the certificate of the server is not acceptable', 'Give the server a valid certificate.'],
  ],
  [
    /^(?:EPROTO$|ERR_SSL_|ERR_TLS_)/,
    ['protocol', 'TLS with the server fails', `See the log of the server; if it does not speak TLS, {off}.`],
  ],
  [/^HPE_/, ['protocol', 'the server does not speak HTTP at this port', 'Correct the port in {setting}; if the server speaks TLS, {on}.']],
];

/** OpenSSL's own word for an `EPROTO`: `wrong version number`. */
const opensslWord = /:([a-z0-9][a-z0-9 ]+):\.\.\/|reason: ?([a-z0-9 ]+)/i;

function entryOf(code: string, { message }: SystemError): Entry | undefined {
  if (Object.hasOwn(byCode, code)) return byCode[code];
  const reason = code === 'EPROTO' ? opensslWord.exec(String(message))?.slice(1).find(Boolean) : undefined;
  const word = reason === undefined ? code : reason.toUpperCase().replaceAll(' ', '_');
  return (byForm.find(([form]) => form.test(word)) ?? byForm.find(([form]) => form.test(code)))?.[1];
}

const MOST_NAMES = 200;

function ofNetwork(code: string, found: SystemError, { setting, tls = noTls }: FaultPlace): Fault | undefined {
  const entry = entryOf(code, found);
  if (!entry) return undefined;
  const { hostname, address, port, cert } = found;
  const said = typeof hostname === 'string' && hostname !== '' ? ` ${hostname}` : '';
  const at = typeof address === 'string' ? ` (${address.includes(':') ? `[${address}]` : address}:${port})` : '';
  const names = typeof cert?.subjectaltname === 'string' ? ` (it has ${cert.subjectaltname.slice(0, MOST_NAMES)})` : '';
  const values: Readonly<Record<string, string>> = { setting, host: said, address: at, names, ...tls };
  const fill = (text: string): string => text.replace(/\{(\w+)\}/g, (whole, field: string) => values[field] ?? whole);
  return { kind: entry[0], code, what: fill(entry[1]), fix: fill(entry[2]) };
}

/** What an error of a connection, a name or TLS means; undefined where it is none. */
export const networkFault = (error: unknown, place: FaultPlace): Fault | undefined =>
  findFault(error, (code, found) => ofNetwork(code, found, place));
