import { BlockhubError } from '@blockhub/errors';
import { createMetrics } from '@blockhub/telemetry';
import { expect, test } from '@jest/globals';
import { ruleTest } from '../rules/rule.fixture.ts';
import { normalizePath } from './path.ts';
import { Routes } from './routes.ts';

const table = [
  { path: '/hooks/slack', chain: 'slack' },
  { path: '/hooks/*', chain: 'hooks' },
  { path: '/hooks/deep/*', chain: 'deep' },
  { path: '/Ein Weg/straße', chain: 'street' },
  { path: "/a!$&'()+,;=:@b~c", chain: 'signs' },
  { path: '/one%2Ftwo', chain: 'slash' },
  { path: '/ends/', chain: 'ends' },
  { path: '/100%25', chain: 'percent' },
  { path: '/double//slash', chain: 'double' },
];
const routes = new Routes({ ...(await ruleTest({ routes: JSON.stringify(table) })), metrics: createMetrics() });

/** The chain that a URL means, or the code and text of its fault. */
function meaning(url: string): string {
  try {
    return routes.find(url).chain;
  } catch (error) {
    if (!(error instanceof BlockhubError)) throw error;
    return `${error.code}: ${error.message}`;
  }
}

const id = 'a'.repeat(64);

test.each([
  ['/', 'default'],
  ['/?a=/append/chain/x', 'default'],
  ['/#x', 'default'],
  ['/append/chain/shop', 'shop'],
  [`/append/chain/${id}`, id],
  [`/append/chain/${id.toUpperCase()}`, id.toUpperCase()],
  ['/append/chain/shop?x=1&y=/../', 'shop'],
  ['/append/chain/shop#part', 'shop'],
  ['/append/chain/sh%6Fp', 'shop'],
  ['/append/chain/sha256%3Aabc', 'sha256:abc'],
  ['/append/chain/%20shop', ' shop'],
  ['/append/chain/a.b', 'a.b'],
  ['/%61ppend/chain/shop', 'shop'],
  ['http://host/append/chain/shop', 'shop'],
  ['HTTPS://user:pass@host:8080/append/chain/shop?x', 'shop'],
  ['http://host', 'default'],
  ['http://[::1]:80/', 'default'],
  ['http://host?x=1', 'default'],
  ['/hooks/slack', 'slack'],
  ['/hooks/slack?challenge=x', 'slack'],
  ['/hooks/%73lack', 'slack'],
  ['http://host/hooks/slack', 'slack'],
  ['/hooks/other', 'hooks'],
  ['/hooks/', 'hooks'],
  ['/hooks/a/b', 'hooks'],
  ['/hooks//a', 'hooks'],
  ['/hooks/%ff%zz', 'hooks'],
  ['/hooks/slack/', 'hooks'],
  ['/hooks/deep/x', 'deep'],
  ['/hooks/deeper', 'hooks'],
  ['/Ein%20Weg/stra%C3%9Fe', 'street'],
  ['/Ein%20Weg/stra%c3%9fe', 'street'],
  ['/Ein%20Weg/stra\u00c3\u009fe', 'street'],
  ["/a!$&'()+,;=:@b~c", 'signs'],
  ["/a!$&'()+,;=:@b%7Ec", 'signs'],
  ['/one%2ftwo', 'slash'],
  ['/ends/', 'ends'],
  ['/100%25', 'percent'],
  ['/double//slash', 'double'],
])('%s is the chain %j', (url, chain) => expect(meaning(url)).toBe(chain));

