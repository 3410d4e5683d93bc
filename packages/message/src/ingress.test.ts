import { hashOf } from '@blockhub/chain';
import { describe, expect, test } from '@jest/globals';
import { CHAIN, eventAt, invalidAt, thrownBy } from './fixtures.ts';
import { type Capture, readIngress, receiptOf, writeIngress } from './ingress.ts';

const body = Buffer.from('hello');
const capture: Capture = {
  event: eventAt(1),
  chain: CHAIN,
  createdAt: 1000,
  crypt: 'sha256',
  hash: hashOf('sha256', body),
  length: 5,
  meta: { mime: 'text/plain', source: 'shop', x: true },
  body,
};
const md5: Capture = { ...capture, crypt: 'md5', hash: hashOf('md5', body), sha256: hashOf('sha256', body) };

describe('ingress', () => {
  test.each([
    ['a body', capture],
    ['an md5 body', md5],
    ['a body that lies in the store', { ...capture, at: 'blobs/x.blob', length: 5_000_000_000, body: Buffer.alloc(0) }],
  ])('%s comes back as it was', (_name, it) => {
    const outgoing = writeIngress(it);
    expect(outgoing).toMatchObject({ queue: 'ingress', id: it.event, body: it.body });
    expect(readIngress(outgoing)).toEqual(it);
  });

  test('trace context goes into the receipt', () => {
    const outgoing = writeIngress(capture, '00-aa-bb-01');
    expect(outgoing.meta).toMatchObject({ traceparent: '00-aa-bb-01' });
    expect(readIngress(outgoing).meta).toEqual({ ...capture.meta, traceparent: '00-aa-bb-01' });
  });

  test('descriptive meta cannot pose as what is checked', () => {
    const outgoing = writeIngress({
      ...capture,
      meta: { chain: 'other', hash: 'x', length: 1, at: 'names/x', event: 'e', sha256: 'y', items: 7, ok: 1 },
    });
    expect(readIngress(outgoing)).toEqual({ ...capture, meta: { ok: 1 } });
  });

  test('a captured meta over the limit is refused', () => {
    expect(thrownBy(() => writeIngress({ ...capture, meta: { x: 'a'.repeat(40_000) } }))).toMatchObject({ code: 'MESSAGE_INVALID' });
  });

  test.each([
    ['msg.meta.chain', { chain: 'default' }],
    ['msg.meta.createdAt', { createdAt: 'now' }],
    ['msg.meta.crypt', { crypt: 'sha1' }],
    ['msg.meta.hash', { hash: 'e'.repeat(32) }],
    ['msg.meta.hash', { hash: `../${'e'.repeat(61)}` }],
    ['msg.meta.sha256', { crypt: 'md5', hash: 'e'.repeat(32) }],
    ['msg.meta.length', { length: 4 }],
  ])('says that %s is wrong: %p', (path, wrong) => {
    const outgoing = writeIngress(capture);
    expect(thrownBy(() => readIngress({ ...outgoing, meta: { ...outgoing.meta, ...wrong } }))).toMatchObject(invalidAt(path));
  });

  test('the message id must be an event id', () => {
    expect(thrownBy(() => readIngress({ ...writeIngress(capture), id: '7' }))).toMatchObject(invalidAt('msg.id'));
  });
});

test('a receipt has the item, the place and the descriptive meta', () => {
  const at = { key: 'packs/x.pack', offset: 3 };
  const { event, crypt, hash, length, meta } = capture;
  expect(receiptOf(capture, at)).toEqual({ event, crypt, hash, length, at, meta });
  expect(receiptOf(md5, at)).toEqual({ event, crypt: 'md5', hash: md5.hash, length, sha256: md5.sha256, at, meta });
});
