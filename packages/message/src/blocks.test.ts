import { type Block, hashOf } from '@blockhub/chain';
import { expect, test } from '@jest/globals';
import { readBlock, writeBlock, writeCommitted, writeEventReceipts } from './blocks.ts';
import { CHAIN, invalidAt, takeJson, thrownBy } from './fixtures.ts';
import { messageOf } from './message.ts';
import { readDoc } from './validate.ts';

const id = 'b'.repeat(64);
const prev = 'a'.repeat(64);
const bytes = Buffer.from('line 1\nline 2\n');
const outgoing = writeBlock({ id, chain: CHAIN, height: 8, bytes }, { prev, tailsTo: 'tails.x' });

test('a block travels as its bytes, its meta says the rest', () => {
  expect(outgoing).toMatchObject({
    queue: 'blocks.newblockcreated',
    id,
    meta: { block: id, length: 14, crypt: 'sha256', hash: hashOf('sha256', bytes) },
  });
  expect(readBlock(outgoing)).toEqual({ id, chain: CHAIN, height: 8, prev, tailsTo: 'tails.x', bytes });
});

test.each(['block', 'chain', 'height', 'prev', 'tailsTo'])('a block without %s is invalid', (name) => {
  const { [name]: _, ...meta } = outgoing.meta;
  expect(thrownBy(() => readBlock({ ...outgoing, meta }))).toMatchObject(invalidAt(`msg.meta.${name}`));
});

test('a key cannot be smuggled in as a block id', () => {
  expect(thrownBy(() => readBlock({ ...outgoing, meta: { ...outgoing.meta, block: '../../names/default' } }))).toMatchObject(
    invalidAt('msg.meta.block'),
  );
});

test('a committed notice has its schema', () => {
  const committed = { chain: CHAIN, id, prev, height: 8, time: 1000, blobs: 3 };
  const notice = writeCommitted(committed);
  expect(notice).toMatchObject({ queue: 'blocks.committed', meta: { chain: CHAIN, height: 8, block: id } });
  expect(readDoc(messageOf({ ...notice, attempts: 0, firstAt: 0 }), 'committed')).toEqual(committed);
  expect(thrownBy(() => readDoc(takeJson({ ...committed, blobs: -1 }), 'committed'))).toMatchObject(invalidAt('msg.doc.blobs'));
});

test('a receipt of an event has its schema, and the id of the event', () => {
  const events = ['first', 'second'];
  const blobs = events.map((event) => ({ event })) as Block['blobs'];
  const receipts = writeEventReceipts('mine', { chain: CHAIN, id, height: 8, blobs });
  expect(receipts.map((message) => [message.queue, message.id])).toEqual(events.map((event) => ['mine', event]));
  const [, second] = receipts.map((message) => readDoc(messageOf({ ...message, attempts: 0, firstAt: 0 }), 'eventReceipt'));
  expect(second).toEqual({ event: 'second', chain: CHAIN, block: id, height: 8, position: 1 });
  const wrong = takeJson({ ...(second as object), position: -1 });
  expect(thrownBy(() => readDoc(wrong, 'eventReceipt'))).toMatchObject(invalidAt('msg.doc.position'));
});