test.each([
  ['*', 'REQUEST_INVALID', 'The target * is for OPTIONS only.'],
  ['ftp://host/append/chain/x', 'REQUEST_INVALID', 'has the scheme ftp; expected a path'],
  ['mailto:a@b', 'REQUEST_INVALID', 'has the scheme mailto'],
  ['http:///append', 'REQUEST_INVALID', 'has no host'],
  ['http://', 'REQUEST_INVALID', 'has no host'],
  ['HTTPS://?x', 'REQUEST_INVALID', 'has no host'],
  ['append/chain/x', 'REQUEST_INVALID', 'must begin with /'],
  ['', 'REQUEST_INVALID', 'must begin with /'],
  ['/append/chain/', 'ROUTE_NOT_FOUND', 'The path has no chain.'],
  ['/append/chain', 'ROUTE_NOT_FOUND', 'The path has no chain.'],
  ['/append/chain?chain=x', 'ROUTE_NOT_FOUND', 'The path has no chain.'],
  ['/append/chains', 'ROUTE_NOT_FOUND', 'The path has no chain.'],
  ['/append', 'ROUTE_NOT_FOUND', 'The path has no chain.'],
  ['/append/', 'ROUTE_NOT_FOUND', 'The path has no chain.'],
  ['/append/chain/a/', 'ROUTE_NOT_FOUND', 'The path ends with a slash.'],
  ['/append/chain/a/b', 'ROUTE_NOT_FOUND', 'further segments after the chain'],
  ['/append/chain/a/b/', 'ROUTE_NOT_FOUND', 'further segments after the chain'],
  ['/append/chain//a', 'ROUTE_NOT_FOUND', 'an empty segment'],
  ['//append/chain/a', 'ROUTE_NOT_FOUND', 'an empty segment'],
  ['/append//chain/a', 'ROUTE_NOT_FOUND', 'an empty segment'],
  ['//', 'ROUTE_NOT_FOUND', 'an empty segment'],
  ['/append/chains/a', 'ROUTE_NOT_FOUND', 'has "chains"'],
  ['/append/a', 'ROUTE_NOT_FOUND', 'must have "chain/"'],
  ['/chain/a', 'ROUTE_NOT_FOUND', 'does not begin with /append'],
  ['/APPEND/CHAIN/a', 'ROUTE_NOT_FOUND', 'case-sensitive'],
  ['/Append/chain/a', 'ROUTE_NOT_FOUND', 'case-sensitive'],
  ['/HOOKS/slack', 'ROUTE_NOT_FOUND', 'case-sensitive'],
  ['/append/chain/.', 'ROUTE_NOT_FOUND', 'a segment . or ..'],
  ['/append/chain/..', 'ROUTE_NOT_FOUND', 'a segment . or ..'],
  ['/append/./chain/a', 'ROUTE_NOT_FOUND', 'a segment . or ..'],
  ['/append/chain/a/../b', 'ROUTE_NOT_FOUND', 'a segment . or ..'],
  ['/append/chain/%2e%2E', 'ROUTE_NOT_FOUND', 'a segment . or ..'],
  ['/hooks/../append/chain/a', 'ROUTE_NOT_FOUND', 'a segment . or ..'],
  ['/hooks/%2e%2e/x', 'ROUTE_NOT_FOUND', 'a segment . or ..'],
  ['/append/chain/a%2Fb', 'CHAIN_NOT_FOUND', 'a / in it'],
  ['/append/chain/..%2f..%2fetc', 'CHAIN_NOT_FOUND', 'a / in it'],
  ['/append%2Fchain%2Fa', 'ROUTE_NOT_FOUND', 'There is no route'],
  ['/append/chain/%zz', 'REQUEST_INVALID', 'The path has "%zz", which is not an escape'],
  ['/append/chain/100%', 'REQUEST_INVALID', 'The path has "%", which is not an escape'],
  ['/append/chain/%4', 'REQUEST_INVALID', 'The path has "%4", which is not an escape'],
  ['/nothing/%4x', 'REQUEST_INVALID', 'The path has "%4x", which is not an escape'],
  ['/append/chain/%ff', 'REQUEST_INVALID', 'not UTF-8'],
  ['/append/chain/%C3', 'REQUEST_INVALID', 'not UTF-8'],
  ['/append/chain/\u00ff', 'REQUEST_INVALID', 'not UTF-8'],
  [`/append/chain/${'x'.repeat(129)}`, 'CHAIN_NOT_FOUND', '129 characters; expected at most 128'],
  [`/append/chain/${'%20'.repeat(5000)}`, 'CHAIN_NOT_FOUND', '5000 characters'],
  ['/append\\chain\\a', 'ROUTE_NOT_FOUND', 'a backslash'],
  ['/append%5cchain', 'ROUTE_NOT_FOUND', 'a backslash'],
  ['/hooks', 'ROUTE_NOT_FOUND', 'There is no route'],
  ['/one/two', 'ROUTE_NOT_FOUND', 'There is no route'],
  ['/favicon.ico', 'ROUTE_NOT_FOUND', 'There is no route'],
  ['/__proto__', 'ROUTE_NOT_FOUND', 'There is no route'],
  ['/Ein%20Weg/stra%C3%9Fe/', 'ROUTE_NOT_FOUND', 'ends with a slash'],
])('%s is %s: …%s', (url, code, text) => {
  const told = meaning(url);
  expect(told).toContain(text);
  expect(told.startsWith(code)).toBe(true);
  expect(told.length).toBeLessThan(250);
});

test.each([
  ['/a%2fb%7e%41', '/a%2Fb~A'],
  ['/%2E%2e', '/..'],
  ['/%', '/%'],
  ['/%2', '/%2'],
  ['/\u00e9', '/%E9'],
  ['/%25%32%46', '/%252F'],
])('%j in its normal form is %j, and stays so', (path, normal) => {
  expect(normalizePath(path)).toBe(normal);
  expect(normalizePath(normal)).toBe(normal);
});
