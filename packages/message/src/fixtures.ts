import { newEvent, type Receipt, type Tail } from '@blockhub/chain';
import { type Message, type MessageParts, messageOf } from './message.ts';

/** Messages for the tests of this package. */
export const CHAIN = 'c'.repeat(64);

export const eventAt = (n: number): string => newEvent(1_767_225_600_000 + n, Buffer.from(String(n).padStart(10, '0')));

export const receipt = (n: number): Receipt => ({
  event: eventAt(n),
  crypt: 'sha256',
  hash: n.toString(16).padStart(64, '0'),
  length: 500,
  at: { key: `packs/${'d'.repeat(64)}.pack`, offset: n * 500 },
  meta: { mime: 'application/json', subject: 'a-sender', source: 'shop' },
});

export const tail: Tail = { chain: CHAIN, height: 7, id: 'a'.repeat(64), time: 1_767_225_600_000, crypt: 'sha256' };

export const take = (parts: Partial<MessageParts>): Message =>
  messageOf({ id: eventAt(0), queue: 'q', meta: {}, body: Buffer.alloc(0), attempts: 0, firstAt: 1000, ...parts });

export const takeJson = (doc: unknown, parts: Partial<MessageParts> = {}): Message =>
  take({ body: Buffer.from(JSON.stringify(doc)), ...parts });

export function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

/** What a MESSAGE_INVALID at this path looks like. */
export const invalidAt = (path: string): object => ({ code: 'MESSAGE_INVALID', details: { path } });
