import { BlockhubError } from '@blockhub/errors';

const MIME = /^[!#$%&'*+.^_`|~0-9a-z-]+\/[!#$%&'*+.^_`|~0-9a-z-]+$/;

/** The declared type, parsed strictly; parameters are dropped. @throws REQUEST_INVALID for a malformed one */
export function declaredMime(header: string | undefined): string {
  if (header === undefined || header === '') return 'application/octet-stream';
  const end = header.indexOf(';');
  const mime = (end < 0 ? header : header.slice(0, end)).replace(/^[ \t]+|[ \t]+$/g, '').toLowerCase();
  if (!MIME.test(mime) || mime.length > 127) throw new BlockhubError('REQUEST_INVALID', 'The Content-Type header is malformed.');
  return mime;
}
