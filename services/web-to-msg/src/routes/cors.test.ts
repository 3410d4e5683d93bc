import { describe, expect, test } from '@jest/globals';
import { Cors } from './cors.ts';

function corsOf(origins: readonly string[]): { cors: Cors; mistakes: string[] } {
  const mistakes: string[] = [];
  const cors = Cors.of(origins, (what) => mistakes.push(what));
  if (!cors) throw new Error('no origins');
  return { cors, mistakes };
}
const allowed = (origins: readonly string[], origin: string | undefined): unknown[] => {
  const headers = corsOf(origins).cors.answer({ origin });
  return [headers['access-control-allow-origin'], headers['access-control-allow-credentials'], headers.vary];
};

const shop = 'https://shop.example.com';

test('without origins there is nothing to say', () => expect(Cors.of([], () => {})).toBeUndefined());

test.each([
  [[shop], shop, [shop, 'true', 'Origin']],
  [['https://SHOP.example.com:443/'], shop, [shop, 'true', 'Origin']],
  [['http://localhost:3000'], 'http://localhost:3000', ['http://localhost:3000', 'true', 'Origin']],
  [['http://[::1]:3000'], 'http://[::1]:3000', ['http://[::1]:3000', 'true', 'Origin']],
  [['chrome-extension://abcdef'], 'chrome-extension://abcdef', ['chrome-extension://abcdef', 'true', 'Origin']],
  [['https://b\u00fccher.example'], 'https://xn--bcher-kva.example', ['https://xn--bcher-kva.example', 'true', 'Origin']],
  [[shop], 'https://shop.example.com.evil.example', [undefined, undefined, 'Origin']],
  [[shop], 'https://evil.example/https://shop.example.com', [undefined, undefined, 'Origin']],
  [[shop], 'http://shop.example.com', [undefined, undefined, 'Origin']],
  [[shop], 'https://shop.example.com:8443', [undefined, undefined, 'Origin']],
  [[shop], `${shop}, ${shop}`, [undefined, undefined, 'Origin']],
  [[shop], 'null', [undefined, undefined, 'Origin']],
  [[shop], '*', [undefined, undefined, 'Origin']],
  [[shop], undefined, [undefined, undefined, 'Origin']],
  [['null'], 'null', ['null', undefined, 'Origin']],
  [['*'], shop, ['*', undefined, undefined]],
  [['*'], 'null', [undefined, undefined, undefined]],
  [['*'], undefined, [undefined, undefined, undefined]],
  [['*', 'null'], 'null', ['null', undefined, 'Origin']],
  [['*', shop], shop, [shop, 'true', 'Origin']],
  [['*', shop], 'https://other.example', ['*', undefined, 'Origin']],
])('of %j, the origin %j gets %j', (origins, origin, headers) => expect(allowed(origins, origin)).toEqual(headers));

test.each([
  'shop.example.com',
  'https://*.example.com',
  'https://shop.example.com/path',
  'https://shop.example.com?x',
  'https://user@shop.example.com',
  'https://',
  'https:shop',
  'file:///',
  '**',
])('%s is not an origin', (origin) =>
  expect(corsOf([origin]).mistakes).toEqual([expect.stringContaining('is not an origin; expected only a scheme, host and port')]),
);

describe('a preflight', () => {
  const preflight = (origins: readonly string[], headers: Record<string, string>) =>
    corsOf(origins).cors.preflight({ origin: shop, 'access-control-request-method': 'POST', ...headers }, 'POST, HEAD');

  test('gets methods, the headers that it asked for, and for how long', () => {
    expect(preflight([shop], { 'access-control-request-headers': 'content-type,authorization' })).toEqual({
      vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network',
      'access-control-allow-origin': shop,
      'access-control-allow-credentials': 'true',
      'access-control-allow-methods': 'POST, HEAD',
      'access-control-allow-headers': 'content-type,authorization',
      'access-control-max-age': '600',
    });
  });

  test('of another origin gets nothing', () => {
    expect(Object.keys(preflight([shop], { origin: 'https://other.example' }))).toEqual(['vary']);
  });

  test('may reach a private network', () => {
    expect(preflight(['*'], { 'access-control-request-private-network': 'true' })).toMatchObject({
      'access-control-allow-origin': '*',
      'access-control-allow-private-network': 'true',
    });
  });

  test.each(['a b', 'x:y', '', 'a,,b', `x${',x'.repeat(2000)}`])('that asks for %j as headers gets none of it back', (asked) => {
    expect(preflight([shop], { 'access-control-request-headers': asked })['access-control-allow-headers']).toBeUndefined();
  });
});
