import { BlockhubError } from '@blockhub/errors';
import { type Declared, decode, decodeStart, knownCodings, MimeSet, sniff, unknownCoding } from '@blockhub/media';
import { contentTypes, declaredOf } from '../capture/declared.ts';
import { quoteRedacted } from '../quote-redacted.ts';
import type { Head, MakeRule, Rule, RuleContext, Verdict } from './rule.ts';
import { Semaphore } from './semaphore.ts';

/** Number of decoded bytes that are sniffed. */
const START_BYTES = 64 * 1024;
/** Bodies decoded at a time. Each takes up to 16 MB and one of Node's threads, as files do. */
const DECODED_AT_ONCE = 2;

/**
 * Which MIME types are accepted (CAP-7). The declared type is checked before the body is read, the
 * sniffed type of the decoded bytes after it. If there is a list, a body whose type cannot be found
 * is refused: its declared type cannot be read, or its coding is unknown, broken or over a limit.
 */
export const mimeRule: MakeRule = (context) => {
  const { allowMimes, blockMimes, sniffMimes } = context.settings;
  if (allowMimes.length > 0 || blockMimes.length > 0) return listRule(context);
  if (!sniffMimes) return undefined;
  return {
    name: 'mime',
    async body(head, body) {
      const declared = declaredOf(head);
      return foundOf(declared, await sniffLoosely(declared, body));
    },
  };
};

function listRule({ settings, mistake }: RuleContext): Rule {
  const { allowMimes, blockMimes, decodeLimit: maxBytes, decodeRatio: maxRatio } = settings;
  const allowed = new MimeSet(allowMimes, (what) => mistake('allowMimes', what));
  const blocked = new MimeSet(blockMimes, (what) => mistake('blockMimes', what));
  const decoders = new Semaphore(DECODED_AT_ONCE);
  const check = (mime: string, which: 'declared' | 'sniffed'): Verdict =>
    blocked.has(mime) || (allowMimes.length > 0 && !allowed.has(mime))
      ? new BlockhubError('OBJECT_INVALID_MIME', `The ${which} MIME type ${mime} is not accepted.`, { details: { mime, which } })
      : undefined;
  return {
    name: 'mime',
    head(head) {
      const { mime, coding } = declaredOf(head);
      if (mime === undefined) return unreadable(head);
      const unknown = coding === undefined ? undefined : unknownCoding(coding);
      return check(mime, 'declared') ?? (unknown === undefined ? undefined : unknownIn(unknown));
    },
    async body(head, body) {
      const declared = declaredOf(head);
      const { coding } = declared;
      let start = body;
      try {
        if (coding !== undefined) start = await decoders.run(() => startOf(body, coding, { maxBytes, maxRatio }));
      } catch (error) {
        if (error instanceof BlockhubError) return error;
        throw error;
      }
      const sniffed = await sniff(start);
      return sniffed === undefined ? undefined : (check(sniffed, 'sniffed') ?? foundOf(declared, sniffed));
    },
  };
}

function unreadable(head: Head): BlockhubError {
  const given = contentTypes(head).map(quoteRedacted).join(' and ');
  return new BlockhubError(
    'OBJECT_INVALID_MIME',
    `The Content-Type header has no MIME type: expected one such as text/plain, got ${given}.`,
  );
}

const unknownIn = (coding: string): BlockhubError =>
  new BlockhubError(
    'CODING_UNKNOWN',
    `The type of the body cannot be checked: expected the content codings ${knownCodings.join(', ')}, got ${quoteRedacted(coding)}.`,
  );

/** Decodes the whole body, because the start of a decompression bomb may be good. */
async function startOf(body: Buffer, coding: string, caps: Parameters<typeof decode>[2]): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of decode(body, coding, caps)) {
    if (length < START_BYTES) pieces.push(piece);
    length += piece.length;
  }
  return Buffer.concat(pieces);
}

/** If nothing is refused, bytes that cannot be decoded are sniffed as they are. */
async function sniffLoosely({ coding }: Declared, body: Buffer): Promise<string | undefined> {
  if (coding === undefined) return sniff(body);
  const start = await decodeStart(body, coding, START_BYTES).catch(() => undefined);
  return sniff(start?.bytes ?? body);
}

function foundOf({ mime }: Declared, sniffed: string | undefined): Verdict {
  if (sniffed === undefined) return undefined;
  return { sniffed, ...(mime !== undefined && mime !== sniffed && mime !== 'application/octet-stream' ? { mimeMismatch: true } : {}) };
}
