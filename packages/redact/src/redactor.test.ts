import { describe, expect, test } from '@jest/globals';
import { Redactor } from './index.ts';

const R = '[redacted]';
const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-DEF_123';
const redactor = new Redactor({ names: ['X-My_Thing'], values: ['0123456789shared!'] });

describe('in a request target or a header, secrets are replaced in place', () => {
  test.each([
    // User and password of URLs.
    ['http://user:pass@h/append/chain/a', `http://${R}@h/append/chain/a`],
    ['https://user@h/', `https://${R}@h/`],
    ['amqp://u:p@h:5672/v?x=1', `amqp://${R}@h:5672/v?x=1`],
    ['//user:pass@h/x', `//${R}@h/x`],
    ['http://u:p@ss@h/', `http://${R}@h/`],
    ['http://u:p/ss@h/x', `http://${R}@h/x`],
    ['http://u:p?s#s@h/x', `http://${R}@h/x`],
    ['http://u:p%40ss@h/', `http://${R}@h/`],
    ['http://h/?next=http://u:p@k/', `http://h/?next=http://${R}@k/`],
    ['/login?next=https%3A%2F%2Fu%3Ap%40h%2Fx', `/login?next=https%3A%2F%2F${R}%40h%2Fx`],
    ['/login?next=https%253A%252F%252Fu%253Ap%2540h', `/login?next=https%253A%252F%252F${R}%2540h`],
    ['http:\\\\u:p@h', `http:\\\\${R}@h`],
    ['{"u":"https:\\/\\/u:p@h\\/x"}', `{"u":"https:\\/\\/${R}@h\\/x"}`],
    ['<https://u:p@h/a>; rel="next", <https://h/b>', `<https://${R}@h/a>; rel="next", <https://h/b>`],
    ['see http://a:b@c and http://d:e@f', `see http://${R}@c and http://${R}@f`],
    // Parameters.
    ['/a?token=abc', `/a?token=${R}`],
    ['/a?n=1&token=abc&b', `/a?n=1&token=${R}&b`],
    ['/a?token=abc#top', `/a?token=${R}#top`],
    ['/a#access_token=abc&token_type=bearer', `/a#access_token=${R}&token_type=bearer`],
    ['/a?x=1;token=abc;y=2', `/a?x=1;token=${R};y=2`],
    ['/a?token=abc;def', `/a?token=${R}`],
    ['/a;token=abc/b', `/a;token=${R}`],
    ['/a?token=a=b==', `/a?token=${R}`],
    ['sessionid=abc; csrftoken=def; theme=dark', `sessionid=${R}; csrftoken=${R}; theme=dark`],
    ['password = abc, n = 1', `password = ${R}, n = 1`],
    ['/a?token=', '/a?token='],
    ['/a?token', '/a?token'],
    ['/a?token=&b=1', '/a?token=&b=1'],
    ['/a?token=a%26b', `/a?token=${R}`],
    ['/a?to%6Ben=a%26b%20c%22d&n=1', `/a?to%6Ben=${R}&n=1`],
    ['/a?to%256Ben=a%2526b%23c&n=1', `/a?to%256Ben=${R}&n=1`],
    ['/a?user%5Bpassword%5D=a%26b', `/a?user%5Bpassword%5D=${R}`],
    ['/a?my%2Dthing=1&X%2DMy%5FThing=a%26b', `/a?my%2Dthing=1&X%2DMy%5FThing=${R}`],
    ['/a?token=a"b&n=1', `/a?token=${R}&n=1`],
    ['/a?token="a"b&n=1', `/a?token=${R}&n=1`],
    ["/a?token='a'b", `/a?token=${R}`],
    ['/a?token=a<b`c>d&n', `/a?token=${R}&n`],
    ['/a?token="', '/a?token="'],
    ['<a href="/a?token=b">c</a>', `<a href="/a?token=${R}">c</a>`],
    ['/a?%74oken=abc&n=1', `/a?%74oken=${R}&n=1`],
    ['/a?to%6Ben=abc', `/a?to%6Ben=${R}`],
    ['/a?%2574oken=abc', `/a?%2574oken=${R}`],
    ['/a?%252574oken=abc', `/a?%252574oken=${R}`],
    ['/a?user%5Bpassword%5D=abc', `/a?user%5Bpassword%5D=${R}`],
    ['/a?user[password]=abc&token[]=x', `/a?user[password]=${R}&token[]=${R}`],
    ['/a?redirect=%2Fb%3Ftoken%3Dabc%26n%3D1&z=%ff', `/a?redirect=%2Fb%3Ftoken%3D${R}%26n%3D1&z=%ff`],
    ['/a?jwt=x&pwd=x&session=x&sid=x&code=x&key=x&sig=x', `/a?jwt=${R}&pwd=${R}&session=${R}&sid=${R}&code=${R}&key=${R}&sig=${R}`],
    ['?token=a?token=b', `?token=${R}`],
    ['??token=b', `??token=${R}`],
    ['/a?a=1&&token=x&&', `/a?a=1&&token=${R}&&`],
    ['/a?x-my-thing=1&xmything=2&mything=3', `/a?x-my-thing=${R}&xmything=${R}&mything=3`],
    ['for=1.2.3.4;secret=abc;proto=https', `for=1.2.3.4;secret=${R};proto=https`],
    ['user=a, token="x y, z", b=c', `user=a, token="${R}", b=c`],
    ["password='x y'", `password='${R}'`],
    [
      'Endpoint=sb://h/;SharedAccessKeyName=n;SharedAccessKey=abc=;EntityPath=q',
      `Endpoint=sb://h/;SharedAccessKeyName=n;SharedAccessKey=${R};EntityPath=q`,
    ],
    ['{"user":"a","password":"b\\"c","n":1,"pin":1234}', `{"user":"a","password":"${R}","n":1,"pin":${R}}`],
    ['/a?data=%7B%22token%22%3A%22abc%22%7D', `/a?data=%7B%22token%22%3A%22${R}%22%7D`],
    ['{"tokens":["a]","b"],"n":[1]}', `{"tokens":${R},"n":[1]}`],
    ['{"session":{"id":"a}","b":[{}]},"n":1}', `{"session":${R},"n":1}`],
    ['{"token":["a', `{"token":${R}`],
    ['/a?data=%7B%22token%22%3A%5B%22abc%22%5D%7D', `/a?data=%7B%22token%22%3A${R}%7D`],
    ['{"body":"{\\"token\\":\\"abc\\",\\"pin\\":12,\\"n\\":1}"}', `{"body":"{\\"token\\":\\"${R}\\",\\"pin\\":${R},\\"n\\":1}"}`],
    // By what they are.
    ['Bearer abc', `Bearer ${R}`],
    ['bearer  s3cret, and', `bearer  ${R}, and`],
    ['x=Bearer+abc', `x=Bearer+${R}`],
    ['/a?h=Bearer%20abc.def&n=1', `/a?h=Bearer%20${R}&n=1`],
    ['Basic dXNlcjpwYXNz', `Basic ${R}`],
    ['x=basic dXNlcjpwYXNz, Bearer x', `x=basic ${R}, Bearer ${R}`],
    ['Digest username="a", response="b"', `Digest ${R}`],
    ['Negotiate YIIabc==', `Negotiate ${R}`],
    ['Token 0123456789abcdef0123', `Token ${R}`],
    ['AWS4-HMAC-SHA256 Credential=A/b, Signature=c', `AWS4-HMAC-SHA256 ${R}`],
    [jwt, R],
    [`/confirm/${jwt}/now`, `/confirm/${R}/now`],
    [`a=${jwt}&b=1`, `a=${R}&b=1`],
    ['v1.eyJhbGciOiJub25lIn0.eyJhIjoxfQ.', `v1.${R}`],
    [`x ghp_${'a1B2'.repeat(9)} y`, `x ${R} y`],
    [`github_pat_${'a1B2'.repeat(9)}`, R],
    ['sk_live_4eC39HqLyjWDarjtT1zdp7dc', R],
    ['rk_test_4eC39HqLyjWDarjtT1zdp7dc', R],
    ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', R],
    ['sk-proj-abcdefghijklmnopqrst', R],
    [`sk-${'aB'.repeat(12)}`, R],
    ['xoxb-123456789012-abcdefABCDEF', R],
    ['AKIAIOSFODNN7EXAMPLE', R],
    ['id AKIAIOSFODNN7EXAMPLE.', `id ${R}.`],
    [`AIza${'x'.repeat(35)}`, R],
    [`bh_0123456789abcdef_${'A'.repeat(43)}`, R],
    [`/p/bh_0123456789abcdef_${'A'.repeat(43)}/q`, `/p/${R}/q`],
    ['a 0123456789shared! b', `a ${R} b`],
    ['/a?x=0123456789shared%21', `/a?x=${R}`],
    ['https://hooks.slack.com/services/T0/B0/abc', `https://hooks.slack.com/services/${R}`],
    [`/bot123456789:${'A'.repeat(35)}/send`, `/bot${R}/send`],
    ['-----BEGIN RSA PRIVATE KEY-----MIIabc-----END RSA PRIVATE KEY----- x', `${R} x`],
    ['a -----BEGIN PRIVATE KEY-----MIIabc', `a ${R}`],
    ['k=-----BEGIN%20OPENSSH%20PRIVATE%20KEY-----%0Aabc', `k=${R}`],
  ])('%s', (text, expected) => {
    expect(redactor.text(text)).toBe(expected);
    expect(redactor.text(text)).toBe(expected);
    expect(redactor.header('X-Original-URL', text)).toBe(expected);
  });
});

