import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { readHex } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import { parseDictionary } from 'structured-headers';
import { quoteRedacted } from '../quote.ts';
import type { Head, MakeRule } from './rule.ts';

/** A hash that a sender declared. */
interface Declared {
  readonly header: string;
  readonly algorithm: string;
  readonly digest: Buffer;
}

/** RFC 9530, section 5. Those that detect accidents only are checked as well: a difference is a damage all the same. Others are left alone, as it says, but no digest is anything else than bytes. */
const algorithms: Readonly<Record<string, string>> = { 'sha-512': 'sha512', 'sha-256': 'sha256', sha: 'sha1', md5: 'md5' };
const bytesOf: Readonly<Record<string, number>> = { sha512: 64, sha256: 32, sha1: 20, md5: 16 };

/** One decision for all of these headers: a sender who declares a hash wants it checked, so one that cannot be read is refused as a wrong one is. */
const malformed = (header: string, form: string, value: string): BlockhubError =>
  new BlockhubError('REQUEST_INVALID', `The ${header} header is malformed: expected ${form}, got ${quoteRedacted(value)}.`);

/** Content-Digest and Repr-Digest: a dictionary of byte sequences (RFC 9651). */
function fromDictionary(header: string, value: string): Declared[] {
  const bad = (): BlockhubError => malformed(header, 'sha-256=:BASE64:', value);
  let dictionary: ReturnType<typeof parseDictionary>;
  try {
    dictionary = parseDictionary(value);
  } catch {
    throw bad();
  }
  const declared: Declared[] = [];
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
function fromMd5(value: string): Declared {
  if (!/^[A-Za-z0-9+/]{22}==$/.test(value)) throw malformed('Content-MD5', 'the base64 of 16 bytes', value);
  return { header: 'Content-MD5', algorithm: 'md5', digest: Buffer.from(value, 'base64') };
}

const hexAlgorithms: Readonly<Record<number, string>> = { 32: 'md5', 40: 'sha1', 64: 'sha256', 128: 'sha512' };

/** x-hash: hex, in any spelling that `readHex` takes; the length says which hash, and a label must agree. */
function fromHex(value: string): Declared {
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

/** Every hash that a request declares and that can be checked. @throws REQUEST_INVALID */
function declaredDigests(headers: IncomingHttpHeaders): Declared[] {
  // An empty one declares nothing.
  const one = (name: string): string | undefined => [headers[name] ?? []].flat().join(', ').trim() || undefined;
  const [content, repr] = [one('content-digest'), one('repr-digest')];
  const [md5, hex] = [onceOf(one('content-md5')), onceOf(one('x-hash'))];
  const ofRepresentation = repr === undefined ? [] : fromDictionary('Repr-Digest', repr);
  return [
    ...(content === undefined ? [] : fromDictionary('Content-Digest', content)),
    // The representation has its content coding on: sent whole, it is the very bytes of the body. A part of one cannot be compared with the whole.
    ...(headers['content-range'] === undefined ? ofRepresentation : []),
    ...(md5 === undefined ? [] : [fromMd5(md5)]),
    ...(hex === undefined ? [] : [fromHex(hex)]),
  ];
}

/** Some proxies write a line once more: the same value twice is that value. */
function onceOf(value: string | undefined): string | undefined {
  const [first, ...others] = value?.split(',').map((part) => part.trim()) ?? [];
  return others.length > 0 && others.every((other) => other === first) ? first : value;
}

const declares = ({ headers }: Head): boolean =>
  headers['content-digest'] !== undefined ||
  headers['repr-digest'] !== undefined ||
  headers['content-md5'] !== undefined ||
  headers['x-hash'] !== undefined;

/** A body is what its sender says it is (CAP-8): each declared hash is checked against the bytes as they were sent. */
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
          return new BlockhubError('DIGEST_MISMATCH', `The ${algorithm} of the body is not the one in ${header}.`, {
            details: { header, algorithm },
          });
      }
      return undefined;
    },
  };
};
