import { createLogger } from '@blockhub/telemetry';
import { describe, expect, test } from '@jest/globals';
import { raw, startCapture } from '../capture-server.fixture.ts';

const TOKEN = 'a-token-of-the-shop';
const shop = 'https://shop.example.com';
const routes = JSON.stringify([
  {
    path: '/hooks/slack',
    chain: 'default',
    responses: [
      { when: { 'doc.type': 'url_verification' }, status: 200, body: '{doc.challenge}' },
      { when: { 'doc.type': 'quiet' }, status: 204 },
      { method: 'GET', when: { 'query.mode': 'subscribe' }, headers: { 'X-Mode': '{query.mode}' }, body: '{query.challenge}' },
    ],
  },
  {
    path: '/hooks/put',
    chain: 'plain',
    methods: ['PUT', 'DELETE', 'PATCH'],
    responses: [{ method: 'POST', when: { 'doc.ping': true }, body: 'pong' }],
  },
  {
    path: '/hooks/trello/*',
    chain: 'default',
    rules: { tokens: [`${TOKEN};name=trello`], tokenParameter: 'shop-id', allowMimes: ['application/json'] },
    responses: [
      { method: 'GET', body: 'token {query.shop-id}' },
      { method: 'GET', body: 'hello {query.name}' },
      { body: { event: '{receipt.event}' } },
    ],
  },
  { path: '/hooks/missing', chain: 'missing' },
]);

/** Method, path, headers; a short answer: status and what was asked for. */
async function ask(url: string, method: string, path: string, headers: Record<string, string> = {}, body?: string): Promise<Response> {
  return fetch(`${url}${path}`, { method, headers, redirect: 'manual', ...(body !== undefined && { body }) });
}
const line = (method: string, target: string, more = ''): string =>
  `${method} ${target} HTTP/1.1\r\nhost: a\r\n${more}connection: close\r\n\r\n`;
const statusOf = (answer: string): string | undefined => /^HTTP\/1.1 (\d+)/.exec(answer)?.[1];
const headerOf = (answer: string, name: string): string | undefined => new RegExp(`\r\n${name}: ([^\r]*)`, 'i').exec(answer)?.[1];
const bodyOf = (answer: string): string => answer.slice(answer.indexOf('\r\n\r\n') + 4);

