import { setting, type Values } from '@blockhub/settings';
import type { Context } from '@blockhub/worker';
import { ruleSettings } from './rules/settings.ts';

const table = setting.text({
  text: 'Route table, which maps paths to chains: a JSON file, or JSON text that begins with `[`. See docs/reference/routes.md.',
  placeholder: 'FILE|JSON',
  example: '/etc/blockhub/routes.json',
});
/** A table may have many lines. It may hold tokens, so its text is never shown. */
const routesSetting: typeof table = {
  ...table,
  parse: (raw) => (raw.trimStart().startsWith('[') ? raw : table.parse(raw)),
  format: (value) => (value?.trimStart().startsWith('[') ? `[${value.length} characters]` : String(value)),
};

export const settings = {
  host: setting.text({ text: 'Address to listen on.', default: '127.0.0.1', example: '0.0.0.0' }),
  port: setting.integer({ text: 'Port to listen on; 0 takes a free one.', default: 8080, min: 0, max: 65535 }),
  defaultChain: setting.text({ text: 'Chain that `POST /` appends to, by id or name.', default: 'default' }),
  bodyLimit: setting.size({ text: 'Largest body; over it the answer is 413.', default: '16mb' }),
  messageLimit: setting.size({ text: 'Larger bodies go to the store first and travel as a reference.', default: '1mb' }),
  inFlightLimit: setting.size({ text: 'Bytes of all bodies held at once; over it the answer is 503.', default: '64mb' }),
  maxConnections: setting.integer({
    text: 'Most open connections at a time. Further ones are closed at once. The limit of open files of the process may lower it.',
    default: 10_000,
    min: 1,
  }),
  confirmTimeout: setting.duration({
    text: 'How long a request may wait for the broker and the store. After that it is written to the spool (202). If there is no spool, the answer is 503.',
    default: '2s',
  }),
  spool: setting.text({
    text: 'Folder of this instance alone. A request that the broker does not take is written there, answered with 202 and sent later. If it is not set, the answer is 503.',
    example: '/var/lib/blockhub/spool',
  }),
  spoolTimeout: setting.duration({ text: 'Longest wait for the disk of the spool; past it the answer is 503.', default: '5s' }),
  spoolLimit: setting.size({ text: 'Most bytes in the spool; over it the answer is 503.', default: '1gb' }),
  spoolRequests: setting.integer({ text: 'Most requests in the spool; over it the answer is 503.', default: 1_000_000, min: 1 }),
  requestTimeout: setting.duration({ text: 'Longest time for a whole request to arrive.', default: '15s' }),
  headersTimeout: setting.duration({ text: 'Longest time for the headers to arrive.', default: '10s' }),
  keepAliveTimeout: setting.duration({ text: 'How long an idle connection is kept.', default: '72s' }),
  routes: routesSetting,
  corsOrigins: setting.list({
    text: 'Origins whose pages may send from a browser and read the answer, or `*` for all. If it is not set, no page may do so.',
    default: [],
    example: 'https://shop.example.com',
  }),
  // `*` is safe: the validation protects receivers that did not ask for events, and a POST needs no origin here.
  webhookOrigins: setting.list({
    text: 'Host names of CloudEvents senders whose validation request is granted, or `*` for all.',
    default: ['*'],
    restricts: true,
    example: 'eventgrid.azure.net',
  }),
  ...ruleSettings,
};

export type CaptureSettings = Values<typeof settings>;
export type CaptureContext = Omit<Context<typeof settings>, 'state'>;
