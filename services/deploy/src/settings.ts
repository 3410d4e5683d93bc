import { queues, type Template } from '@blockhub/message';
import { setting } from '@blockhub/settings';
import { type Context, commonSettings } from '@blockhub/worker';
import type { MimeCheck } from './mime.ts';

export const settings = {
  partitions: commonSettings.partitions,
  // No defaults: beside a misspelt variable they would take another one's messages, or let messages end here that somebody waits for.
  in: setting.text({ text: 'Queue to take from.', required: true, example: queues.ingress.name }),
  key: setting.text({
    text: 'Template of the object key of a body; `blobs/{its sha256}.blob` without it.',
    example: 'blocks/{msg.meta.block}.block',
  }),
  out: setting.text({
    text: 'Template of the queue for what `body` says, or `none`: nothing is published.',
    required: true,
    example: 'blobs.deployed.{partition(msg.meta.chain)}',
  }),
  body: setting.choice({
    text: 'What is published: a list of receipts, or the message with its body as it lies in the store.',
    of: ['receipt', 'pass'],
    default: 'receipt',
  }),
  rewrite: setting.flag({ text: 'Replace what lies at the key.', default: false }),
  identity: setting.choice({
    text: 'What makes a body the same object as the one at its key.',
    of: ['bytes', 'first-line'],
    default: 'bytes',
  }),
  readBack: setting.flag({ text: 'Read each object back after writing it.', default: false }),
  mime: setting.list({
    text: 'MIME types that are taken. If it is not set, all are taken.',
    default: [],
    restricts: true,
    example: 'text/plain,image/*',
  }),
  maxAhead: setting.duration({
    text: 'How far the time of an event may lie ahead of the clock here; until then it waits, at most a day.',
    default: '5m',
    // Event ids of a burst run up to 5 s ahead of their clock.
    min: 10_000,
  }),
  pack: setting.flag({ text: 'Write many small bodies into one object.', default: false }),
  packMessages: setting.integer({ text: 'Most bodies of a pack.', default: 1000, min: 1, max: 2000 }),
  packBytes: setting.size({ text: 'Most bytes of a pack.', default: '4mb', min: 1 }),
  packTtl: setting.duration({ text: 'How long a body waits for others.', default: '100ms', max: 60_000 }),
  packRest: setting.duration({
    text: 'How long a body waits for others at most where packs take long to write: twice as long as the last one took.',
    default: '1s',
    max: 60_000,
  }),
  ownObject: setting.size({ text: 'Bodies from this size on are objects of their own.', default: '256kb' }),
  prefetch: setting.integer({ text: 'Most messages held at a time without packs; with packs, twice `packMessages`.', default: 64, min: 1 }),
};

/** Templates and checks, compiled once. */
export interface State {
  /** Undefined: by the sha256. */
  readonly key: Template | undefined;
  /** Undefined: nothing is published. */
  readonly out: Template | undefined;
  readonly checkMime: MimeCheck;
}

export type DeployContext = Context<typeof settings, State>;