describe('before the first POST', () => {
  const POST = 'POST, HEAD, OPTIONS';
  test.each<[method: string, target: string, status: number, allow: string | undefined]>([
    ['HEAD', '/', 200, undefined],
    ['HEAD', '/append/chain/default', 200, undefined],
    ['HEAD', '/append/chain/missing', 404, undefined],
    ['HEAD', '/append/chain/', 404, undefined],
    ['HEAD', '/nothing', 404, undefined],
    ['HEAD', '/hooks/slack', 200, undefined],
    ['HEAD', '/hooks/slack?mode=subscribe&challenge=x', 200, undefined],
    ['HEAD', '/hooks/missing', 404, undefined],
    ['HEAD', '*', 400, undefined],
    ['OPTIONS', '*', 204, 'POST, GET, PUT, DELETE, PATCH, HEAD, OPTIONS'],
    ['OPTIONS', '/', 204, POST],
    ['OPTIONS', '/append/chain/default', 204, POST],
    ['OPTIONS', '/append/chain/missing', 204, POST],
    ['OPTIONS', 'http://a/append/chain/default', 204, POST],
    ['OPTIONS', '/hooks/slack', 204, 'POST, GET, HEAD, OPTIONS'],
    ['OPTIONS', '/hooks/put', 204, 'PUT, DELETE, PATCH, POST, HEAD, OPTIONS'],
    ['OPTIONS', '/nothing', 404, undefined],
    ['OPTIONS', '/append/chain/a/b', 404, undefined],
    ['GET', '/', 405, POST],
    ['GET', '/append/chain/default', 405, POST],
    ['GET', '/hooks/slack', 405, POST],
    ['GET', '/hooks/slack?mode=other&challenge=x', 405, POST],
    ['GET', '/hooks/slack?mode=subscribe&challenge=x', 200, undefined],
    ['GET', '/nothing', 404, undefined],
    ['PUT', '/', 405, POST],
    ['DELETE', '/append/chain/default', 405, POST],
    ['PATCH', '/hooks/slack', 405, 'POST, GET, HEAD, OPTIONS'],
    ['POST', '/hooks/put', 405, 'PUT, DELETE, PATCH, HEAD, OPTIONS'],
    ['TRACE', '/', 405, POST],
    ['QUERY', '/', 405, POST],
    ['PROPFIND', '/append/chain/default', 405, POST],
    ['POST', '*', 400, undefined],
    ['GET', '*', 400, undefined],
    ['POST', 'ftp://a/append/chain/default', 400, undefined],
    ['POST', '//append/chain/default', 404, undefined],
    ['POST', '/append/chain/%zz', 400, undefined],
    ['POST', '/append/chain/my chain', 400, undefined],
  ])('%s %s is %d, Allow: %s', async (method, target, status, allow) => {
    await using server = await startCapture({ routes });
    const answer = await raw(server.port, line(method, target, method === 'POST' ? 'content-length: 0\r\n' : ''), true);
    expect([statusOf(answer), headerOf(answer, 'allow')]).toEqual([String(status), allow]);
    if (status >= 400 && method !== 'HEAD')
      expect(JSON.parse(bodyOf(answer))).toMatchObject({ status, detail: expect.stringMatching(/\w+ .*\.$/) });
    if (method === 'HEAD' || status === 204) expect(bodyOf(answer)).toBe('');
    expect(await server.ingress()).toEqual([]);
  });

  test('without a token it does not show which chains there are', async () => {
    await using server = await startCapture({ tokens: [TOKEN] });
    const heads = [];
    for (const chain of ['default', 'missing'])
      for (const headers of [{}, { 'x-token': 'wrong' }, { 'x-token': TOKEN }] as Record<string, string>[])
        heads.push((await ask(server.url, 'HEAD', `/append/chain/${chain}`, headers)).status);
    expect(heads).toEqual([401, 401, 200, 401, 401, 404]);
    expect((await ask(server.url, 'OPTIONS', '/append/chain/missing')).status).toBe(204);
  });

  test('rules of types and digests ask nothing of a request without a body; those of addresses and limits do', async () => {
    await using server = await startCapture({ routes, allowMimes: ['application/json'], throttleIp: '3/h' });
    expect((await ask(server.url, 'HEAD', '/')).status).toBe(200);
    expect((await ask(server.url, 'GET', '/hooks/slack?mode=subscribe&challenge=x')).status).toBe(200);
    expect((await ask(server.url, 'OPTIONS', '/')).status).toBe(204);
    expect((await ask(server.url, 'HEAD', '/')).status).toBe(429);
    await using blocked = await startCapture({ blockIps: ['127.0.0.0/8'] });
    expect((await ask(blocked.url, 'OPTIONS', '/')).status).toBe(403);
  });

  test('a store that is away is 503 for HEAD, not 404', async () => {
    await using server = await startCapture({ confirmTimeout: 50 });
    server.store.find = () => new Promise(() => {});
    const answer = await ask(server.url, 'HEAD', '/append/chain/missing');
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '2']);
  });
});

