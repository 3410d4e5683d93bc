import { hasCode } from '@blockhub/errors';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CHAIN, take, takeJson, thrownBy } from './fixtures.ts';
import { template } from './template.ts';

const withMeta = (meta: Record<string, string | number | boolean>) => take({ meta });

describe('template', () => {
  test('puts meta, doc and partitions into a text', () => {
    const message = takeJson({ a: { b: 'deep' }, list: [{ id: 7 }], yes: true }, { meta: { chain: CHAIN, 'ce.type': 'order', n: 5 } });
    const show = (text: string): string => template(text).value(message, { partitions: 8 });
    expect(show('{msg.meta.chain}_chain')).toBe(`${CHAIN}_chain`);
    expect(show('{msg.meta.ce.type}/{msg.meta.n}')).toBe('order/5');
    expect(show('x{msg.doc.a.b}y{ msg.doc.list.0.id }z{msg.doc.yes}')).toBe('xdeepy7ztrue');
    expect(show('blobs.grouped.{partition(msg.meta.chain)}')).toMatch(/^blobs\.grouped\.[0-7]$/);
    expect(show('plain')).toBe('plain');
    expect(show('')).toBe('');
  });

  test('names its fields, each once', () => {
    expect(template('{msg.meta.chain}/{partition(msg.meta.chain)}/{msg.doc.a.b}').fields).toEqual(['msg.meta.chain', 'msg.doc.a.b']);
  });

  test.each([
    '{',
    '}',
    'a{b',
    '{}',
    '{msg}',
    '{msg.meta}',
    '{msg.meta.}',
    '{msg.doc.a..b}',
    '{meta.chain}',
    '{{msg.meta.a}}',
    '{partition()}',
    '{partition(7)}',
    '{msg.id}',
    '{process.env.X}',
    'x'.repeat(5000),
  ])('refuses %p when it is compiled', (text) => {
    expect(thrownBy(() => template(text))).toMatchObject({ code: 'TEMPLATE_INVALID' });
  });

  test.each([
    'msg.meta.gone',
    'msg.meta.constructor',
    'msg.meta.__proto__',
    'msg.doc.gone',
    'msg.doc.a.gone.b',
    'msg.doc.a',
    'msg.doc.nothing',
    'msg.doc.constructor.name',
    'msg.doc.text.length',
  ])('says that %s is missing', (field) => {
    const message = takeJson({ a: {}, nothing: null, text: 'x' });
    expect(thrownBy(() => template(`{${field}}`).value(message))).toMatchObject({ code: 'TEMPLATE_FIELD_MISSING', details: { field } });
  });

  test('takes own fields only, never what an object inherits', () => {
    const message = { meta: Object.create({ a: 'x' }), doc: () => Object.create({ a: 'x' }) };
    for (const field of ['msg.meta.a', 'msg.doc.a']) {
      expect(thrownBy(() => template(`{${field}}`).value(message))).toMatchObject({ code: 'TEMPLATE_FIELD_MISSING' });
    }
  });

  test('needs the number of partitions only where it uses it', () => {
    expect(thrownBy(() => template('{partition(msg.meta.a)}').value(withMeta({ a: 'x' })))).toMatchObject({ code: 'TEMPLATE_INVALID' });
  });

  test('a body that is not JSON is MESSAGE_INVALID, and only where doc is used', () => {
    const message = take({ body: Buffer.from('{"a"'), meta: { a: 'x' } });
    expect(template('{msg.meta.a}').value(message)).toBe('x');
    expect(thrownBy(() => template('{msg.doc.a}').value(message))).toMatchObject({ code: 'MESSAGE_INVALID' });
  });

  test('what a field holds is never read as a template', () => {
    expect(template('{msg.meta.a}').value(withMeta({ a: '{msg.meta.b}', b: 'secret' }))).toBe('{msg.meta.b}');
  });
});

describe('queue names', () => {
  const queue = (a: string): string => template('{msg.meta.a}').queue(withMeta({ a }));

  test('at most 255 bytes', () => {
    expect(queue('q'.repeat(255))).toHaveLength(255);
    expect(queue('é'.repeat(127))).toHaveLength(127);
    for (const name of ['q'.repeat(256), 'é'.repeat(128)]) expect(thrownBy(() => queue(name))).toMatchObject({ code: 'TEMPLATE_INVALID' });
  });

  test.each(['', 'amq.gen-1', 'a\nb', 'a\u0000', 'a\u007f', 'a\u0085', '\ud800'])('never %p', (name) => {
    expect(thrownBy(() => queue(name))).toMatchObject({ code: 'TEMPLATE_INVALID' });
  });
});

describe('object keys', () => {
  const key = (a: string): string => template('blobs/{msg.meta.a}.blob').key(withMeta({ a }));

  test('take what a hash or a folder is', () => {
    expect(key('abc')).toBe('blobs/abc.blob');
    expect(key('2026/01/x..y')).toBe('blobs/2026/01/x..y.blob');
  });

  test.each(['../../etc/passwd', 'a/../b', '..', '/a', 'a//b', './a', 'a/./b', 'a\\..\\b', 'a\nb', 'a\u0000', '\udc00', 'x'.repeat(1030)])(
    'never %p',
    (a) => {
      expect(thrownBy(() => template('{msg.meta.a}/b').key(withMeta({ a })))).toMatchObject({ code: 'TEMPLATE_INVALID' });
    },
  );

  test('an empty field at either end is an empty part', () => {
    for (const text of ['{msg.meta.a}', '{msg.meta.a}/x', 'x/{msg.meta.a}', 'x/{msg.meta.a}/y']) {
      expect(thrownBy(() => template(text).key(withMeta({ a: '' })))).toMatchObject({ code: 'TEMPLATE_INVALID' });
    }
  });
});

test('whatever the field holds, a queue name or key is sound or refused', () => {
  const queue = template('{msg.meta.a}_q');
  const key = template('x/{msg.meta.a}/y');
  const hostile = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.string({ unit: fc.constantFrom('.', '/', '\\', 'a', '\n', 'é'), maxLength: 12 }),
  );
  const orRefused = (run: () => string): string | undefined => {
    try {
      return run();
    } catch (error) {
      if (hasCode(error, 'TEMPLATE_INVALID')) return undefined;
      throw error;
    }
  };
  fc.assert(
    fc.property(hostile, (a) => {
      const name = orRefused(() => queue.queue(withMeta({ a })));
      if (name !== undefined) expect(Buffer.byteLength(name) <= 255 && !name.startsWith('amq.')).toBe(true);
      const path = orRefused(() => key.key(withMeta({ a })));
      if (path === undefined) return;
      // What is left is exactly where a resolver of paths sees it too.
      expect(new URL(`file:///root/${encodeURI(path).replaceAll('?', '%3F').replaceAll('#', '%23')}`).pathname.startsWith('/root/x/')).toBe(
        true,
      );
      for (const part of path.split('/')) expect(['', '.', '..']).not.toContain(part);
    }),
    { numRuns: 2000 },
  );
});
