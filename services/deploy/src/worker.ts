import { blobKey, hashOf } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import { type Message, template } from '@blockhub/message';
import { defineWorker, done, type Outcome } from '@blockhub/worker';
import { deployCaptures } from './captures.ts';
import { keep } from './keep.ts';
import { mimeCheck } from './mime.ts';
import { type DeployContext, type State, settings } from './settings.ts';

/** The value of `out` for no messages. */
const NOWHERE = 'none';

export const worker = defineWorker({
  name: 'deploy',
  summary: 'Writes message bodies to the store, packed or one by one, and publishes receipts.',
  settings,
  needs: ['store'],
  takes: ({ in: queue, pack, packMessages, packBytes, packTtl, packRest, prefetch }) => [
    pack
      ? { queue, prefetch: 2 * packMessages, batch: { max: packMessages, maxBytes: packBytes, ttlMs: packTtl, mostTtlMs: packRest } }
      : { queue, prefetch },
  ],
  gives: ({ out }) => (out === NOWHERE ? [] : [out]),
  setup: ({ settings: { key, out, mime, body, pack } }): State => {
    if (pack && body === 'pass')
      throw new BlockhubError('SETTINGS_INVALID', '--pack publishes receipts, so it cannot be used with --body pass');
    return {
      key: key === undefined ? undefined : template(key),
      out: out === NOWHERE ? undefined : template(out),
      checkMime: mimeCheck(mime),
    };
  },
  handle: async (message, context) => {
    if (context.settings.body === 'pass') return passOn(message, context);
    const [outcome] = await deployCaptures([message], context);
    return outcome;
  },
  handleBatch: (messages, context) => deployCaptures(messages, context),
});

async function passOn(message: Message, { settings, state, store }: DeployContext): Promise<Outcome> {
  state.checkMime(message);
  const key = state.key?.key(message) ?? blobKey(hashOf('sha256', message.body));
  const body = await keep(store, key, message.body, settings);
  if (!state.out) return done();
  const meta =
    body === message.body ? message.meta : { ...message.meta, length: body.length, crypt: 'sha256', hash: hashOf('sha256', body) };
  return done([{ queue: state.out.queue(message, settings), id: message.id, meta, body }]);
}