test.each([
  '/append/chain/a?n=1&flag&flag=&%ff=a%20b+c&&;x',
  '??x',
  'https://h:80/@user/x',
  'https://[2001:db8::1]:80/@user?a=b@c',
  'https://h/a?mail=me@example.com',
  'me@example.com',
  'text/html;q=0.8, */*;q=0.1',
  'multipart/form-data; boundary=----x',
  'for="[2001:db8::7]:443";proto=https;by=10.0.0.1',
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)',
  '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  'Basic plan',
  'Token ring',
  'digest of the news',
  'the key to success',
  'sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:',
  'eyJ is how it begins',
  'sk-no',
  'sk-assessment-of-something-long',
  'xoxo-love',
  'npm_config_registry_url',
  'AKIA',
  'bh_x',
  'a=1&author=me&keyboard=x&max_tokens=5&token_type=bearer',
  '-----BEGIN CERTIFICATE-----MIIabc-----END CERTIFICATE-----',
  'W/"abc", "def"',
  '{"user":"a","count":1}',
  '%',
  '%zz',
  '',
])('%j stays as it is', (text) => {
  expect(redactor.text(text)).toBe(text);
  expect(redactor.header('X-Any', text)).toBe(text);
});

test('a header of a secret name is replaced as a whole, also one that was named', () => {
  expect(redactor.header('Ocp-Apim-Subscription-Key', 'abc')).toBe(R);
  expect(redactor.header('x-my-thing', 'abc')).toBe(R);
  expect(new Redactor().header('x-my-thing', 'abc')).toBe('abc');
  const named = new Redactor({ names: ['customer_no'] });
  for (const name of ['customer_no', 'Customer-No', 'customerNo', 'X-Customer_No', 'x-customer-no'])
    expect(named.header(name, 'abc')).toBe(R);
  expect(named.header('xcustomerno', 'abc')).toBe('abc');
});

