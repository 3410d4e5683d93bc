import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasCode } from '@blockhub/errors';
import { defaults, describe as describeSettings } from '@blockhub/settings';
import { createMetrics } from '@blockhub/telemetry';
import { afterAll, expect, test } from '@jest/globals';
import { ruleTest } from '../rules/rule.fixture.ts';
import { type CaptureSettings, settings } from '../settings.ts';
import { Routes } from './routes.ts';

const folder = mkdtempSync(join(tmpdir(), 'blockhub-routes-'));
afterAll(() => rmSync(folder, { recursive: true }));

const open = async (routes: unknown, more: Partial<CaptureSettings> = {}): Promise<Routes> =>
  new Routes({
    ...(await ruleTest({ routes: typeof routes === 'string' ? routes : JSON.stringify(routes), ...more })),
    metrics: createMetrics(),
  });

async function mistakesOf(routes: unknown, more: Partial<CaptureSettings> = {}): Promise<readonly string[]> {
  try {
    await open(routes, more);
    return [];
  } catch (error) {
    if (!hasCode(error, 'SETTINGS_INVALID')) throw error;
    return error.details.mistakes as string[];
  }
}

const route = (more: object): object[] => [{ path: '/hooks/a', chain: 'a', ...more }];
const response = (more: object, ofRoute: object = {}): object[] => route({ responses: [more], ...ofRoute });