describe('a page of a browser', () => {
  const preflight = { origin: shop, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' };
  test('of a listed origin may send, and read receipts and problems', async () => {
    await using server = await startCapture({ corsOrigins: [shop], tokens: [TOKEN] });
    // fetch may not send these headers.
    const asked = Object.entries(preflight)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('');
    const answer = await raw(server.port, line('OPTIONS', '/append/chain/default', asked), true);
    expect([statusOf(answer), headerOf(answer, 'access-control-allow-origin'), headerOf(answer, 'access-control-allow-methods')]).toEqual([
      '204',
      shop,
      'POST, HEAD, OPTIONS',
    ]);
    for (const [token, status] of [
      [TOKEN, 201],
      ['wrong', 401],
    ] as const) {
      const posted = await raw(server.port, line('POST', '/', `origin: ${shop}\r\nx-token: ${token}\r\ncontent-length: 0\r\n`), true);
      expect([statusOf(posted), headerOf(posted, 'access-control-allow-origin'), headerOf(posted, 'vary')]).toEqual([
        String(status),
        shop,
        'Origin',
      ]);
      expect(headerOf(posted, 'access-control-expose-headers')).toContain('Retry-After');
    }
    const missing = await raw(server.port, line('POST', '/nothing', `origin: ${shop}\r\ncontent-length: 0\r\n`), true);
    expect([statusOf(missing), headerOf(missing, 'access-control-allow-origin')]).toEqual(['404', shop]);
    const large = await raw(server.port, line('POST', '/', `origin: ${shop}\r\nx-token: ${TOKEN}\r\ncontent-length: 99999999999\r\n`));
    expect([statusOf(large), headerOf(large, 'access-control-allow-origin')]).toEqual(['413', shop]);
  });

  test('of another origin, or where none is set, gets no headers', async () => {
    for (const given of [{}, { corsOrigins: [shop] }]) {
      await using server = await startCapture(given);
      const answer = await raw(server.port, line('POST', '/', 'origin: https://other.example\r\ncontent-length: 0\r\n'), true);
      expect([statusOf(answer), headerOf(answer, 'access-control-allow-origin')]).toEqual(['201', undefined]);
    }
  });
});

test('a sender of CloudEvents gets a yes, with the rate that the limits allow, and its callback is not called', async () => {
  await using server = await startCapture({ throttleIp: '2/s' });
  const asked =
    'WebHook-Request-Origin: eventgrid.azure.net\r\nWebHook-Request-Rate: 1000\r\nWebHook-Request-Callback: http://127.0.0.1:1/x\r\n';
  const answer = await raw(server.port, line('OPTIONS', '/append/chain/default', asked), true);
  expect([
    statusOf(answer),
    headerOf(answer, 'webhook-allowed-origin'),
    headerOf(answer, 'webhook-allowed-rate'),
    headerOf(answer, 'allow'),
  ]).toEqual(['200', 'eventgrid.azure.net', '120', 'POST, HEAD, OPTIONS']);
  await using strict = await startCapture({ webhookOrigins: ['other.example'] });
  const refused = await raw(strict.port, line('OPTIONS', '/', asked), true);
  expect([statusOf(refused), headerOf(refused, 'webhook-allowed-origin')]).toEqual(['204', undefined]);
});

describe('a route of the table', () => {
  test('that takes a token in its URL names the parameter where the token is missing', async () => {
    await using server = await startCapture({ routes });
    const answer = await ask(server.url, 'POST', '/hooks/trello/board', { 'content-type': 'application/json' }, '{}');
    expect([answer.status, await answer.json()]).toEqual([
      401,
      expect.objectContaining({ code: 'ACCESS_REQUIRED', fix: expect.stringContaining('query parameter shop-id') }),
    ]);
  });

  test('captures to its chain, and answers with the first response that fits, else with the receipt', async () => {
    await using server = await startCapture({ routes });
    const post = (body: string) => ask(server.url, 'POST', '/hooks/slack?x=1', {}, body);
    const verified = await post('{"type": "url_verification", "challenge": "3eZbrw1a"}');
    expect([
      verified.status,
      verified.headers.get('content-type'),
      verified.headers.get('x-content-type-options'),
      await verified.text(),
    ]).toEqual([200, 'text/plain; charset=utf-8', 'nosniff', '3eZbrw1a']);
    expect((await post('{"type": "quiet"}')).status).toBe(204);
    const event = await post('{"type": "event"}');
    expect([event.status, await event.json()]).toMatchObject([201, { chain: server.chains.default }]);
    // A body that is not JSON fits none.
    expect((await post('type=quiet')).status).toBe(201);
    const messages = (await server.ingress()).filter(({ meta }) => meta.about === undefined);
    expect(messages.map(({ meta }) => meta.chain)).toEqual(Array(4).fill(server.chains.default));
    expect(await server.metrics()).toContain('blockhub_capture_requests_total{status="204"} 1');
  });

  test('counts what it captured, whatever it answers with, and nothing else', async () => {
    await using server = await startCapture({ routes });
    expect((await ask(server.url, 'POST', '/hooks/slack', {}, '{"type": "quiet"}')).status).toBe(204);
    expect((await ask(server.url, 'GET', '/hooks/slack?mode=subscribe&challenge=x')).status).toBe(200);
    expect((await ask(server.url, 'OPTIONS', '/hooks/slack')).status).toBe(204);
    expect(await server.metrics()).toContain('blockhub_capture_taken_total{safe_in="broker"} 1');
  });

  test('answers no challenge before the event is durable', async () => {
    await using server = await startCapture({ routes, confirmTimeout: 50 }, (broker) => {
      broker.publish = () => new Promise(() => {});
      return broker;
    });
    const answer = await ask(server.url, 'POST', '/hooks/slack', {}, '{"type": "url_verification", "challenge": "x"}');
    expect([answer.status, (await answer.json()) as object]).toMatchObject([503, { code: 'CAPTURE_UNCONFIRMED' }]);
  });

  test('answers GET and HEAD without capture', async () => {
    await using server = await startCapture({ routes });
    const answer = await ask(server.url, 'GET', '/hooks/slack?mode=subscribe&challenge=%3Cscript%3E');
    expect([
      answer.status,
      answer.headers.get('x-mode'),
      answer.headers.get('x-content-type-options'),
      answer.headers.get('cache-control'),
      await answer.text(),
    ]).toEqual([200, 'subscribe', 'nosniff', 'no-store', '<script>']);
    expect((await ask(server.url, 'HEAD', '/hooks/slack?mode=subscribe&challenge=x')).headers.get('content-length')).toBe('1');
    expect(await server.ingress()).toEqual([]);
  });

  test('captures the methods that it names, and answers others by a response alone', async () => {
    await using server = await startCapture({ routes });
    for (const method of ['PUT', 'PATCH', 'DELETE']) expect((await ask(server.url, method, '/hooks/put', {}, method)).status).toBe(201);
    expect((await server.ingress()).map(({ body }) => body.toString())).toEqual(['PUT', 'PATCH', 'DELETE']);
    const pong = await ask(server.url, 'POST', '/hooks/put', {}, '{"ping": true}');
    expect([pong.status, await pong.text()]).toEqual([200, 'pong']);
    expect((await ask(server.url, 'POST', '/hooks/put', {}, '{"ping": false}')).status).toBe(405);
    expect((await server.ingress()).length).toBe(3);
  });

  test('has rules of its own, and takes a token in the URL that is stored nowhere', async () => {
    await using server = await startCapture({ routes });
    const json = { 'content-type': 'application/json' };
    const post = (path: string, headers: Record<string, string> = json) => ask(server.url, 'POST', path, headers, '{}');
    expect((await post('/hooks/trello/b')).status).toBe(401);
    expect((await post('/hooks/trello/b?shop-id=wrong')).status).toBe(401);
    expect((await post(`/hooks/trello/b?shop-id=${TOKEN}&shop-id=${TOKEN}`)).status).toBe(401);
    expect((await post(`/hooks/trello/b?shop-id=${TOKEN}`, { 'content-type': 'text/plain' })).status).toBe(415);
    const taken = await post(`/hooks/trello/b?a=%ff&shop-id=${TOKEN}&b`);
    expect([taken.status, taken.headers.get('content-type')]).toEqual([201, 'application/json']);
    expect((await taken.json()) as object).toEqual({ event: expect.stringMatching(/^[0-9a-f-]{36}$/) });
    expect((await post('/hooks/trello/b', { ...json, 'x-token': TOKEN })).status).toBe(201);
    // The name is a secret on every route: a token that was sent to the wrong one is stored
    // neither.
    expect((await post(`/?SHOP-ID=${TOKEN}`)).status).toBe(201);
    const messages = await server.ingress();
    expect(messages[0]?.meta.subject).toBe('token:trello');
    expect(messages.map(({ body, meta }) => body.toString() + JSON.stringify(meta)).join()).not.toContain(TOKEN);
    expect((await ask(server.url, 'HEAD', `/hooks/trello/b?shop-id=${TOKEN}`)).status).toBe(200);
    const hello = await ask(server.url, 'GET', `/hooks/trello/b?shop-id=${TOKEN}&name=you`);
    expect([hello.status, await hello.text()]).toEqual([200, 'hello you']);
    expect((await ask(server.url, 'GET', '/hooks/trello/b?name=you')).status).toBe(401);
  });

  test('whose chain does not exist is warned of, and takes requests when it does', async () => {
    const lines: { route?: string; chain?: string; msg: string }[] = [];
    const log = createLogger({ name: 'web-to-msg', level: 'warn', stream: { write: (text) => lines.push(JSON.parse(text)) } });
    await using server = await startCapture({ routes }, undefined, log);
    while (!lines.some(({ msg }) => msg === 'the chain of a route does not exist')) await new Promise(setImmediate);
    expect(lines.filter(({ msg }) => msg.startsWith('the chain'))).toMatchObject([{ route: '/hooks/missing', chain: 'missing' }]);
    expect((await ask(server.url, 'POST', '/hooks/missing', {}, 'x')).status).toBe(404);
    const { createChain } = await import('@blockhub/writer');
    await createChain(server.store, { name: 'missing', now: Date.now(), random: Math.random });
    let status: number;
    do status = (await ask(server.url, 'POST', '/hooks/missing', {}, 'x')).status;
    while (status === 404);
    expect(status).toBe(201);
  });
});
