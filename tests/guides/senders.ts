import { expect } from '@jest/globals';

/** A request, and the answer that it must get. */
interface Step {
  /** The name of a file in tests/guides/senders. */
  readonly file: string;
  readonly status: number;
  readonly headers?: Readonly<Record<string, unknown>>;
  /** If absent, any body is right. */
  readonly body?: string;
}

export interface Sender {
  /** The name of its chain and token, and the end of its path. */
  readonly name: string;
  /** The title of its section in the guide. */
  readonly title: string;
  readonly peer: string;
  readonly steps: readonly Step[];
  /** The expected events, in order. */
  readonly stored: readonly { readonly file: string; readonly mime: string; readonly charset?: string }[];
  /** Headers, in lower case, whose values must not be stored or logged. */
  readonly redacted: readonly string[];
  readonly kept: readonly string[];
}

const JSON_TYPE = 'application/json';
const FORM = 'application/x-www-form-urlencoded';
const receipt = { 'content-type': 'application/json; charset=utf-8' };

export const senders: readonly Sender[] = [
  {
    name: 'github',
    title: 'GitHub',
    peer: '192.30.252.41',
    steps: [
      { file: 'github-ping', status: 201, headers: receipt },
      { file: 'github-push-form', status: 201 },
      // A user presses "Redeliver".
      { file: 'github-push-form', status: 201 },
    ],
    stored: [
      { file: 'github-ping', mime: JSON_TYPE },
      { file: 'github-push-form', mime: FORM },
    ],
    redacted: ['x-hub-signature', 'x-hub-signature-256'],
    kept: ['x-github-event', 'x-github-delivery', 'x-github-hook-id', 'user-agent'],
  },
  {
    name: 'stripe',
    title: 'Stripe',
    peer: '3.18.12.63',
    steps: [{ file: 'stripe-event', status: 201, headers: receipt }],
    stored: [{ file: 'stripe-event', mime: JSON_TYPE, charset: 'utf-8' }],
    redacted: ['stripe-signature'],
    kept: ['user-agent', 'cache-control'],
  },
  {
    name: 'shopify',
    title: 'Shopify',
    peer: '2001:db8::17',
    steps: [
      { file: 'shopify-order', status: 201 },
      { file: 'shopify-order', status: 201 },
    ],
    stored: [{ file: 'shopify-order', mime: JSON_TYPE }],
    redacted: ['x-shopify-hmac-sha256'],
    kept: ['x-shopify-topic', 'x-shopify-shop-domain', 'x-shopify-webhook-id', 'x-shopify-event-id'],
  },
  {
    name: 'slack',
    title: 'Slack',
    peer: '3.86.1.2',
    steps: [
      {
        file: 'slack-challenge',
        status: 200,
        headers: { 'content-type': 'text/plain; charset=utf-8' },
        body: '3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P',
      },
      { file: 'slack-event', status: 201, headers: receipt },
      { file: 'slack-event-retry', status: 201 },
    ],
    stored: ['slack-challenge', 'slack-event', 'slack-event-retry'].map((file) => ({ file, mime: JSON_TYPE })),
    redacted: ['x-slack-signature'],
    kept: ['x-slack-request-timestamp', 'x-slack-retry-num'],
  },
  {
    name: 'twilio',
    title: 'Twilio',
    peer: '54.172.60.1',
    steps: [
      { file: 'twilio-sms', status: 200, headers: { 'content-type': 'text/xml' }, body: '<Response></Response>' },
      { file: 'twilio-sms', status: 200, body: '<Response></Response>' },
    ],
    stored: [{ file: 'twilio-sms', mime: FORM, charset: 'utf-8' }],
    redacted: ['x-twilio-signature', 'i-twilio-idempotency-token'],
    kept: ['x-home-region'],
  },
  {
    name: 'jira',
    title: 'Jira',
    peer: '104.192.136.1',
    steps: [
      { file: 'jira-issue', status: 200, body: '' },
      { file: 'jira-issue', status: 200, body: '' },
    ],
    stored: [{ file: 'jira-issue', mime: JSON_TYPE, charset: 'utf-8' }],
    redacted: ['x-hub-signature'],
    kept: ['x-atlassian-webhook-identifier', 'x-atlassian-webhook-flow'],
  },
  {
    name: 'trello',
    title: 'Trello',
    peer: '18.234.32.225',
    steps: [
      { file: 'trello-head', status: 200, body: '' },
      { file: 'trello-card', status: 201 },
    ],
    stored: [{ file: 'trello-card', mime: JSON_TYPE }],
    redacted: ['x-trello-webhook'],
    kept: ['accept'],
  },
  {
    name: 'eventgrid',
    title: 'Azure Event Grid',
    peer: '20.42.0.1',
    steps: [
      {
        file: 'eventgrid-validation',
        status: 200,
        headers: { 'content-type': 'application/json' },
        body: '{"validationResponse":"512d38b6-c7b8-40c8-89fe-f46f9e9622b6"}',
      },
      { file: 'eventgrid-event', status: 201 },
      {
        file: 'cloudevents-options',
        status: 200,
        headers: {
          allow: expect.stringContaining('POST'),
          'webhook-allowed-origin': 'eventgrid.azure.net',
          'webhook-allowed-rate': expect.any(String),
        },
      },
      { file: 'cloudevents-event', status: 201 },
    ],
    stored: [
      { file: 'eventgrid-validation', mime: JSON_TYPE, charset: 'utf-8' },
      { file: 'eventgrid-event', mime: JSON_TYPE, charset: 'utf-8' },
      { file: 'cloudevents-event', mime: 'application/cloudevents+json', charset: 'utf-8' },
    ],
    redacted: [],
    kept: ['aeg-event-type', 'aeg-delivery-count'],
  },
  {
    name: 'sns',
    title: 'AWS SNS',
    peer: '54.240.230.1',
    steps: [
      { file: 'sns-confirmation', status: 201 },
      { file: 'sns-notification', status: 201 },
      { file: 'sns-notification', status: 201 },
    ],
    stored: ['sns-confirmation', 'sns-notification'].map((file) => ({ file, mime: 'text/plain', charset: 'utf-8' })),
    redacted: [],
    kept: ['x-amz-sns-message-type', 'x-amz-sns-message-id', 'x-amz-sns-topic-arn'],
  },
  {
    name: 'browser',
    title: 'Browser',
    peer: '198.51.100.7',
    steps: [
      {
        file: 'browser-preflight',
        status: 204,
        headers: {
          'access-control-allow-origin': 'https://shop.example.com',
          'access-control-allow-methods': expect.stringContaining('POST'),
          'access-control-allow-headers': 'content-type,idempotency-key',
        },
      },
      { file: 'browser-fetch', status: 201, headers: { 'access-control-allow-origin': 'https://shop.example.com' } },
      { file: 'browser-fetch', status: 201 },
      { file: 'browser-beacon', status: 201 },
    ],
    stored: [
      { file: 'browser-fetch', mime: JSON_TYPE },
      { file: 'browser-beacon', mime: 'text/plain', charset: 'utf-8' },
    ],
    redacted: ['cookie'],
    kept: ['origin', 'referer', 'user-agent', 'accept-language'],
  },
  {
    name: 'others',
    title: 'Handshakes of others',
    peer: '31.13.24.1',
    steps: [
      { file: 'meta-challenge', status: 200, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: '1158201444' },
      {
        file: 'graph-validation',
        status: 200,
        headers: { 'content-type': 'text/plain; charset=utf-8' },
        body: 'Validation: Testing client application reachability for subscription Request-Id: 522a8e7e-096a-494c-aaf1-ac0dcfca45b7',
      },
      { file: 'graph-notification', status: 201, headers: receipt },
      { file: 'dropbox-challenge', status: 200, headers: { 'x-content-type-options': 'nosniff' }, body: 'F1xTr4lDkQyY2xg0lw' },
      {
        file: 'asana-handshake',
        status: 200,
        headers: { 'x-hook-secret': 'b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81' },
        body: '',
      },
      { file: 'okta-challenge', status: 200, headers: { 'content-type': JSON_TYPE }, body: '{"verification":"d6K5oFYs1aJnFwQ4tZ0zSg"}' },
      { file: 'monday-challenge', status: 200, body: '{"challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}' },
    ],
    stored: [
      { file: 'graph-validation', mime: 'text/plain', charset: 'utf-8' },
      { file: 'graph-notification', mime: JSON_TYPE, charset: 'utf-8' },
      { file: 'asana-handshake', mime: JSON_TYPE },
      { file: 'monday-challenge', mime: JSON_TYPE, charset: 'utf-8' },
    ],
    redacted: ['x-hook-secret'],
    kept: ['request-id', 'content-type'],
  },
];