test.each([
  ['a path is missing', [{ chain: 'a' }], 'route 1: path: is missing'],
  ['a path is a number', [{ path: 1, chain: 'a' }], 'route 1: path: is missing or no text'],
  ['a path lacks its slash', [{ path: 'hooks', chain: 'a' }], 'route 1 (hooks): path: "hooks" must begin with /'],
  ['a path is a URL', [{ path: 'https://h/hooks', chain: 'a' }], 'must begin with /'],
  ['a path has a query', [{ path: '/hooks?x=1', chain: 'a' }], 'has ? or #'],
  ['a path has a * inside', [{ path: '/hooks/*/a', chain: 'a' }], 'has a * inside'],
  ['a path has a * that is no segment', [{ path: '/hooks*', chain: 'a' }], 'not a whole segment'],
  ['a path has two *', [{ path: '/hooks/**', chain: 'a' }], 'has a * inside'],
  ['a path has a bad escape', [{ path: '/100%', chain: 'a' }], 'write %25'],
  ['a path has dots', [{ path: '/hooks/../a', chain: 'a' }], 'a segment . or ..'],
  ['a path has dots in escapes', [{ path: '/hooks/%2e', chain: 'a' }], 'a segment . or ..'],
  ['a path has a line break', [{ path: '/hooks\n', chain: 'a' }], 'a control character'],
  ['a path is half of a character', [{ path: '/\ud800', chain: 'a' }], 'a control character'],
  ['a path is endless', [{ path: `/${'a'.repeat(2000)}`, chain: 'a' }], 'has 2001 characters'],
  ['/ is taken', [{ path: '/', chain: 'a' }], 'would take requests from /'],
  ['/* is taken', [{ path: '/*', chain: 'a' }], 'would take requests from /'],
  ['/append is taken', [{ path: '/append', chain: 'a' }], 'would take requests from /append/chain/{chain}'],
  ['/append/* is taken', [{ path: '/append/*', chain: 'a' }], 'would take requests from /append/chain/{chain}'],
  ['a chain is taken', [{ path: '/append/chain/x', chain: 'a' }], 'would take requests from /append/chain/{chain}'],
  ['/append is taken in escapes', [{ path: '/%61ppend/x', chain: 'a' }], 'would take requests from /append/chain/{chain}'],
  ['a path is there twice', [...route({}), ...route({})], 'route 2 (/hooks/a): path: route 1 (/hooks/a) has the same path'],
  ['a path is there twice in other letters', [...route({}), { path: '/hooks/%61', chain: 'b' }], 'route 1 (/hooks/a) has the same path'],
  [
    'a prefix is there twice',
    [
      { path: '/a/*', chain: 'a' },
      { path: '/%61/*', chain: 'a' },
    ],
    'has the same path',
  ],
  ['the chain is missing', [{ path: '/a' }], 'route 1 (/a): chain: is missing'],
  ['the chain is no text', [{ path: '/a', chain: ['a'] }], 'chain: expected the id or name of a chain'],
  ['the chain is empty', [{ path: '/a', chain: ' ' }], 'chain: expected the id or name of a chain'],
  [
    'a field is not known',
    route({ chains: 'a' }),
    'route 1 (/hooks/a): chains: is not known; expected path, chain, methods, rules, responses',
  ],
  ['a method cannot be captured', route({ methods: ['POST', 'GET'] }), 'methods: "GET" cannot be captured'],
  [
    'a method is in small letters',
    route({ methods: ['post'] }),
    'methods: "post" cannot be captured; expected a list of POST, PUT, PATCH, DELETE',
  ],
  ['methods are text', route({ methods: 'POST' }), 'methods: "POST" cannot be captured; expected a list'],
  ['there are no methods', route({ methods: [] }), 'methods: [] cannot be captured'],
  ['rules are a list', route({ rules: [] }), 'rules: expected an object'],
  ['a rule is not known', route({ rules: { allowIp: ['10.0.0.1'] } }), 'rules.allowIp: is not a setting of a rule; expected allowIps'],
  ['a rule is of all routes', route({ rules: { trustedProxies: ['10.0.0.1'] } }), 'rules.trustedProxies: holds for all routes'],
  ['a setting is no rule', route({ rules: { port: 80 } }), 'rules.port: is not a setting of a rule'],
  ['a rule has a wrong value', route({ rules: { allowIps: ['300.1.1.1'] } }), 'route 1 (/hooks/a): rules.allowIps: "300.1.1.1"'],
  ['a rule has a wrong type', route({ rules: { allowIps: [1] } }), 'rules.allowIps: expected a list of texts'],
  ['a rule is an object', route({ rules: { throttleIp: {} } }), 'rules.throttleIp: expected a text'],
  ['a limit is none', route({ rules: { throttleIp: 'many' } }), 'rules.throttleIp: "many" is no limit'],
  ['a switch is no switch', route({ rules: { sniffMimes: 'yes' } }), 'rules.sniffMimes: expected true or false, got "yes"'],
  ['a list that lets nobody in is empty', route({ rules: { allowIps: [] } }), 'rules.allowIps: is empty, which would let every request in'],
  ['a list of tokens is empty', route({ rules: { tokens: '' } }), 'rules.tokens: is empty, which would let every request in'],
  ['a token is too short', route({ rules: { tokens: ['short-secret'] } }), 'rules.tokens: token 1 is not 16 to 512'],
  ['a parameter has no tokens', route({ rules: { tokenParameter: 'key' } }), 'rules.tokenParameter: needs tokens'],
  [
    'a parameter has no name',
    route({ rules: { tokenParameter: 'a b', tokens: ['a-token-of-the-shop'] } }),
    '"a b" cannot name a parameter',
  ],
  ['an issuer has no audience', route({ rules: { jwtIssuer: 'https://issuer.example.com/' } }), 'rules.jwtAudience: is missing'],
  ['responses are an object', route({ responses: {} }), 'responses: expected a list'],
  ['a response is text', route({ responses: ['ok'] }), 'responses[0]: expected an object, got "ok"'],
  [
    'a field of a response is not known',
    response({ code: 200 }),
    'responses[0].code: is not known; expected method, when, status, headers, body',
  ],
  ['a response is to no method', response({ method: 'get' }), 'responses[0].method: is "get"; expected one or more of'],
  ['a response is to OPTIONS', response({ method: 'OPTIONS' }), 'responses[0].method: is "OPTIONS"'],
  [
    'a captured request gets 400',
    response({ status: 400 }),
    'responses[0].status: is 400; expected a number from 200 to 299: the event is durable then',
  ],
  ['a status is text', response({ status: '200' }), 'responses[0].status: is "200"'],
  ['a status is no final one', response({ method: 'GET', status: 100 }), 'expected a number from 200 to 599'],
  ['a status is a fraction', response({ status: 200.5 }), 'is 200.5'],
  ['204 has a body', response({ status: 204, body: 'x' }), 'responses[0].body: must be empty with the status 204'],
  ['a condition is a list', response({ when: [] }), 'responses[0].when: expected an object such as'],
  [
    'a condition looks nowhere',
    response({ when: { type: 'x' } }),
    '"type" is not a field; expected query.NAME, doc.PATH, header.NAME or receipt.FIELD',
  ],
  ['a condition is about the receipt', response({ when: { 'receipt.event': 'x' } }), 'receipt.event: a condition is about the request'],
  ['a condition has an object', response({ when: { 'doc.type': {} } }), 'responses[0].when.doc.type: expected text'],
  ['a condition has nothing', response({ when: { 'doc.type': [] } }), 'responses[0].when.doc.type: expected text'],
  ['a header has a bad name', response({ headers: { 'a b': 'x' } }), 'responses[0].headers.a b: is not the name of a header'],
  [
    'a header breaks the line',
    response({ headers: { a: 'x\r\nset-cookie: y' } }),
    'responses[0].headers.a: expected text of printable ASCII',
  ],
  ['a header is a number', response({ headers: { a: 1 } }), 'responses[0].headers.a: expected text'],
  ['a header is of the connection', response({ headers: { 'Transfer-Encoding': 'chunked' } }), 'cannot be set here'],
  ['a header is of the body', response({ headers: { 'content-length': '1' } }), 'cannot be set here'],
  ['a header is of CORS', response({ headers: { 'access-control-allow-origin': '*' } }), 'cannot be set here'],
  ['a header is of caches of CORS', response({ headers: { Vary: 'x' } }), 'cannot be set here'],
  ['a header turns sniffing on', response({ headers: { 'X-Content-Type-Options': 'sniff' } }), 'cannot be set here'],
  [
    'a sender chooses where to go',
    response({ headers: { Location: '{query.to}' } }),
    'headers.Location: cannot have fields of the request',
  ],
  ['a sender chooses a cookie', response({ headers: { 'set-cookie': 'a={header.b}' } }), 'cannot have fields of the request'],
  ['a header is there twice', response({ headers: { 'x-a': '1', 'X-A': '2' } }), 'is there twice'],
  ['a content type is none', response({ headers: { 'content-type': 'json' } }), '"json" is not a content type'],
  ['a content type comes from the request', response({ headers: { 'content-type': '{doc.type}' } }), 'is not a content type'],
  ['a body is a number', response({ body: 1 }), 'responses[0].body: expected text or a JSON object, got 1'],
  ['a body has a field of nothing', response({ body: '{challenge}' }), 'responses[0].body: has {challenge}: "challenge" is not a field'],
  ['a body has a field that is misspelt', response({ body: '{docs.challenge}' }), '"docs.challenge" is not a field'],
  ['a receipt has no such field', response({ body: '{receipt.id}' }), 'a receipt has no field "id"'],
  [
    'a GET has no receipt',
    response({ method: 'GET', body: '{receipt.event}' }),
    'responses[0]: has a field of the receipt, which only captured requests have',
  ],
  [
    'a header that is a secret comes back',
    response({ body: '{header.authorization}' }),
    'this header is a secret, which is never sent back',
  ],
  ['a cookie comes back', response({ headers: { 'x-a': '{header.Cookie}' } }), 'this header is a secret'],
  ['a token comes back', response({ body: '{header.x-token}' }), 'this header is a secret'],
  ['an API key comes back', response({ body: '{header.X-Api-Key}' }), 'this header is a secret'],
  ['a request becomes HTML', response({ headers: { 'content-type': 'text/html' }, body: '<p>{doc.x}' }), 'which cannot stand in text/html'],
  [
    'a request becomes a script',
    response({ headers: { 'content-type': 'text/javascript' }, body: '{query.callback}()' }),
    'which cannot stand in',
  ],
  ['a request becomes an image', response({ headers: { 'content-type': 'image/svg+xml' }, body: '{doc.x}' }), 'which cannot stand in'],
  ['a body is no JSON', response({ headers: { 'content-type': 'application/json' }, body: '{"a": }' }), 'responses[0].body: is not JSON'],
  [
    'a body is JSON for half of it',
    response({ headers: { 'content-type': 'application/problem+json' }, body: '{"a": "{doc.x}' }),
    'is not JSON',
  ],
])('%s: told with route and field', async (_name, routes, text) => {
  const mistakes = await mistakesOf(routes);
  expect(mistakes.join('\n')).toContain(text);
  for (const mistake of mistakes) expect(mistake).toMatch(/^routes \(--routes, BLOCKHUB_ROUTES\): route \d+[ :]/);
  expect(mistakes.join()).not.toContain('short-secret');
});

