import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, type GenerateKeyPairResult, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';
import type { AccessTest } from './access.fixture.ts';

export const AUDIENCE = 'https://capture.example.com';

type Page = (request: IncomingMessage, response: ServerResponse) => void;

/** An issuer of JWTs on a port of its own. */
export interface Issuer extends AsyncDisposable {
  /** With a slash at its end. */
  readonly url: string;
  readonly pages: Map<string, Page>;
  readonly requests: string[];
  publish(keys: readonly unknown[]): void;
}

export const json =
  (body: unknown, status = 200): Page =>
  (_, response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(typeof body === 'string' ? body : JSON.stringify(body));
  };

export async function startIssuer(): Promise<Issuer> {
  const pages = new Map<string, Page>();
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    requests.push(path);
    (pages.get(path) ?? json({}, 404))(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  pages.set('/.well-known/openid-configuration', json({ issuer: url, jwks_uri: `${url}keys` }));
  return {
    url,
    pages,
    requests,
    publish: (keys) => void pages.set('/keys', json({ keys })),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A key pair, and its public half as a set shows it. */
export interface Pair {
  readonly alg: string;
  readonly secret: GenerateKeyPairResult['privateKey'];
  readonly jwk: JWK;
  readonly private: JWK;
}

export async function makePair(alg: string, more: Partial<JWK> = {}): Promise<Pair> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return {
    alg,
    secret: privateKey,
    jwk: { ...(await exportJWK(publicKey)), ...more },
    private: { ...(await exportJWK(privateKey)), ...more },
  };
}

export const claimsOf = (rule: AccessTest, issuer: Issuer, more: JWTPayload = {}): JWTPayload => {
  const now = rule.test.clock.now() / 1000;
  return { iss: issuer.url, aud: AUDIENCE, sub: 'auth0|7', iat: now, exp: now + 3600, ...more };
};

/** Signed by a pair; without a kid unless `header` has one. */
export const sign = ({ alg, secret }: Pair, claims: JWTPayload, header: object = {}): Promise<string> =>
  new SignJWT(claims).setProtectedHeader({ alg, ...header }).sign(secret);

export const bearer = (jwt: string) => ({ authorization: `Bearer ${jwt}` });
