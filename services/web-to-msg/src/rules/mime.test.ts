import { randomBytes } from 'node:crypto';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { mimeRule } from './mime.ts';
import { headOf, ruleOf, ruleTest, verdictOf } from './rule.fixture.ts';

const bytes = {
  png: Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'),
  exe: Buffer.from(`4d5a${'00'.repeat(80)}`, 'hex'),
  pdf: Buffer.from('%PDF-1.7\n'),
  html: Buffer.from('\ufeff \n<!DOCTYPE html><p>'),
  script: Buffer.from('<script >alert(1)</script>'),
  svg: Buffer.from('<?xml version="1.0"?><!-- x --><svg xmlns="http://www.w3.org/2000/svg"/>'),
  xml: Buffer.from('<?xml version="1.0"?><a/>'),
  json: Buffer.from('{"a":1}'),
  text: Buffer.from('hello <html>'),
  gzip: gzipSync('{"a":1}'),
  empty: Buffer.alloc(0),
  zipBomb: Buffer.concat([Buffer.from('504b0304', 'hex'), Buffer.alloc(5000, 0xff)]),
};

test('is off without lists', async () => {
  expect(mimeRule(await ruleTest())).toBeUndefined();
});

describe('the declared type', () => {
  test.each([
    [['text/plain'], [], 'text/plain', 'passed'],
    [['text/plain'], [], 'TEXT/Plain ; charset=utf-8', 'passed'],
    [['text/plain'], [], 'text/plain\t;x', 'passed'],
    [['Text/*'], [], 'text/csv', 'passed'],
    [['text/*'], [], 'textual/csv', 'OBJECT_INVALID_MIME'],
    [['text/plain'], [], 'text/plainer', 'OBJECT_INVALID_MIME'],
    [['text/plain'], [], 'application/json; a=text/plain', 'OBJECT_INVALID_MIME'],
    [['text/plain'], [], undefined, 'OBJECT_INVALID_MIME'],
    [['application/octet-stream'], [], undefined, 'passed'],
    [[], ['text/html'], 'text/html', 'OBJECT_INVALID_MIME'],
    [[], ['text/html'], 'TEXT/HTML;', 'OBJECT_INVALID_MIME'],
    [[], ['text/html'], '\ttext/html ', 'OBJECT_INVALID_MIME'],
    [['text/*'], ['text/html'], 'text/html', 'OBJECT_INVALID_MIME'],
    [['text/*'], ['text/html'], 'text/css', 'passed'],
    [[], ['*/*'], 'a/b', 'OBJECT_INVALID_MIME'],
    [[], ['text/html'], 'text/html\u00a0', 'OBJECT_INVALID_MIME'],
    [[], ['text/html'], 'text / html', 'OBJECT_INVALID_MIME'],
    [[], ['text/html'], 'text/html, text/plain', 'OBJECT_INVALID_MIME'],
    [[], ['text/html'], 'text/html\u0000', 'OBJECT_INVALID_MIME'],
    [[], ['text/html'], 'text', 'OBJECT_INVALID_MIME'],
    [['text/plain'], [], '', 'OBJECT_INVALID_MIME'],
    [['text/plain'], [], 'text/plain; charset="a;b, text/html"', 'passed'],
    [['text/*'], [], `text/${'x'.repeat(200)}`, 'OBJECT_INVALID_MIME'],
  ])('allow %j, block %j: %p is %s', async (allowMimes, blockMimes, type, expected) => {
    const rule = await ruleOf(mimeRule, { allowMimes, blockMimes });
    expect(await verdictOf(() => rule.head?.(headOf(type === undefined ? {} : { 'content-type': type })))).toBe(expected);
  });

  test('two headers are refused: a proxy may have judged by the other', async () => {
    const rule = await ruleOf(mimeRule, { blockMimes: ['text/html'] });
    const head = headOf({ 'content-type': 'text/plain' }, { rawHeaders: ['Content-Type', 'text/plain', 'CONTENT-TYPE', 'text/html'] });
    expect(rule.head?.(head)).toMatchObject({
      code: 'OBJECT_INVALID_MIME',
      message: expect.stringContaining('got "text/plain" and "text/html"'),
    });
  });

  test.each(['json', ';', 'text/html, text/plain', 'text/ü', '{"a":1}'])('a refusal names %j, which is none', async (type) => {
    for (const lists of [{ allowMimes: ['*/*'] }, { blockMimes: ['text/html'] }]) {
      const rule = await ruleOf(mimeRule, lists);
      expect(rule.head?.(headOf({ 'content-type': type }))).toMatchObject({
        code: 'OBJECT_INVALID_MIME',
        status: 415,
        message: `The Content-Type header has no MIME type: expected one such as text/plain, got ${JSON.stringify(type)}.`,
      });
    }
  });

  test('a coding that cannot be undone is refused before the body is read', async () => {
    const rule = await ruleOf(mimeRule, { allowMimes: ['*/*'] });
    expect(rule.head?.(headOf({ 'content-encoding': 'gzip, compress' }))).toMatchObject({
      code: 'CODING_UNKNOWN',
      message: expect.stringContaining('got "compress"'),
    });
    expect(rule.head?.(headOf({ 'content-encoding': 'x-gzip, identity' }))).toBeUndefined();
  });
});

