import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { openStore, type Store } from '@blockhub/store';
import { type HydratedBlob, readBlobs, verifyChain, walk } from '@blockhub/walker';
import { createChain } from '@blockhub/writer';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { freePort, quiet, type Standalone, startStandalone } from '../standalone/standalone.ts';
import { type Answer, type HttpFile, headerOf, readHttpFile, send } from './http-file.ts';
import { type ReverseProxy, startProxy } from './proxy.ts';
import { type Sender, senders } from './senders.ts';

/** The settings, routes and requests of docs/guides/senders.md, sent through a proxy. */

const top = resolve(import.meta.dirname, '../..');
const guide = readFileSync(join(top, 'docs/guides/senders.md'), 'utf8');
const blocks = (language: string): string[] =>
  [...guide.matchAll(/^( *)```(\w+)\n([\s\S]*?)^ *```/gm)].filter(([, , one]) => one === language).map(([, , , text = '']) => text);
const scripts = blocks('sh');
const scriptWith = (part: string): string => scripts.find((script) => script.includes(part)) ?? '';
const routes = blocks('json').flatMap((text) => JSON.parse(text) as Route | Route[]);

interface Route {
  readonly path: string;
  readonly chain: string;
}

const REQUEST_MIME = 'application/vnd.blockhub.request+json';
const LOCAL = '127.0.0.1';

let folder: string;
let data: string;
let mesh: Standalone;
let proxy: ReverseProxy;
let store: Store;
const tokens = new Map<string, string>();
const events = new Map<string, string>();

/** The settings of the guide, with files and addresses of this test. */
function settings(): Record<string, string> {
  const lines = scriptWith('BLOCKHUB_ROUTES=').trim().split('\n');
  const env = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
  writeFileSync(join(folder, 'routes.json'), JSON.stringify(routes));
  return {
    ...env,
    BLOCKHUB_ROUTES: join(folder, 'routes.json'),
    BLOCKHUB_TOKENS_FILE: join(folder, 'tokens'),
    BLOCKHUB_TRUSTED_PROXIES: LOCAL,
  };
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'blockhub-senders-'));
  data = join(folder, 'data');
  const openssl = `openssl() { head -c "$3" /dev/urandom | od -An -tx1 | tr -d ' \\n'; }`;
  execFileSync('sh', ['-euc', `${openssl}\n${scriptWith('> tokens')}`], { cwd: folder });
  chmodSync(join(folder, 'tokens'), 0o600);
  for (const line of readFileSync(join(folder, 'tokens'), 'utf8').trim().split('\n')) {
    const [token = '', name = ''] = line.split(';name=');
    tokens.set(name, token);
  }
  const created = execFileSync('sh', ['-euc', `blockhub() { echo "$2"; }\n${scriptWith('blockhub create')}`], { encoding: 'utf8' });
  store = await openStore(`file://${data}/store`);
  for (const name of created.trim().split('\n')) await createChain(store, { name, now: Date.now(), random: Math.random });
  const ports = { port: await freePort(), probePort: await freePort() };
  mesh = await startStandalone(data, ports, ['--group-ttl', '200ms'], settings());
  proxy = await startProxy(new URL(mesh.url));
});

afterAll(async () => {
  mesh?.process.kill('SIGKILL');
  await mesh?.ended;
  await proxy?.[Symbol.asyncDispose]();
  await store?.close();
  rmSync(folder, { recursive: true });
});

/** The token of the chain of this route. */
const tokenOf = ({ target }: HttpFile): string | undefined =>
  tokens.get(routes.find(({ path }) => path === target.replace(/\?.*$/, ''))?.chain ?? '');
const sendFile = (name: string, peer: string, more: readonly string[] = [], port = proxy.port): Promise<Answer> => {
  const file = readHttpFile(name);
  return send(file, { port, peer, token: tokenOf(file), more });
};