test.each([
  ['Host', 'u:p@h:80', `${R}@h:80`],
  ['X-Forwarded-Host', 'u:p@s@h', `${R}@h`],
  ['x-original-host', 'a, u:p@h', `${R}@h`],
  ['Host', 'h:80', 'h:80'],
  ['From', 'me@example.com', 'me@example.com'],
  ['X-To', 'mailto:me@example.com', 'mailto:me@example.com'],
])('user and password before a host: %s: %s', (name, value, expected) => {
  expect(redactor.header(name, value)).toBe(expected);
});

test('in lines of a log only what is sure is replaced, and JSON stays JSON', () => {
  const lines = new Redactor({ lines: true, marker: '[hidden]' });
  const shown = (fields: object): unknown => JSON.parse(lines.text(JSON.stringify(fields)));
  expect(shown({ code: 'STORE_AWAY', key: 'packs/a.pack', session: 'a', msg: 'Send Authorization: Bearer with an API key' })).toEqual({
    code: 'STORE_AWAY',
    key: 'packs/a.pack',
    session: 'a',
    msg: 'Send Authorization: Bearer with an API key',
  });
  expect(shown({ url: 'https://h/a?code=x\ny&token=a"b\\c&n=1', a: `Bearer ${jwt}`, b: jwt, c: 'ghp_0123456789abcdefghij' })).toEqual({
    url: 'https://h/a?code=[hidden]\ny&token=[hidden]"b\\c&n=1',
    a: 'Bearer [hidden]',
    b: '[hidden]',
    c: '[hidden]',
  });
});

