import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

const folder = mkdtempSync(join(tmpdir(), 'blockhub-bundle-'));
const main = join(folder, 'packages/cli/src/main.js');
const tokenFile = join(folder, 'token');
const credentialsFile = join(folder, 'credentials');
const MADE = { AccessKeyId: 'MADE', SecretAccessKey: 's', Token: 't', Expiration: '2100-01-01T00:00:00Z' };

/** Stands for AWS: it issues keys, and notes with which keys the bucket is requested. */
let aws: Server | undefined;
let url: string;
const asked: string[] = [];

beforeAll(async () => {
  execFileSync(process.execPath, [join(import.meta.dirname, '../../docker/bundle.ts'), folder]);
  writeFileSync(tokenFile, 'token');
  writeFileSync(credentialsFile, '[mine]\naws_access_key_id = FILED\naws_secret_access_key = s\n');
  aws = createServer(async (request, response) => response.writeHead(200).end(await answer(request)));
  aws.listen(0, '127.0.0.1');
  await once(aws, 'listening');
  url = `http://127.0.0.1:${(aws.address() as AddressInfo).port}`;
}, 60_000);

afterAll(() => {
  aws?.close();
  aws?.closeAllConnections();
  rmSync(folder, { recursive: true });
});

async function answer(request: IncomingMessage): Promise<string> {
  const said = await text(request);
  if (said.includes('Action=AssumeRoleWithWebIdentity')) {
    const { Token, ...rest } = MADE;
    const members = Object.entries({ ...rest, SessionToken: Token }).map(([name, value]) => `<${name}>${value}</${name}>`);
    return `<R><AssumeRoleWithWebIdentityResult><Credentials>${members.join('')}</Credentials></AssumeRoleWithWebIdentityResult></R>`;
  }
  const path = request.url ?? '';
  if (path.endsWith('/token')) return 'token';
  if (path.endsWith('/security-credentials/')) return 'role';
  if (path === '/container' || path.endsWith('/role')) return JSON.stringify({ ...MADE, Code: 'Success' });
  asked.push(/Credential=(\w+)/.exec(request.headers.authorization ?? '')?.[1] ?? 'none');
  return '';
}

// The SDK imports these providers on demand, and a bundler may give it a module without exports.
test.each<[from: string, key: string, env: () => Record<string, string>]>([
  ['the environment', 'GIVEN', () => ({ AWS_ACCESS_KEY_ID: 'GIVEN', AWS_SECRET_ACCESS_KEY: 's' })],
  ['a file', 'FILED', () => ({ AWS_PROFILE: 'mine', AWS_SHARED_CREDENTIALS_FILE: credentialsFile })],
  [
    'the token of a service account',
    'MADE',
    () => ({ AWS_ROLE_ARN: 'arn:aws:iam::1:role/r', AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile, AWS_ENDPOINT_URL_STS: url }),
  ],
  ['the agent of its pod', 'MADE', () => ({ AWS_CONTAINER_CREDENTIALS_FULL_URI: `${url}/container` })],
  ['its machine', 'MADE', () => ({ AWS_EC2_METADATA_SERVICE_ENDPOINT: url })],
])(
  'the bundle takes the keys of the store from %s',
  async (_from, key, env) => {
    const loaded = await askStore(env());
    expect(new Set(asked)).toEqual(new Set([key]));
    // The modules of `fetch` and `WebSocket` need 5 MB or more.
    expect(loaded.filter((module) => module.includes('undici'))).toEqual([]);
  },
  60_000,
);

const TELLS = "process.on('exit', () => console.error(JSON.stringify(process.moduleLoadList)))";

/** The modules that Node has loaded at the end. */
async function askStore(env: Record<string, string>): Promise<string[]> {
  asked.length = 0;
  const args = [`--import=data:text/javascript,${TELLS}`, main, 'doctor', 'store', '--store', `${url}/bucket`];
  const options = { env: { HOME: folder, AWS_REGION: 'us-east-1', ...env } };
  const { stderr } = await promisify(execFile)(process.execPath, args, options).catch((error: { readonly stderr: string }) => error);
  return JSON.parse(stderr.trim().split('\n').at(-1) ?? '') as string[];
}
