import { type At, blobMatches, eventTime, type Receipt } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import { type Capture, groupBody, type Message, type Outgoing, readIngress, receiptOf, writeGroup } from '@blockhub/message';

/** A captured body whose hash is right. */
export interface Checked {
  readonly message: Message;
  readonly capture: Capture;
}

/**
 * Throws MESSAGE_INVALID; EVENT_TIME_AHEAD where the event's time is later than `latestMs`, since 1970; and OBJECT_HASH_MISMATCH where the body is not
 * what its meta says. A body that lies in the store was checked there.
 */
export function checkCapture(message: Message, latestMs: number): Checked {
  const capture = readIngress(message);
  checkTime(eventTime(capture.event), latestMs);
  if (capture.at === undefined && !blobMatches(capture, message.body)) {
    throw new BlockhubError('OBJECT_HASH_MISMATCH', 'the body does not have the hash in its meta', { details: { path: 'msg.meta.hash' } });
  }
  return { message, capture };
}

/** One such event would lift the time of its block, and no event before that time could be told from a repeat without reading all blocks since. */
function checkTime(timeMs: number, latestMs: number): void {
  if (timeMs <= latestMs) return;
  const [time, latest] = [timeMs, latestMs].map((ms) => new Date(ms).toISOString());
  throw new BlockhubError('EVENT_TIME_AHEAD', `the event is of ${time}; by --max-ahead, ${latest} is the latest now`, {
    details: { path: 'msg.id' },
  });
}

/** Collects receipts and gives one message per chain and queue. */
export class Receipts {
  readonly #lists = new Map<string, { readonly queue: string; readonly chain: string; readonly receipts: Receipt[] }>();

  add(queue: string, { capture }: Checked, at: At): void {
    const key = `${capture.chain} ${queue}`;
    let list = this.#lists.get(key);
    if (!list) {
      list = { queue, chain: capture.chain, receipts: [] };
      this.#lists.set(key, list);
    }
    list.receipts.push(receiptOf(capture, at));
  }

  messages(newId: () => string): Outgoing[] {
    return [...this.#lists.values()].map(({ queue, chain, receipts }) =>
      writeGroup({ queue, id: newId(), chain, items: receipts.length, body: groupBody(receipts) }),
    );
  }
}
