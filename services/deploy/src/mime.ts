import { BlockhubError } from '@blockhub/errors';
import type { Message } from '@blockhub/message';

/** Throws OBJECT_INVALID_MIME where the type is not allowed. */
export type MimeCheck = (message: Pick<Message, 'meta'>) => void;

/** A check for a list of types such as `text/plain` or `image/*`; an empty list allows all. */
export function mimeCheck(allowed: readonly string[]): MimeCheck {
  if (allowed.length === 0) return () => {};
  const types = new Set(allowed.map((type) => type.toLowerCase()));
  return ({ meta }) => {
    const [type = ''] = String(meta.mime ?? '')
      .toLowerCase()
      .split(';', 1);
    const name = type.trim();
    if (types.has(name) || types.has(`${name.split('/', 1)[0]}/*`)) return;
    throw new BlockhubError('OBJECT_INVALID_MIME', `the MIME type ${JSON.stringify(name.slice(0, 100))} is not allowed`, {
      details: { path: 'msg.meta.mime' },
    });
  };
}
