import { BlockhubError } from '@blockhub/errors';
import { declaredMime } from '../mime.ts';
import { countHeader } from './headers.ts';
import type { MakeRule, Verdict } from './rule.ts';

const PATTERN = /^(?:\*\/\*|[!#$%&'+.^_`|~0-9a-z-]+\/(?:\*|[!#$%&'+.^_`|~0-9a-z-]+))$/;
/** What the first bytes of any format lie in; more is not looked at, so that the cost of a body is bounded. */
const SNIFFED_BYTES = 4100;
const HTML = /^\s*(?:<!doctype\s+html|<html|<head|<body|<script)[\s>]/i;
const SVG = /^\s*(?:<\?xml[^>]{0,200}\?>\s*)?(?:<!--[^>]{0,200}-->\s*)?<svg[\s>]/i;

/** MIME types and whole families of them, such as `text/plain` or `image/*`. */
class MimeSet {
  readonly #types = new Set<string>();

  constructor(patterns: readonly string[], mistake: (what: string) => void) {
    for (const pattern of patterns) {
      const type = pattern.toLowerCase();
      if (!PATTERN.test(type)) mistake(`${JSON.stringify(pattern.slice(0, 100))} is no MIME type: write text/plain or image/*`);
      this.#types.add(type);
    }
  }

  has(mime: string): boolean {
    return this.#types.has(mime) || this.#types.has(`${mime.split('/', 1)[0]}/*`) || this.#types.has('*/*');
  }
}

/**
 * Which types are taken (CAP-7): the declared one before the body is read, the sniffed one behind it. The sniffed type is that of the bytes as
 * sent, so a compressed body is what its compression is.
 */
export const mimeRule: MakeRule = ({ settings, mistake }) => {
  const { allowMimes, blockMimes, sniffMimes } = settings;
  if (allowMimes.length === 0 && blockMimes.length === 0 && !sniffMimes) return undefined;
  const allowed = new MimeSet(allowMimes, (what) => mistake('allowMimes', what));
  const blocked = new MimeSet(blockMimes, (what) => mistake('blockMimes', what));
  const check = (mime: string, which: 'declared' | 'sniffed'): Verdict =>
    blocked.has(mime) || (allowMimes.length > 0 && !allowed.has(mime))
      ? new BlockhubError('OBJECT_INVALID_MIME', `The ${which} MIME type ${mime} is not taken.`, { details: { mime, which } })
      : undefined;
  return {
    name: 'mime',
    head(head) {
      // Node keeps the first of several, a proxy before it may have kept the last.
      if (countHeader(head, 'content-type') > 1) return new BlockhubError('REQUEST_INVALID', 'There is more than one Content-Type header.');
      return check(declaredMime(head.headers['content-type']), 'declared');
    },
    async body({ headers }, body) {
      const sniffed = await sniff(body);
      if (sniffed === undefined) return undefined;
      const declared = declaredMime(headers['content-type']);
      const encoded = (headers['content-encoding'] ?? 'identity').toLowerCase() !== 'identity';
      const differs = sniffed !== declared && declared !== 'application/octet-stream' && !encoded;
      return check(sniffed, 'sniffed') ?? { sniffed, ...(differs ? { mimeMismatch: true } : {}) };
    },
  };
};

/** The type that the first bytes show; undefined for text and for what nobody knows. */
async function sniff(body: Buffer): Promise<string | undefined> {
  const start = body.subarray(0, SNIFFED_BYTES);
  const { fileTypeFromBuffer } = await import('file-type');
  // What a reader of formats makes of bytes that were cut, or made to break it, is no knowledge.
  const known = await fileTypeFromBuffer(start).catch(() => undefined);
  if (known && known.mime !== 'application/xml') return known.mime.split(';', 1)[0];
  const text = start.toString('latin1').replace(/^\u00ef\u00bb\u00bf/, '');
  if (HTML.test(text)) return 'text/html';
  return SVG.test(text) ? 'image/svg+xml' : known?.mime;
}
