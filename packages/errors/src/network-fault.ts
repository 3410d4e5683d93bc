import { type Fault, type FaultKind, type FaultPlace, findFault, GOES_ON, type SystemError } from './fault.ts';

type Entry = readonly [FaultKind, what: string, fix: string];

/** The texts for a server that has no others. */
const noTls = { on: 'turn TLS on', off: 'turn TLS off', ca: 'name the file of its authority (PEM)' };

const name: Entry = [
  'name',
  'the host name{host} does not exist',
  `Correct the host in {setting}, or add the name to DNS. In Kubernetes, the name of a Service in another namespace must contain that namespace. ${GOES_ON}`,
];
const resolver: Entry = [
  'resolver',
  'no name server answered for the host name{host}',
  `Check the network and the name servers of this machine (/etc/resolv.conf). In Kubernetes, check CoreDNS, and that NetworkPolicies allow port 53. ${GOES_ON}`,
];
const cut: Entry = [
  'reset',
  'the connection was cut',
  `Read the log of the server, and check what is in between (proxy, load balancer, firewall). If every connection is cut, check the port in {setting}, and that both sides use TLS or both do not. ${GOES_ON}`,
];
const slow: Entry = [
  'timeout',
  'there was no answer in time',
  `Check that the server is not overloaded, and that no firewall or NetworkPolicy drops packets on the way to the host and port in {setting}. ${GOES_ON}`,
];
const noRoute: Entry = [
  'unreachable',
  'there is no route to the address{host}',
  `Check the address in {setting}, the network of this machine, its routes and NetworkPolicies. ${GOES_ON}`,
];
const untrusted: Entry = [
  'certificate',
  'the certificate is signed by an authority that is not trusted',
  'To trust it, {ca}. If the authority is an intermediate one, the server must send its certificate too.',
];
const wrongHost: Entry = [
  'certificate',
  'the certificate is not for the host in {setting}{names}',
  'Use a host in {setting} that the certificate names, or give the server a certificate for this host.',
];
const plainServer: Entry = ['protocol', 'the server does not speak TLS at this port', 'Correct the port in {setting}, or {off}.'];
const clientCertificate: Entry = [
  'certificate',
  'the server requires a client certificate, or refuses the one of this process',
  'Add a certificate that the server trusts to {setting} if possible, or configure the server not to require one.',
];
const oldTls: Entry = [
  'protocol',
  'both sides have no TLS version or cipher in common',
  'Configure the server to offer TLS 1.2 or newer with a common cipher.',
];
const handles: Entry = [
  'descriptors',
  'this process has no file left for further connections',
  `Raise its limit of open files (ulimit -n, LimitNOFILE of systemd). ${GOES_ON}`,
];

const firewall: Entry = [
  'denied',
  'the firewall of this machine forbids the connection',
  `Allow connections to the host and port in {setting}. ${GOES_ON}`,
];
const noMemory: Entry = [
  'memory',
  'the machine has no memory left for connections',
  `Give the machine more memory, or close connections. ${GOES_ON}`,
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
  ECONNREFUSED: [
    'refused',
    'nothing listens at the address{address}',
    `Start the server, or correct host and port in {setting}. ${GOES_ON}`,
  ],
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
  EACCES: firewall,
  EPERM: firewall,
  EMFILE: handles,
  ENFILE: handles,
  ENOBUFS: noMemory,
  ENOMEM: noMemory,
  CERT_HAS_EXPIRED: [
    'certificate',
    'the certificate of the server has expired',
    `Renew the certificate. If it is new, correct the clock of this machine. ${GOES_ON}`,
  ],
  CERT_NOT_YET_VALID: [
    'certificate',
    'the certificate of the server is not valid yet',
    `Correct the clocks of this machine and of the server, or wait until the certificate is valid. ${GOES_ON}`,
  ],
  CERT_REVOKED: ['certificate', 'the certificate of the server was revoked', `Give the server another certificate. ${GOES_ON}`],
  DEPTH_ZERO_SELF_SIGNED_CERT: ['certificate', 'the certificate of the server is self-signed', 'To trust it, {ca}.'],
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  UNABLE_TO_GET_ISSUER_CERT: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  CERT_UNTRUSTED: untrusted,
  INVALID_CA: untrusted,
  ERR_TLS_CERT_ALTNAME_INVALID: wrongHost,
  HOSTNAME_MISMATCH: wrongHost,
  IP_ADDRESS_MISMATCH: wrongHost,
  ERR_TLS_HANDSHAKE_TIMEOUT: ['protocol', 'the server did not answer the TLS handshake', plainServer[2]],
};

/** Families of codes. The first expression that matches counts. */
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
      'Correct the host, or give the server a certificate for it.',
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
    ['protocol', 'TLS with the server fails', 'Read the log of the server. If it does not speak TLS, {off}.'],
  ],
  [/^HPE_/, ['protocol', 'the server does not speak HTTP at this port', 'Correct the port in {setting}. If the server speaks TLS, {on}.']],
];

/** The reason that OpenSSL gives for an `EPROTO`, such as `wrong version number`. */
const opensslReason = /:([a-z0-9][a-z0-9 ]+):\.\.\/|reason: ?([a-z0-9 ]+)/i;

function entryOf(code: string, { message }: SystemError): Entry | undefined {
  if (Object.hasOwn(byCode, code)) return byCode[code];
  const reason = code === 'EPROTO' ? opensslReason.exec(String(message))?.slice(1).find(Boolean) : undefined;
  const word = reason === undefined ? code : reason.toUpperCase().replaceAll(' ', '_');
  return (byForm.find(([form]) => form.test(word)) ?? byForm.find(([form]) => form.test(code)))?.[1];
}

const MOST_NAMES = 200;

function ofNetwork(code: string, found: SystemError, { setting, tls = noTls }: FaultPlace): Fault | undefined {
  const entry = entryOf(code, found);
  if (!entry) return undefined;
  const { hostname, address, port, cert } = found;
  const named = typeof hostname === 'string' && hostname !== '' ? ` ${hostname}` : '';
  const at = typeof address === 'string' ? ` (${address.includes(':') ? `[${address}]` : address}:${port})` : '';
  const names = typeof cert?.subjectaltname === 'string' ? ` (it has ${cert.subjectaltname.slice(0, MOST_NAMES)})` : '';
  const values: Readonly<Record<string, string>> = { setting, host: named, address: at, names, ...tls };
  const fill = (text: string): string => text.replace(/\{(\w+)\}/g, (whole, field: string) => values[field] ?? whole);
  return { kind: entry[0], code, what: fill(entry[1]), fix: fill(entry[2]) };
}

/** Explains an error of a connection, a host name or TLS; undefined for any other error. */
export const networkFault = (error: unknown, place: FaultPlace): Fault | undefined =>
  findFault(error, (code, found) => ofNetwork(code, found, place));
