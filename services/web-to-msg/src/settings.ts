import { setting, type Values } from '@blockhub/settings';
import type { Context } from '@blockhub/worker';
import { ruleSettings } from './rules/settings.ts';

const table = setting.text({
  text: 'Route table, which maps paths to chains: the path of a JSON file, or JSON that begins with `[`. See docs/reference/routes.md.',
  placeholder: 'FILE|JSON',
  example: '/etc/blockhub/routes.json',
});
/** The JSON may have several lines. It may hold tokens, so it is never shown. */
const routesSetting: typeof table = {
  ...table,
  parse: (raw) => (raw.trimStart().startsWith('[') ? raw : table.parse(raw)),
  format: (value) => (value?.trimStart().startsWith('[') ? `[${value.length} characters]` : String(value)),
};

export const settings = {
  host: setting.text({ text: 'Address to listen on.', default: '127.0.0.1', example: '0.0.0.0' }),
  port: setting.integer({ text: 'Port to listen on. 0 takes a free port.', default: 8080, min: 0, max: 65535 }),
  defaultChain: setting.text({ text: 'Chain that `POST /` appends to, by its id or name.', default: 'default' }),
  bodyLimit: setting.size({ text: 'Maximum length of a body. If a body is longer, the answer is 413.', default: '16mb' }),
  messageLimit: setting.size({ text: 'A longer body is stored as an object first, and its message only refers to it.', default: '1mb' }),
  inFlightLimit: setting.size({
    text: 'Maximum size of all bodies in memory together. If there is no room for another body, the answer is 503.',
    default: '64mb',
  }),
  maxConnections: setting.integer({
    text: 'Maximum number of open connections. Further ones are closed at once. The limit of open files of the process may lower it.',
    default: 10_000,
    min: 1,
  }),
  confirmTimeout: setting.duration({
    text: 'How long a request may wait for the broker and the store. After that it is written to the spool (202). If there is no spool, the answer is 503.',
    default: '2s',
  }),
  spool: setting.text({
    text: 'Folder for requests that the broker does not accept. They are answered with 202 and published later. If it is not set, the answer is 503. Each instance must have its own folder.',
    example: '/var/lib/blockhub/spool',
  }),
  spoolTimeout: setting.duration({
    text: 'How long a request may wait for the disk of the spool. After that the answer is 503.',
    default: '5s',
  }),
  spoolLimit: setting.size({ text: 'Maximum size of the spool. If it is full, the answer is 503.', default: '1gb' }),
  spoolRequests: setting.integer({
    text: 'Maximum number of requests in the spool. If it is full, the answer is 503.',
    default: 1_000_000,
    min: 1,
  }),
  requestTimeout: setting.duration({
    text: 'How long a request may take to arrive completely. After that the answer is 408.',
    default: '15s',
  }),
  headersTimeout: setting.duration({
    text: 'How long the headers of a request may take to arrive. After that the answer is 408.',
    default: '10s',
  }),
  keepAliveTimeout: setting.duration({ text: 'How long an idle connection stays open.', default: '72s' }),
  routes: routesSetting,
  corsOrigins: setting.list({
    text: 'Origins whose pages may send from a browser and read the answer, or `*` for all. If it is not set, no page may do so.',
    default: [],
    example: 'https://shop.example.com',
  }),
  // `*` is safe: validation protects receivers that did not ask for events. A POST needs none.
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
