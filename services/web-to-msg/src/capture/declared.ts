import type { IncomingHttpHeaders } from 'node:http';
import { type Declared, readDeclared } from '@blockhub/media';

/** The type of a request without a Content-Type, or with an empty one (RFC 9110, 8.3). */
const OCTETS = 'application/octet-stream';

interface Headers {
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
}

/** All lines of the Content-Type header. Node's `headers` has only the first. */
export function contentTypes({ headers, rawHeaders }: Headers): string[] {
  const kept = headers['content-type'];
  if (kept === undefined) return [];
  const lines: string[] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string;
    if (name.length === 12 && name.toLowerCase() === 'content-type') lines.push(rawHeaders[at + 1] as string);
  }
  return lines.length > 0 ? lines : [kept];
}

/** For the meta. What cannot be read is absent; the request document has the headers as sent. */
export function declaredOf(request: Headers): Declared {
  const types = contentTypes(request);
  const { 'content-encoding': coding, 'content-language': language } = request.headers;
  const declared = readDeclared(types, coding, language?.toString());
  return types.every((type) => type.trim() === '') ? { mime: OCTETS, ...declared } : declared;
}
