import { queues, type Template } from '@blockhub/message';
import { setting } from '@blockhub/settings';
import { type Context, commonSettings } from '@blockhub/worker';
import type { MimeCheck } from './mime.ts';

export const settings = {
  partitions: commonSettings.partitions,
  // No defaults: with a misspelt variable deploy would take wrong messages or publish nothing.
  in: setting.text({ text: 'Queue to take from.', required: true, example: queues.ingress.name }),
  key: setting.text({
    text: 'Template of the object key of a body. If it is not set, the key is `blobs/{sha256}.blob`.',
    example: 'blocks/{msg.meta.block}.block',
  }),
  out: setting.text({
    text: 'Template of the queue for receipts or messages, see `body`. `none`: nothing is published.',
    required: true,
    example: 'blobs.deployed.{partition(msg.meta.chain)}',
  }),
  body: setting.choice({
    text: 'What is published. `receipt`: a list of receipts. `pass`: the message, with its body as it is stored.',
    of: ['receipt', 'pass'],
    default: 'receipt',
  }),
  rewrite: setting.flag({ text: 'Replace an object at the same key.', default: false }),
  identity: setting.choice({
    text: 'When a body counts as the object that is already at its key. `bytes`: all bytes are equal. `first-line`: the first lines are equal.',
    of: ['bytes', 'first-line'],
    default: 'bytes',
  }),
  readBack: setting.flag({ text: 'Read each object back after writing it.', default: false }),
  mime: setting.list({
    text: 'MIME types that are accepted. If it is not set, all are accepted.',
    default: [],
    restricts: true,
    example: 'text/plain,image/*',
  }),
  maxAhead: setting.duration({
    text: 'How far the time of an event may be ahead of the clock of this machine. If it is further ahead, the message is retried until that time. If that is more than a day, it becomes a dead letter.',
    default: '5m',
    // Event ids of a burst run up to 5 s ahead of their clock.
    min: 10_000,
  }),
  pack: setting.flag({ text: 'Write many small bodies into one object, a pack.', default: false }),
  packMessages: setting.integer({ text: 'Maximum number of bodies in a pack.', default: 1000, min: 1, max: 2000 }),
  packBytes: setting.size({ text: 'Maximum bytes of a pack.', default: '4mb', min: 1 }),
  packTtl: setting.duration({ text: 'How long a body waits for others of its pack.', default: '100ms', max: 60_000 }),
  packRest: setting.duration({
    text: 'Maximum wait for others if packs take long to write. The wait is then twice as long as the last pack took.',
    default: '1s',
    max: 60_000,
  }),
  ownObject: setting.size({ text: 'Bodies of this size or larger become objects of their own.', default: '256kb' }),
  prefetch: setting.integer({
    text: 'Maximum number of unsettled messages without packs. With packs it is twice `packMessages`.',
    default: 64,
    min: 1,
  }),
};

export interface State {
  /** If undefined, the key is made from the sha256. */
  readonly key: Template | undefined;
  /** If undefined, nothing is published. */
  readonly out: Template | undefined;
  readonly checkMime: MimeCheck;
}

export type DeployContext = Context<typeof settings, State>;
