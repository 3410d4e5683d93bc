import { expect, test } from '@jest/globals';
import type { CaptureReceipt } from '../capture/receipt.ts';
import type { FieldValues } from './fields.ts';
import { parseResponse, type Rendered } from './responses.ts';

const receipt: CaptureReceipt = { event: 'e-1', chain: 'c', hash: 'h', crypt: 'sha256', length: 5, receivedAt: '2026-01-01T00:00:00.000Z' };

interface Given {
  readonly method?: string;
  readonly query?: string;
  readonly headers?: FieldValues['headers'];
  readonly doc?: unknown;
}

/** What a response gives for a request; throws where the response has mistakes. */
function answer(response: object, { method = 'POST', query = '', headers = {}, doc }: Given): Rendered | undefined {
  const mistakes: string[] = [];
  const parsed = parseResponse(response, 'r', ['POST'], (field, what) => mistakes.push(`${field}: ${what}`));
  if (mistakes.length > 0) throw new Error(mistakes.join());
  return parsed?.render(method, {
    query: new URLSearchParams(query),
    headers,
    doc: () => doc,
    receipt: method === 'POST' ? receipt : undefined,
  });
}

const json = { 'content-type': 'application/json' };
const xml = { 'content-type': 'text/xml' };

test.each<[name: string, response: object, request: Given, body: string]>([
  [
    'Slack',
    { when: { 'doc.type': 'url_verification' }, body: '{doc.challenge}' },
    { doc: { type: 'url_verification', challenge: 'abc' } },
    'abc',
  ],
  ['Dropbox', { method: 'GET', body: '{query.challenge}' }, { method: 'GET', query: 'challenge=a%20b' }, 'a b'],
  [
    'Meta',
    { method: 'GET', when: { 'query.hub.mode': 'subscribe', 'query.hub.verify_token': 'mine' }, body: '{query.hub.challenge}' },
    { method: 'GET', query: 'hub.mode=subscribe&hub.verify_token=mine&hub.challenge=1158201444' },
    '1158201444',
  ],
  [
    'Event Grid, text',
    { headers: json, body: '{"validationResponse": "{doc.0.data.validationCode}"}' },
    { doc: [{ eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent', data: { validationCode: '512d38b6-c7b8' } }] },
    '{"validationResponse": "512d38b6-c7b8"}',
  ],
  [
    'Event Grid, object',
    { body: { validationResponse: '{doc.0.data.validationCode}' } },
    { doc: [{ data: { validationCode: '512d38b6-c7b8' } }] },
    '{"validationResponse":"512d38b6-c7b8"}',
  ],
  ['a receipt', { body: 'kept as {receipt.event}, {receipt.length} bytes' }, {}, 'kept as e-1, 5 bytes'],
  ['a number outside of a string', { headers: json, body: '{"n": {doc.n}}' }, { doc: { n: 7 } }, '{"n": 7}'],
  ['text outside of a string', { headers: json, body: '[{doc.n}]' }, { doc: { n: '","x' } }, '["\\",\\"x"]'],
  ['an object outside of a string', { headers: json, body: '{doc.n}' }, { doc: { n: { a: [null] } } }, '{"a":[null]}'],
  ['a string that would end its string', { headers: json, body: '{"c": "{doc.c}"}' }, { doc: { c: '"}\n\\' } }, '{"c": "\\"}\\n\\\\"}'],
  ['behind an escaped quote', { headers: json, body: '{"c": "\\"{doc.c}"}' }, { doc: { c: '"' } }, '{"c": "\\"\\""}'],
  ['a surrogate alone', { headers: json, body: '{"c": "{doc.c}"}' }, { doc: { c: '\ud800' } }, '{"c": "\\ud800"}'],
  ['markup in XML', { headers: xml, body: '<c a="{doc.c}"/>' }, { doc: { c: `<&>"'` } }, '<c a="&lt;&amp;&gt;&quot;&#39;"/>'],
  ['XML alone', { headers: xml, body: '<Response/>' }, {}, '<Response/>'],
  ['HTML alone', { headers: { 'content-type': 'text/html' }, body: '<p>thanks {} {a' }, {}, '<p>thanks {} {a'],
  ['a template is not read again', { body: '{doc.c}' }, { doc: { c: '{receipt.event}' } }, '{receipt.event}'],
  ['blanks in braces', { body: '{ doc.c }' }, { doc: { c: 'x' } }, 'x'],
  ['a boolean', { when: { 'doc.ok': true }, body: '{doc.ok}' }, { doc: { ok: true } }, 'true'],
  ['one of several', { when: { 'doc.t': ['a', 2] }, body: 'y' }, { doc: { t: 2 } }, 'y'],
  ['a header', { when: { 'header.X-Goog-Resource-State': 'sync' }, body: 'y' }, { headers: { 'x-goog-resource-state': 'sync' } }, 'y'],
  ['nothing', {}, {}, ''],
])('%s', (_name, response, request, body) => {
  const rendered = answer(response, request);
  expect(rendered?.body).toBe(body);
  if (rendered?.headers['content-type'] === 'application/json') JSON.parse(body);
});

test.each<[name: string, response: object, request: Given]>([
  ['another method', { method: 'GET' }, {}],
  ['a condition that does not hold', { when: { 'doc.type': 'a' } }, { doc: { type: 'b' } }],
  ['one of two conditions that does not hold', { when: { 'doc.a': 1, 'doc.b': 2 } }, { doc: { a: 1, b: 3 } }],
  ['a condition on nothing', { when: { 'doc.type': 'undefined' } }, { doc: {} }],
  ['a condition on an object', { when: { 'doc.type': '[object Object]' } }, { doc: { type: {} } }],
  ['no document', { body: '{doc.a}' }, {}],
  ['a member that is missing', { body: '{doc.a.b}' }, { doc: { a: {} } }],
  ['a member that all objects have', { body: '{doc.constructor.name}' }, { doc: {} }],
  ['the length of a list', { body: '{doc.x.1}' }, { doc: { x: ['a'] } }],
  ['an object in text', { body: '{doc.a}' }, { doc: { a: {} } }],
  ['null in text', { body: '{doc.a}' }, { doc: { a: null } }],
  ['an object in a string', { headers: json, body: '{"a": "{doc.a}"}' }, { doc: { a: {} } }],
  ['a parameter that is missing', { body: '{query.a}' }, { query: 'b=1' }],
  ['a header that is missing', { body: '{header.a}' }, {}],
  ['a header that all objects have', { body: '{header.constructor}' }, {}],
  ['an endless value', { body: '{doc.a}' }, { doc: { a: 'x'.repeat(4097) } }],
  ['an endless object', { headers: json, body: '{doc.a}' }, { doc: { a: Array(5000).fill(1) } }],
  ['a line break in a header', { headers: { 'x-a': '{doc.a}' } }, { doc: { a: 'x\r\nset-cookie: y' } }],
  ['a line feed in a header', { headers: { 'x-a': '{query.a}' } }, { query: 'a=x%0ay' }],
  ['a letter beyond ASCII in a header', { headers: { 'x-a': '{doc.a}' } }, { doc: { a: '\u010d\u010a' } }],
  ['an endless header', { headers: { 'x-a': '{doc.a}' } }, { doc: { a: 'x'.repeat(1025) } }],
  ['a control character in XML', { headers: xml, body: '<a>{doc.a}</a>' }, { doc: { a: '\u0001' } }],
])('%s: it does not fit', (_name, response, request) => expect(answer(response, request)).toBeUndefined());

test('what a handshake needs comes back in a header', () => {
  const response = { status: 200, headers: { 'X-Hook-Secret': '{header.x-hook-secret}' } };
  expect(answer(response, { headers: { 'x-hook-secret': 'b537207f' } })).toMatchObject({
    status: 200,
    headers: { 'x-hook-secret': 'b537207f' },
  });
});

test('without words about it, an answer is plain text and has the status of the receipt', () => {
  expect(answer({ body: 'ok' }, {})).toEqual({ status: undefined, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: 'ok' });
});
