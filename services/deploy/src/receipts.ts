import { type At, blobMatches, eventTime, type Receipt } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import { type Capture, groupBody, type Message, type Outgoing, readIngress, receiptOf, writeGroup } from '@blockhub/message';
import { parseTraceparent } from '@blockhub/telemetry';

const HOUR = 3_600_000;
/** A wrong clock may be corrected meanwhile, so it is compared again at least so often. */
const LONGEST_RETRY_MS = HOUR;
/** Longer than the error of a clock in a wrong time zone. A longer wait would hide a fault. */
const LONGEST_WAIT_MS = 24 * HOUR;

/** A captured body whose hash is right. */
export interface Checked {
  readonly message: Message;
  readonly capture: Capture;
}

/** Throws MESSAGE_INVALID, and OBJECT_HASH_MISMATCH. A stored body was checked before. */
export function checkCapture(message: Message): Checked {
  const capture = readIngress(message);
  if (capture.at === undefined && !blobMatches(capture, message.body)) {
    throw new BlockhubError('OBJECT_HASH_MISMATCH', 'the body does not have the hash in its meta', { details: { path: 'msg.meta.hash' } });
  }
  return { message, capture };
}

/**
 * How long an event must wait until it is retried, in ms; 0 if its time is at most `latestMs`, in
 * ms since 1970. An event from the future would set the time of its block ahead. Then the check for
 * repeats would have to read all blocks since that one, for every event until that time. Throws
 * EVENT_TIME_AHEAD if it would wait for more than a day.
 */
export function waitOf({ capture }: Checked, latestMs: number): number {
  const timeMs = eventTime(capture.event);
  if (timeMs - latestMs <= LONGEST_WAIT_MS) return Math.min(LONGEST_RETRY_MS, Math.max(0, timeMs - latestMs));
  const [time, latest] = [timeMs, latestMs].map((ms) => new Date(ms).toISOString());
  throw new BlockhubError(
    'EVENT_TIME_AHEAD',
    `the event's time is ${time}; by --max-ahead the latest time now is ${latest}, and no event waits for more than a day`,
    { details: { path: 'msg.id' } },
  );
}

interface List {
  readonly queue: string;
  readonly chain: string;
  readonly receipts: Receipt[];
  /** Of the first event whose trace is sampled, else of the first event. */
  trace: MetaValue | undefined;
  sampled: boolean;
}

type MetaValue = Receipt['meta'][string];

function continueTrace(list: List, traceparent: MetaValue | undefined): void {
  if (traceparent === undefined || list.sampled) return;
  list.sampled = parseTraceparent(traceparent)?.sampled === true;
  if (list.sampled || list.trace === undefined) list.trace = traceparent;
}

/** Collects receipts into one message per chain and queue. */
export class Receipts {
  readonly #lists = new Map<string, List>();

  add(queue: string, { capture }: Checked, at: At): void {
    const key = `${capture.chain} ${queue}`;
    let list = this.#lists.get(key);
    if (!list) {
      list = { queue, chain: capture.chain, receipts: [], trace: undefined, sampled: false };
      this.#lists.set(key, list);
    }
    list.receipts.push(receiptOf(capture, at));
    continueTrace(list, capture.meta.traceparent);
  }

  messages(newId: () => string): Outgoing[] {
    return [...this.#lists.values()].map(({ queue, chain, receipts, trace }) => {
      const group = writeGroup({ queue, id: newId(), chain, items: receipts.length, body: groupBody(receipts) });
      return trace === undefined ? group : { ...group, meta: { ...group.meta, traceparent: trace } };
    });
  }
}