describe('the sniffed type', () => {
  test.each<[keyof typeof bytes, string | undefined]>([
    ['png', 'image/png'],
    ['exe', 'application/x-msdownload'],
    ['pdf', 'application/pdf'],
    ['html', 'text/html'],
    ['script', 'text/html'],
    ['svg', 'image/svg+xml'],
    ['xml', 'application/xml'],
    ['gzip', 'application/gzip'],
    ['json', undefined],
    ['text', undefined],
    ['empty', undefined],
  ])('of %s is %s', async (which, sniffed) => {
    const rule = await ruleOf(mimeRule, { sniffMimes: true });
    const found = await rule.body?.(headOf(), bytes[which]);
    expect(found).toEqual(sniffed === undefined ? undefined : { sniffed });
  });

  test.each<[string[], string[], string, keyof typeof bytes, unknown]>([
    [[], [], 'image/png', 'png', { sniffed: 'image/png' }],
    [[], [], 'text/plain', 'png', { sniffed: 'image/png', mimeMismatch: true }],
    [['image/*'], [], 'image/png', 'exe', 'OBJECT_INVALID_MIME'],
    [['image/png', 'image/jpeg'], [], 'image/jpeg', 'png', { sniffed: 'image/png', mimeMismatch: true }],
    [['text/plain'], [], 'text/plain', 'html', 'OBJECT_INVALID_MIME'],
    [[], ['text/html'], 'text/plain', 'script', 'OBJECT_INVALID_MIME'],
    [[], ['image/svg+xml'], 'image/png', 'svg', 'OBJECT_INVALID_MIME'],
    [['application/json'], [], 'application/json', 'json', undefined],
    [['application/json'], [], 'application/json', 'gzip', 'OBJECT_INVALID_MIME'],
  ])('allow %j, block %j, declared %s, in truth %s', async (allowMimes, blockMimes, type, which, expected) => {
    const rule = await ruleOf(mimeRule, { allowMimes, blockMimes, sniffMimes: true });
    const verdict = await rule.body?.(headOf({ 'content-type': type }), bytes[which]);
    if (typeof expected === 'string') expect(verdict).toMatchObject({ code: expected });
    else expect(verdict).toEqual(expected);
  });

  test.each<[string, Buffer, string, unknown]>([
    ['gzip', gzipSync(bytes.png), 'image/png', { sniffed: 'image/png' }],
    ['gzip', gzipSync(bytes.png), 'text/plain', { sniffed: 'image/png', mimeMismatch: true }],
    ['x-gzip', gzipSync(bytes.json), 'application/json', undefined],
    ['deflate', deflateSync(bytes.exe), 'text/plain', 'OBJECT_INVALID_MIME'],
    ['deflate', deflateRawSync(bytes.exe), 'text/plain', 'OBJECT_INVALID_MIME'],
    ['br', brotliCompressSync(bytes.exe), 'text/plain', 'OBJECT_INVALID_MIME'],
    ['zstd', zstdCompressSync(bytes.exe), 'text/plain', 'OBJECT_INVALID_MIME'],
    ['gzip, br', brotliCompressSync(gzipSync(bytes.exe)), 'text/plain', 'OBJECT_INVALID_MIME'],
    ['identity', bytes.exe, 'text/plain', 'OBJECT_INVALID_MIME'],
    ['gzip', Buffer.alloc(0), 'text/plain', undefined],
    ['gzip', bytes.text, 'text/plain', 'CODING_BROKEN'],
    ['gzip', gzipSync(bytes.text).subarray(0, 20), 'text/plain', 'CODING_BROKEN'],
    ['gzip', gzipSync(Buffer.alloc(3_000_000, 'x')), 'text/plain', 'CODING_TOO_LARGE'],
    ['gzip', gzipSync(Buffer.alloc(1_000_000, 'x')), 'text/plain', undefined],
    ['gzip', gzipSync(randomBytes(2_200_000)), 'text/plain', 'CODING_TOO_LARGE'],
  ])('inside of %s', async (coding, body, type, expected) => {
    const rule = await ruleOf(mimeRule, { blockMimes: ['application/x-msdownload'], decodeLimit: 2_100_000, decodeRatio: 100 });
    const head = headOf({ 'content-type': type, 'content-encoding': coding });
    expect(rule.head?.(head)).toBeUndefined();
    const verdict = await rule.body?.(head, body);
    if (typeof expected === 'string') expect(verdict).toMatchObject({ code: expected, status: 415 });
    else expect(verdict).toEqual(expected);
    // Without a list nothing is refused.
    const noting = await ruleOf(mimeRule, { sniffMimes: true });
    expect(noting.head?.(head)).toBeUndefined();
    expect(await noting.body?.(head, body)).not.toBeInstanceOf(Error);
  });

  test('of many bombs at once each is refused', async () => {
    const rule = await ruleOf(mimeRule, { allowMimes: ['*/*'] });
    const head = headOf({ 'content-encoding': 'gzip' });
    const bomb = gzipSync(Buffer.alloc(20_000_000));
    const verdicts = await Promise.all(Array.from({ length: 20 }, () => rule.body?.(head, bomb)));
    expect(new Set(verdicts.map((verdict) => (verdict as { code?: string }).code))).toEqual(new Set(['CODING_TOO_LARGE']));
  });

  test('broken and huge bodies are no harm', async () => {
    const rule = await ruleOf(mimeRule, { sniffMimes: true });
    for (const start of ['504b0304', '3026b2758e66cf11a6d900aa0062ce6c', '1a45dfa3', '494433', '4f676753', 'fffb', '424d']) {
      const verdict = await rule.body?.(headOf(), Buffer.concat([Buffer.from(start, 'hex'), Buffer.alloc(1_000_000, 0xff)]));
      expect([undefined, expect.any(String)]).toContainEqual((verdict as { sniffed?: string } | undefined)?.sniffed);
    }
  });
});

test('every pattern that is none is a mistake', async () => {
  const test = await ruleTest({ allowMimes: ['text', 'text/plain', '*/html', ''], blockMimes: ['text/plain;charset=x', 'image/*'] });
  mimeRule(test);
  expect(test.mistakes).toEqual([
    expect.stringContaining('allowMimes: "text"'),
    expect.stringContaining('allowMimes: "*/html"'),
    expect.stringContaining('allowMimes: ""'),
    expect.stringContaining('blockMimes: "text/plain;charset=x"'),
  ]);
});
