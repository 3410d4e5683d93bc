import { BlockhubError, quote } from '@blockhub/errors';
import { MimeSet } from '@blockhub/media';
import type { Message } from '@blockhub/message';

/** Throws OBJECT_INVALID_MIME if the type is not allowed. */
export type MimeCheck = (message: Pick<Message, 'meta'>) => void;

/** A check for a list of types such as `text/plain` or `image/*`; an empty list allows all. */
export function mimeCheck(allowed: readonly string[]): MimeCheck {
  if (allowed.length === 0) return () => {};
  const types = new MimeSet(allowed, (what) => {
    throw new BlockhubError('SETTINGS_INVALID', `--mime: ${what}`);
  });
  return ({ meta }) => {
    const [type = ''] = String(meta.mime ?? '')
      .toLowerCase()
      .split(';', 1);
    const name = type.trim();
    if (name !== '' && types.has(name)) return;
    const what = name === '' ? 'the message has no MIME type' : `the MIME type ${quote(name)} is not allowed`;
    throw new BlockhubError('OBJECT_INVALID_MIME', what, { details: { path: 'msg.meta.mime' } });
  };
}
