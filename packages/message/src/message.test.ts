import { describe, expect, test } from '@jest/globals';
import { invalidAt, take, thrownBy } from './fixtures.ts';
import { checkMeta, findMetaText, MAX_META_BYTES, metaBytes, metaInteger, metaText } from './meta.ts';

describe('doc', () => {
  test('is the body as JSON, parsed once', () => {
    const message = take({ body: Buffer.from('{"a":[1]}') });
    expect(message.doc()).toEqual({ a: [1] });
    expect(message.doc()).toBe(message.doc());
    expect(take({ body: Buffer.from('null') }).doc()).toBeNull();
  });

  test.each([Buffer.from(''), Buffer.from('{'), Buffer.from('{"a":1}x'), Buffer.from([0x22, 0xff, 0x22])])(
    '%p is MESSAGE_INVALID, each time',
    (body) => {
      const message = take({ body });
      for (let i = 0; i < 2; i++) expect(thrownBy(() => message.doc())).toMatchObject(invalidAt('msg.doc'));
    },
  );
});

describe('meta', () => {
  test('is read with its type, own names only', () => {
    const message = take({ meta: { chain: 'c', height: 7, empty: '', yes: true, bad: -1, half: 1.5 } });
    expect([metaText(message, 'chain'), metaInteger(message, 'height'), findMetaText(message, 'gone')]).toEqual(['c', 7, undefined]);
    for (const name of ['gone', 'empty', 'yes', 'height', 'toString'])
      expect(thrownBy(() => metaText(message, name))).toMatchObject(invalidAt(`msg.meta.${name}`));
    for (const name of ['gone', 'chain', 'bad', 'half', 'toString'])
      expect(thrownBy(() => metaInteger(message, name))).toMatchObject(invalidAt(`msg.meta.${name}`));
    expect(thrownBy(() => findMetaText(message, 'yes'))).toMatchObject(invalidAt('msg.meta.yes'));
  });

  test('has a limit', () => {
    const room = MAX_META_BYTES - metaBytes({ x: '' });
    checkMeta({ x: 'a'.repeat(room) });
    for (const x of ['a'.repeat(room + 1), 'é'.repeat(room / 2 + 1)])
      expect(thrownBy(() => checkMeta({ x }))).toMatchObject({ code: 'MESSAGE_INVALID' });
  });
});