test('hostile values take time that grows no faster than they do: quadratic, they would take longer than a test may', () => {
  const parts = [
    '//a:b/',
    'http://',
    '//@',
    'eyJ',
    'eyJ.',
    '-eyJabcdefgh',
    '.eyJabcdefgh',
    'a=',
    'token=',
    ';a',
    '%25',
    '%2525',
    '"a":"',
    '"token":[',
    '"token":"',
    '\\"token\\":',
    'token="a"b',
    "token='",
    'token="',
    'sk-a',
    'xoxb-1',
    'Bearer ',
  ];
  for (const part of [
    ...parts,
    '-----BEGIN PRIVATE KEY-----',
    'xoxb-',
    'xoxb.',
    'x@',
    '=;',
    "'",
    'hooks.slack.com/services/',
    '/bot1',
    'ghp_',
    'wh',
    ' ',
  ])
    redactor.text(part.repeat(Math.ceil(1_000_000 / part.length)));
  redactor.text(`":\\"${'\\'.repeat(1_000_000)}`);
  redactor.text(`":\\"${'\\"a'.repeat(300_000)}${' '.repeat(100_000)}`);
  expect(redactor.text(`${'//a:b/'.repeat(100_000)}?token=abc`)).toMatch(/token=\[redacted\]$/);
});

const own = new Redactor({ names: ['door'], values: ['a-token-of-the-shop'] });

test.each([
  ['/x?door=abc', '/x?door=[redacted]'],
  ['/x?a=%ff&&door=abc&flag&b=', '/x?a=%ff&&door=[redacted]&flag&b='],
  ['/x?D%4FOR=abc', '/x?D%4FOR=[redacted]'],
  ['/x?door=abc&door=def', '/x?door=[redacted]&door=[redacted]'],
  ['http://h/x?door=a=b?c', 'http://h/x?door=[redacted]'],
  ['/x?door', '/x?door'],
  ['/x?indoors=abc', '/x?indoors=abc'],
  ['/x', '/x'],
  ['/x/a-token-of-the-shop?y', '/x/[redacted]?y'],
])('with names and values of its own, %s is kept as %s', (url, kept) => {
  expect(own.text(url)).toBe(kept);
  expect(own.header('referer', `https://shop.example.com${url.replace('http://h', '')}`)).toBe(
    `https://shop.example.com${kept.replace('http://h', '')}`,
  );
});
