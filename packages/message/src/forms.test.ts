import type { Outgoing } from '@blockhub/broker';
import { describe, expect, test } from '@jest/globals';
import { joinArrays, type MergePart, mergeMessages } from './bytes.ts';
import { CHAIN, eventAt, invalidAt, receipt, tail, take, takeJson, thrownBy } from './fixtures.ts';
import { groupBody, readBlueprint, readTailWanted, writeGroup, writeTail, writeTailWanted } from './forms.ts';
import { type Message, messageOf } from './message.ts';
import { template } from './template.ts';
import { readDoc } from './validate.ts';

const readGroup = (message: Message) => readDoc(message, 'group');
const arrived = (outgoing: Outgoing) => messageOf({ ...outgoing, attempts: 0, firstAt: 0 });
const receipts = Array.from({ length: 1000 }, (_, n) => receipt(n));
const md5Receipt = { ...receipt(1), crypt: 'md5', hash: 'e'.repeat(32), sha256: 'f'.repeat(64) };

describe('group', () => {
  test('comes back as it was written', () => {
    const group = arrived(writeGroup({ queue: 'g', id: 'x', chain: CHAIN, items: 1000, body: groupBody(receipts) }));
    expect(group.meta).toEqual({ chain: CHAIN, items: 1000 });
    expect(readGroup(group)).toEqual(receipts);
  });

  test('may be empty, may hold md5 receipts and whole objects, ignores unknown keys', () => {
    expect(readGroup(takeJson([]))).toEqual([]);
    const more = [{ ...md5Receipt, at: { key: 'blobs/x.blob', zone: 1 }, later: { any: 'thing' } }];
    expect(readGroup(takeJson(more))).toEqual(more);
  });

  test.each([
    ['msg.doc', {}],
    ['msg.doc', null],
    ['msg.doc.1', [receipt(0), 'x']],
    ['msg.doc.0.hash', [{ ...receipt(0), hash: 'A'.repeat(64) }]],
    ['msg.doc.0.hash', [{ ...receipt(0), hash: undefined }]],
    ['msg.doc.0.crypt', [{ ...receipt(0), crypt: 'sha1' }]],
    ['msg.doc.0.event', [{ ...receipt(0), event: 'x' }]],
    ['msg.doc.0.length', [{ ...receipt(0), length: -1 }]],
    ['msg.doc.0.length', [{ ...receipt(0), length: 1.5 }]],
    ['msg.doc.0.at', [{ ...receipt(0), at: undefined }]],
    ['msg.doc.0.at.key', [{ ...receipt(0), at: {} }]],
    ['msg.doc.0.at.offset', [{ ...receipt(0), at: { key: 'x', offset: '1' } }]],
    ['msg.doc.0.meta.deep', [{ ...receipt(0), meta: { deep: {} } }]],
    ['msg.doc.0.sha256', [{ ...md5Receipt, sha256: undefined }]],
  ])('says that %s is wrong', (path, doc) => {
    expect(thrownBy(() => readGroup(takeJson(doc)))).toMatchObject(invalidAt(path));
  });
});

describe('tail', () => {
  test('is a hint, and has its schema', () => {
    const outgoing = writeTail('tails.x', tail);
    expect(outgoing).toMatchObject({ queue: 'tails.x', hint: true, meta: { chain: CHAIN, height: 7 } });
    expect(readDoc(arrived(outgoing), 'tail')).toEqual(tail);
  });

  test.each([
    ['msg.doc.id', { ...tail, id: 'x' }],
    ['msg.doc.height', { ...tail, height: -1 }],
    ['msg.doc.time', { ...tail, time: '7' }],
    ['msg.doc.chain', { ...tail, chain: undefined }],
  ])('says that %s is wrong', (path, doc) => {
    expect(thrownBy(() => readDoc(takeJson(doc), 'tail'))).toMatchObject(invalidAt(path));
  });

  test('is asked for', () => {
    const outgoing = writeTailWanted('x', { chain: CHAIN, tailsTo: 'tails.x' });
    expect(outgoing).toMatchObject({ queue: 'tails.wanted', meta: { chain: CHAIN, tailsTo: 'tails.x' } });
    expect(readTailWanted(arrived(outgoing))).toEqual({ chain: CHAIN, tailsTo: 'tails.x' });
    expect(thrownBy(() => readTailWanted(takeJson({ chain: CHAIN })))).toMatchObject(invalidAt('msg.doc.tailsTo'));
    // The path is written as templates write it.
    expect(template('{msg.doc.tailsTo}').value(arrived(outgoing))).toBe('tails.x');
  });
});

describe('blueprint', () => {
  const part = (from: number, to: number, chain = CHAIN) => ({
    body: groupBody(receipts.slice(from, to)),
    meta: { chain, items: to - from },
  });
  const write = (group: MergePart[]): Outgoing => {
    const { meta, body } = mergeMessages({ tail: writeTail('tails.x', tail), group });
    return { queue: 'blocks.staged.0', id: eventAt(5), meta: { ...meta, tailsTo: 'tails.x' }, body };
  };

  test('holds raw groups and gives one list', () => {
    const outgoing = write([part(0, 2), part(2, 5)]);
    expect(outgoing.meta).toEqual({ chain: CHAIN, height: 7, items: 5, tailsTo: 'tails.x' });
    expect(JSON.parse(outgoing.body.toString())).toMatchObject({
      tail: { msg: tail, meta: { chain: CHAIN, height: 7 } },
      group: [{ meta: { items: 2 } }, { meta: { items: 3 } }],
    });
    expect(readBlueprint(arrived(outgoing))).toEqual({ tail, receipts: receipts.slice(0, 5), tailsTo: 'tails.x' });
    const joined = { body: joinArrays([part(0, 2).body, part(2, 5).body]), meta: { chain: CHAIN, items: 5 } };
    expect(readBlueprint(arrived(write([joined]))).receipts).toEqual(receipts.slice(0, 5));
  });

  test('never mixes chains', () => {
    const mixed = { ...write([part(0, 1), part(1, 2, 'd'.repeat(64))]), meta: { chain: CHAIN, tailsTo: 'tails.x' } };
    expect(thrownBy(() => readBlueprint(arrived(mixed)))).toMatchObject(invalidAt('msg.doc.group.1.meta.chain'));
    const other = { ...write([part(0, 1)]), meta: { chain: 'd'.repeat(64), tailsTo: 'tails.x' } };
    expect(thrownBy(() => readBlueprint(arrived(other)))).toMatchObject(invalidAt('msg.doc.tail.msg.chain'));
  });

  test('says where it is wrong', () => {
    const wrong = { tail: { msg: tail, meta: {} }, group: [{ msg: [receipt(0), { ...receipt(1), length: '1' }], meta: {} }] };
    expect(thrownBy(() => readBlueprint(takeJson(wrong)))).toMatchObject(invalidAt('msg.doc.group.0.msg.1.length'));
    expect(thrownBy(() => readBlueprint(takeJson({ tail: { msg: tail, meta: {} } })))).toMatchObject(invalidAt('msg.doc.group'));
    expect(thrownBy(() => readBlueprint(arrived(write([]))))).toMatchObject(invalidAt('msg.doc.group'));
    expect(thrownBy(() => readBlueprint(take({ ...write([part(0, 1)]), meta: { chain: CHAIN } })))).toMatchObject(
      invalidAt('msg.meta.tailsTo'),
    );
  });
});