test('each sender has a section, a route and a chain, and each request is sent', () => {
  const names = senders.map(({ name }) => name);
  expect(new Set(routes.map(({ chain }) => chain))).toEqual(new Set(names));
  for (const { path, chain } of routes) expect([path, path]).toContain(chain === 'others' ? path : `/hooks/${chain}`);
  expect([...guide.matchAll(/^## (.*)$/gm)].map(([, title]) => title)).toEqual([
    'Before the first sender',
    ...senders.map(({ title }) => title),
    'A reverse proxy',
  ]);
  const files = readdirSync(join(import.meta.dirname, 'senders')).map((file) => file.replace(/\.http$/, ''));
  expect([...new Set(senders.flatMap(({ steps }) => steps.map(({ file }) => file)))].toSorted()).toEqual(files.toSorted());
});

describe.each(senders.map((sender): [string, Sender] => [sender.title, sender]))('%s', (_, { peer, steps }) => {
  test.each(steps.map((step, n) => [`${n + 1}. ${step.file}`, step] as const))('%s', async (__, { file, status, headers, body }) => {
    const answer = await sendFile(file, peer);
    expect([answer.status, answer.body]).toEqual([status, body ?? expect.any(String)]);
    expect(answer.headers).toMatchObject(headers ?? {});
    if (status !== 201) return;
    const { event } = JSON.parse(answer.body) as { event: string };
    expect(event).toMatch(/^[0-9a-f-]{36}$/);
    // A repeated request is the same event.
    expect(events.get(file) ?? event).toBe(event);
    events.set(file, event);
  });
});

describe('refused', () => {
  const github = '192.30.252.41';
  test.each<[string, string, string, readonly string[], number]>([
    ['an address that the sender does not publish', 'github-ping', '203.0.113.9', [], 403],
    ['an address that the client claims', 'github-ping', '203.0.113.9', ['X-Forwarded-For', github], 403],
    [
      'an address that the client claims, in another form',
      'github-ping',
      '203.0.113.9',
      ['X-Forwarded-For', `"${github}:443", unknown`],
      403,
    ],
  ])('%s', async (_, file, peer, more, status) => {
    expect((await sendFile(file, peer, more)).status).toBe(status);
  });

  test.each(
    senders.filter(({ name }) => name !== 'browser').map(({ name, peer, steps }) => [name, peer, steps.at(-1)?.file ?? ''] as const),
  )('%s without its token, and with another one', async (_, peer, name) => {
    const file = readHttpFile(name);
    for (const [target, status] of [
      [file.target.replace('?token={token}', ''), 401],
      [file.target.replace('{token}', 'x'.repeat(48)), 401],
    ] as const)
      expect((await send({ ...file, target }, { port: proxy.port, peer })).status).toBe(status);
  });

  test('pages and CloudEvents senders that are not in the settings', async () => {
    const page = readHttpFile('browser-preflight');
    const other = page.headers.map(([name, value]) => [name, name === 'Origin' ? 'https://evil.example.com' : value] as const);
    expect((await send({ ...page, headers: other }, { port: proxy.port, peer: '198.51.100.7' })).headers).not.toHaveProperty(
      'access-control-allow-origin',
    );
    const hook = readHttpFile('cloudevents-options');
    const asking = hook.headers.map(([name, value]) => [name, name === 'WebHook-Request-Origin' ? 'evil.example.com' : value] as const);
    const answer = await send({ ...hook, headers: asking }, { port: proxy.port, peer: '20.42.0.1', token: tokens.get('eventgrid') });
    expect(answer.headers).not.toHaveProperty('webhook-allowed-origin');
  });

  test.each([
    ['at another path', '/hooks/trelo?token={token}', 404],
    ['without its token', '/hooks/trello', 401],
  ])('a HEAD of Trello %s', async (_, target, status) => {
    const file = readHttpFile('trello-head');
    expect((await send({ ...file, target }, { port: proxy.port, peer: '18.234.32.225', token: tokens.get('trello') })).status).toBe(status);
  });
});

test('a proxy may overwrite X-Forwarded-For', async () => {
  await using other = await startProxy(new URL(mesh.url), 'overwrite');
  expect((await sendFile('github-ping', '192.30.252.41', ['X-Forwarded-For', '203.0.113.9'], other.port)).status).toBe(201);
  expect((await sendFile('github-ping', '203.0.113.9', ['X-Forwarded-For', '192.30.252.41'], other.port)).status).toBe(403);
});

/** All events of a chain with their bytes; bodies and request documents apart. */
async function eventsOf(chain: string): Promise<{ bodies: HydratedBlob[]; documents: HydratedBlob[] }> {
  const blobs: HydratedBlob[] = [];
  for await (const { blocks: some } of walk(store, { chain })) for await (const blob of readBlobs(store, some)) blobs.push(blob);
  const isDocument = ({ receipt }: HydratedBlob): boolean => receipt.meta.mime === REQUEST_MIME;
  return { bodies: blobs.filter((blob) => !isDocument(blob)), documents: blobs.filter(isDocument) };
}

describe('in the chains', () => {
  beforeAll(() => quiet(data));

  test.each(senders.map(({ name, stored }) => [name, stored] as const))('%s: each request once, unchanged', async (name, stored) => {
    const { bodies, documents } = await eventsOf(name);
    const seen = bodies.map(({ bytes, receipt: { meta } }) => ({
      text: bytes?.toString(),
      mime: meta.mime,
      charset: meta.charset,
      coding: meta.coding,
    }));
    const wanted = stored.map(({ file, mime, charset }) => ({
      text: readHttpFile(file).body.toString(),
      mime,
      charset,
      coding: undefined,
    }));
    const key = ({ text, mime }: { text?: string | undefined; mime?: unknown }): string => `${text} ${mime}`;
    expect(seen.toSorted((a, b) => key(a).localeCompare(key(b)))).toEqual(wanted.toSorted((a, b) => key(a).localeCompare(key(b))));
    expect(documents.length).toBe(stored.length);
    expect((await verifyChain(store, name, { level: 'full' })).faults).toEqual([]);
  });

  test.each(senders.map(({ name, peer, stored, redacted, kept }) => [name, { name, peer, stored, redacted, kept }] as const))(
    '%s: request documents have the sender, its address, and no secret',
    async (_, { name, peer, stored, redacted, kept }) => {
      const { documents } = await eventsOf(name);
      for (const { bytes } of documents) {
        const document = JSON.parse(String(bytes));
        expect(document).toMatchObject({ client: { ip: peer }, ...(tokens.has(name) && { subject: `token:${name}` }) });
        const headers = new Map((document.headers as [string, string][]).map(([header, value]) => [header.toLowerCase(), value]));
        const file = stored
          .map((one) => readHttpFile(one.file))
          .find((one) => one.headers.every(([header]) => headers.has(header.toLowerCase())));
        for (const header of redacted) if (headers.has(header)) expect([header, headers.get(header)]).toEqual([header, '[redacted]']);
        for (const header of kept) if (headers.has(header)) expect(headers.get(header)).not.toBe('[redacted]');
        expect(file).toBeDefined();
      }
      const all = documents.flatMap(({ bytes }) =>
        (JSON.parse(String(bytes)).headers as [string][]).map(([header]) => header.toLowerCase()),
      );
      for (const header of [...redacted, ...kept]) expect(all).toContain(header);
    },
  );

  test('secrets of URLs and headers are neither in the data folder nor in the logs', () => {
    const secretHeaders = senders.flatMap(({ redacted, stored }) => {
      const files = stored.map(({ file }) => readHttpFile(file));
      return files.flatMap((file) => redacted.map((header) => headerOf(file, header))).flatMap((value) => value.split(/[,;] ?/));
    });
    const secrets = [...tokens.values(), ...secretHeaders.map((value) => value.replace(/^(?:t|v\d|v0|sha1|sha256|sid)=/, ''))];
    const wanted = secrets.filter((secret) => secret.length >= 16).map((secret) => Buffer.from(secret));
    expect(wanted.length).toBeGreaterThan(20);
    const files = readdirSync(data, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
    expect(files.length).toBeGreaterThan(20);
    const texts = files.map((one) => readFileSync(join(one.parentPath, one.name)));
    for (const bytes of [...texts, Buffer.from(mesh.stdout() + mesh.stderr())])
      for (const secret of wanted) expect([secret.toString(), bytes.includes(secret)]).toEqual([secret.toString(), false]);
  });

  const isThere = spawnSync('sh', ['-c', 'type jq']).status === 0;
  const finds = 'the command of the guide finds the URL that confirms a subscription of SNS';
  if (!isThere) test.skip(`${finds} (there is no jq)`, () => undefined);
  else
    test(finds, () => {
      const cli = `blockhub() { "${process.execPath}" "${join(top, 'packages/cli/src/main.ts')}" "$@" --data "${data}"; }`;
      const found = execFileSync('sh', ['-euc', `${cli}\n${scriptWith('blockhub walk sns')}`], { encoding: 'utf8' });
      const { SubscribeURL } = JSON.parse(readHttpFile('sns-confirmation').body.toString()) as { SubscribeURL: string };
      expect(found).toBe(`${SubscribeURL}\n`);
    });
});