test.each([
  ['no JSON', '[{"path": "/a" "chain"', 'is not valid JSON'],
  ['JSON that ends early', '[{"path": "/a"', 'is not valid JSON'],
  ['no routes', '[]', 'has no routes; leave the setting out'],
  ['a file that is not there', '/nowhere/routes.json', 'the file "/nowhere/routes.json" cannot be read (ENOENT)'],
  ['a folder', '/', 'the file "/" cannot be read (EISDIR)'],
])('%s is told', async (_name, routes, text) => {
  expect((await mistakesOf(routes)).join()).toContain(text);
});

test('text that is no JSON is never quoted: tokens may stand in it', async () => {
  expect((await mistakesOf(`[{"rules": {"tokens": [a-token-of-the-shop]}}]`)).join()).not.toContain('token-of');
});

test('all mistakes are told at once, those of all routes only once', async () => {
  const mistakes = await mistakesOf([...route({ rules: { blockMimes: ['html'] } }), { path: '/b', chains: 'x', methods: ['GET'] }], {
    allowIps: ['nowhere'],
    corsOrigins: ['https://shop.example.com/path'],
    webhookOrigins: ['https://eventgrid.azure.net'],
  });
  expect(mistakes.map((mistake) => mistake.replace(/: [^:]*$/, ''))).toEqual([
    expect.stringMatching(/^allowIps /),
    'routes (--routes, BLOCKHUB_ROUTES): route 2 (/b): chains',
    'routes (--routes, BLOCKHUB_ROUTES): route 2 (/b): chain',
    'routes (--routes, BLOCKHUB_ROUTES): route 2 (/b): methods',
    expect.stringMatching(/route 1 .*rules.blockMimes/),
    expect.stringMatching(/^corsOrigins /),
    expect.stringMatching(/^webhookOrigins /),
  ]);
});

