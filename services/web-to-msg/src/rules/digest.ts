import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { readHex } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import { parseDictionary } from 'structured-headers';
import { quoteRedacted } from '../quote-redacted.ts';
import type { Head, MakeRule } from './rule.ts';

interface DeclaredDigest {
  readonly header: string;
  readonly algorithm: string;
  readonly digest: Buffer;
}

/**
 * RFC 9530, 5. Weak algorithms are checked too, because they detect damage. Unknown algorithms are
 * ignored, but their digests must be bytes.
 */
const algorithms: Readonly<Record<string, string>> = { 'sha-512': 'sha512', 'sha-256': 'sha256', sha: 'sha1', md5: 'md5' };
const bytesOf: Readonly<Record<string, number>> = { sha512: 64, sha256: 32, sha1: 20, md5: 16 };

/** A sender that declares a hash expects a check, so a malformed hash is refused too. */
const malformed = (header: string, form: string, value: string): BlockhubError =>
  new BlockhubError('REQUEST_INVALID', `The ${header} header is malformed: expected ${form}, got ${quoteRedacted(value)}.`);

/** Content-Digest and Repr-Digest: a dictionary of byte sequences (RFC 9651). */
function fromDictionary(header: string, value: string): DeclaredDigest[] {
  const bad = (): BlockhubError => malformed(header, 'sha-256=:BASE64:', value);
  let dictionary: ReturnType<typeof parseDictionary>;
  try {
    dictionary = parseDictionary(value);
  } catch {
    throw bad();
  }
  const declared: DeclaredDigest[] = [];
  for (const [name, [item]] of dictionary) {
    if (!(item instanceof ArrayBuffer || ArrayBuffer.isView(item))) throw bad();
    const algorithm = Object.hasOwn(algorithms, name) ? algorithms[name] : undefined;
    if (algorithm === undefined) continue;
    const digest = toBuffer(item);
    if (digest.length !== bytesOf[algorithm]) throw bad();
    declared.push({ header, algorithm, digest });
  }
  return declared;
}

const toBuffer = (bytes: ArrayBuffer | ArrayBufferView): Buffer =>
  bytes instanceof ArrayBuffer ? Buffer.from(bytes) : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Content-MD5 (RFC 1864): base64. */
function fromMd5(value: string): DeclaredDigest {
  if (!/^[A-Za-z0-9+/]{22}==$/.test(value)) throw malformed('Content-MD5', 'the base64 of 16 bytes', value);
  return { header: 'Content-MD5', algorithm: 'md5', digest: Buffer.from(value, 'base64') };
}

const hexAlgorithms: Readonly<Record<number, string>> = { 32: 'md5', 40: 'sha1', 64: 'sha256', 128: 'sha512' };

/** x-hash: hex. Its length gives the algorithm, and a label must fit it. */
function fromHex(value: string): DeclaredDigest {
  const { digits, label, wrong } = readHex(value);
  const algorithm = hexAlgorithms[digits.length];
  const fault =
    wrong ??
    (algorithm === undefined
      ? `has ${digits.length} hex digits`
      : label !== undefined && label !== algorithm && `has as many digits as ${algorithm}, but is called ${label}`);
  if (algorithm === undefined || fault) throw malformed('x-hash', `an MD5, SHA-1, SHA-256 or SHA-512 in hex; it ${fault}`, value);
  return { header: 'x-hash', algorithm, digest: Buffer.from(digits, 'hex') };
}

/** All declared hashes that can be checked. @throws REQUEST_INVALID */
function declaredDigests(headers: IncomingHttpHeaders): DeclaredDigest[] {
  // An empty header declares nothing.
  const one = (name: string): string | undefined => [headers[name] ?? []].flat().join(', ').trim() || undefined;
  const [content, repr] = [one('content-digest'), one('repr-digest')];
  const [md5, hex] = [onceOf(one('content-md5')), onceOf(one('x-hash'))];
  const ofRepresentation = repr === undefined ? [] : fromDictionary('Repr-Digest', repr);
  return [
    ...(content === undefined ? [] : fromDictionary('Content-Digest', content)),
    // A complete representation, with its coding, has the bytes of the body. A part has only some.
    ...(headers['content-range'] === undefined ? ofRepresentation : []),
    ...(md5 === undefined ? [] : [fromMd5(md5)]),
    ...(hex === undefined ? [] : [fromHex(hex)]),
  ];
}

/** Some proxies repeat a header. The same value twice is one value. */
function onceOf(value: string | undefined): string | undefined {
  const [first, ...others] = value?.split(',').map((part) => part.trim()) ?? [];
  return others.length > 0 && others.every((other) => other === first) ? first : value;
}

const declares = ({ headers }: Head): boolean =>
  headers['content-digest'] !== undefined ||
  headers['repr-digest'] !== undefined ||
  headers['content-md5'] !== undefined ||
  headers['x-hash'] !== undefined;

/** Checks each declared hash against the bytes as they were sent (CAP-8). */
export const digestRule: MakeRule = ({ settings }) => {
  if (!settings.verifyDigests) return undefined;
  return {
    name: 'digest',
    head(head) {
      try {
        if (declares(head)) declaredDigests(head.headers);
        return undefined;
      } catch (error) {
        return error as BlockhubError;
      }
    },
    body(head, body) {
      if (!declares(head)) return undefined;
      for (const { header, algorithm, digest } of declaredDigests(head.headers)) {
        if (!timingSafeEqual(createHash(algorithm).update(body).digest(), digest))
          return new BlockhubError('DIGEST_MISMATCH', `The ${algorithm} of the body differs from the one in the ${header} header.`, {
            details: { header, algorithm },
          });
      }
      return undefined;
    },
  };
};
