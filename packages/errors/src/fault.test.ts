import { describe, expect, test } from '@jest/globals';
import { diskFault, type FaultKind, networkFault } from './index.ts';

const place = { setting: '--store', tls: { on: 'write ON', off: 'write OFF', ca: 'write ?ca=/ca.pem' } };
const raw = (code: string, more: object = {}): Error => Object.assign(new Error(`${code}: from the system`), { code, ...more });

describe('a fault of the disk', () => {
  test.each<[string, object, FaultKind, RegExp]>([
    ['ENOSPC', {}, 'full', /Free space.*df -i/],
    ['EDQUOT', {}, 'full', /quota/],
    ['EFBIG', {}, 'full', /ulimit -f/],
    ['EROFS', {}, 'read-only', /Mount it for reading and writing.*dmesg/],
    ['EACCES', {}, 'denied', /chown.*fsGroup.*SELinux/],
    ['EPERM', {}, 'denied', /chown/],
    ['EPERM', { syscall: 'link' }, 'file-system', /hard links/],
    ['ENOTSUP', {}, 'file-system', /hard links/],
    ['EMFILE', {}, 'descriptors', /ulimit -n/],
    ['ENFILE', {}, 'descriptors', /fs\.file-max/],
    ['ENOTDIR', {}, 'path', /path in --store/],
    ['EISDIR', {}, 'path', /path in --store/],
    ['ENAMETOOLONG', {}, 'path', /shorter path in --store/],
    ['ELOOP', {}, 'path', /links/],
    ['ENOENT', {}, 'path', /mount the disk/],
    ['EXDEV', {}, 'path', /one file system/],
    ['EIO', {}, 'disk', /dmesg/],
    ['ESTALE', {}, 'mount', /mount it again/],
    ['ENOTCONN', {}, 'mount', /mount it again/],
    ['EBUSY', {}, 'busy', /lsof/],
    ['ENOMEM', {}, 'memory', /memory/],
    ['Unknown system error -117', { errno: -117 }, 'disk', /fsck/],
    ['Unknown system error -122', { errno: -122 }, 'full', /quota/],
  ])('%s %o is %s', (code, more, kind, fix) => {
    const fault = diskFault(raw(code, more), place);
    expect(fault).toMatchObject({ kind, fix: expect.stringMatching(fix) });
    expect(`${fault?.what} ${fault?.fix}`).not.toMatch(/[{}]|\bundefined\b/);
  });

  test('of a cause counts too, and what the system did not report is none', () => {
    expect(diskFault(new Error('outer', { cause: raw('EROFS') }), place)).toMatchObject({ kind: 'read-only', code: 'EROFS' });
    for (const other of [undefined, null, 'ENOSPC', new Error('x'), raw('ERR_INVALID_ARG_TYPE'), raw('toString'), { code: 7 }])
      expect(diskFault(other, place)).toBeUndefined();
  });
});

const openssl = (reason: string): string =>
  `write EPROTO 00E8:error:0A00010B:SSL routines:tls_validate_record_header:${reason}:../deps/openssl/x.c:77:`;

describe('a fault of the network', () => {
  test.each<[string, object, FaultKind, RegExp, RegExp]>([
    ['ENOTFOUND', { hostname: 'minio.nowhere' }, 'name', /host name minio\.nowhere does not exist/, /--store.*DNS/],
    ['EAI_AGAIN', { hostname: 'minio' }, 'resolver', /no name server answered.*minio/, /resolv\.conf/],
    ['ECONNREFUSED', { address: '10.0.0.7', port: 9000 }, 'refused', /10\.0\.0\.7:9000/, /port in --store/],
    ['ECONNREFUSED', { address: '::1', port: 9000 }, 'refused', /\[::1\]:9000/, /port in --store/],
    ['ECONNRESET', {}, 'reset', /cut/, /TLS/],
    ['EPIPE', {}, 'reset', /cut/, /TLS/],
    ['ETIMEDOUT', {}, 'timeout', /in time/, /firewall/],
    ['EHOSTUNREACH', {}, 'unreachable', /no route/, /routes/],
    ['ENETUNREACH', {}, 'unreachable', /no route/, /routes/],
    ['EACCES', {}, 'denied', /firewall/, /--store/],
    ['EMFILE', {}, 'descriptors', /connections/, /ulimit -n/],
    ['CERT_HAS_EXPIRED', {}, 'certificate', /expired/, /Renew/],
    ['CERT_NOT_YET_VALID', {}, 'certificate', /not valid yet/, /clocks/],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', {}, 'certificate', /self-signed/, /\?ca=\/ca\.pem/],
    ['SELF_SIGNED_CERT_IN_CHAIN', {}, 'certificate', /not trusted/, /\?ca=\/ca\.pem/],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', {}, 'certificate', /not trusted/, /intermediate/],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', {}, 'certificate', /not trusted/, /\?ca=\/ca\.pem/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', { cert: { subjectaltname: 'DNS:a.example' } }, 'certificate', /DNS:a\.example/, /--store/],
    ['CERT_SIGNATURE_FAILURE', {}, 'certificate', /not acceptable/, /valid certificate/],
    ['ERR_SSL_WRONG_VERSION_NUMBER', {}, 'protocol', /does not speak TLS/, /write OFF/],
    ['ERR_SSL_PACKET_LENGTH_TOO_LONG', {}, 'protocol', /does not speak TLS/, /write OFF/],
    ['EPROTO', { message: openssl('wrong version number') }, 'protocol', /does not speak TLS/, /write OFF/],
    ['EPROTO', { message: openssl('tlsv13 alert certificate required') }, 'certificate', /requires a client certificate/, /--store/],
    ['EPROTO', { message: 'nothing more is known' }, 'protocol', /TLS with the server fails/, /write OFF/],
    ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', {}, 'protocol', /version or cipher/, /TLS 1\.2/],
    ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', {}, 'protocol', /version or cipher/, /TLS 1\.2/],
    ['ERR_SSL_TLSV1_UNRECOGNIZED_NAME', {}, 'certificate', /no certificate for/, /host/],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', {}, 'certificate', /requires a client certificate/, /--store/],
    ['HPE_INVALID_CONSTANT', {}, 'protocol', /does not speak HTTP/, /write ON/],
  ])('%s %o is %s', (code, more, kind, what, fix) => {
    const fault = networkFault(raw(code, more), place);
    expect(fault).toMatchObject({ kind, code, what: expect.stringMatching(what), fix: expect.stringMatching(fix) });
    expect(`${fault?.what} ${fault?.fix}`).not.toMatch(/[{}]|\bundefined\b/);
  });

  test('of several addresses is that of one of them', () => {
    const refused = ['::1', '127.0.0.1'].map((address) => raw('ECONNREFUSED', { address, port: 1 }));
    expect(networkFault(new AggregateError(refused, ''), { setting: '--broker' })).toMatchObject({ kind: 'refused' });
  });

  test('without ways of its own to turn TLS off still says what to do', () => {
    expect(networkFault(raw('ERR_SSL_WRONG_VERSION_NUMBER'), { setting: '--broker' })?.fix).toMatch(/--broker, or turn TLS off/);
  });

  test('is none if the network did not report it', () => {
    for (const other of [undefined, new Error('x'), raw('ERR_INVALID_URL'), raw('constructor')])
      expect(networkFault(other, place)).toBeUndefined();
  });
});