test.each([
  ['text', JSON.stringify(route({}))],
  ['text of many lines', `\n  ${JSON.stringify(route({}), undefined, 2)}\n`],
])('a table as %s is taken, and never shown', async (_name, text) => {
  const parsed = settings.routes.parse(text) as string;
  expect((await open(parsed)).find('/hooks/a').chain).toBe('a');
  const shown = describeSettings(settings, defaults(settings, { routes: parsed }));
  expect(shown.routes).toMatch(/^\[\d+ characters\]$/);
});

test.each([
  ['as it is', ''],
  ['with a byte order mark', '\ufeff'],
])('a table in a file %s is taken', async (_name, before) => {
  const file = join(folder, 'routes.json');
  writeFileSync(file, `${before}${JSON.stringify(route({}), undefined, 2)}\n`);
  expect((await open(file)).find('/hooks/a').chain).toBe('a');
});

test('a field that stands twice is a mistake: the stricter one might be lost', async () => {
  const text = '[{"path": "/a", "chain": "a", "rules": {"allowIps": ["10.0.0.1"]}, "rules": {}}]';
  expect(await mistakesOf(text)).toEqual([expect.stringContaining('has the field "rules" twice in one object')]);
});

test('a file that is not UTF-8 is told', async () => {
  const file = join(folder, 'latin1.json');
  writeFileSync(file, Buffer.from('[{"path": "/caf\xe9", "chain": "a"}]', 'latin1'));
  expect((await mistakesOf(file)).join()).toContain('is not UTF-8');
});

test('each route has the rules of all, or its own with null for the default', async () => {
  const token = 'a-token-of-the-shop';
  const routes = await open(
    [
      { path: '/all', chain: 'a' },
      { path: '/open', chain: 'a', rules: { tokens: null, allowIps: '10.0.0.0/8' } },
    ],
    { tokens: [token] },
  );
  expect(routes.find('/all').rules).toBe(routes.rules);
  expect(routes.find('/open').rules).not.toBe(routes.rules);
});
