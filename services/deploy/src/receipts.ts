import { type At, blobMatches, eventTime, type Receipt } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import { type Capture, groupBody, type Message, type Outgoing, readIngress, receiptOf, writeGroup } from '@blockhub/message';
import { parseTraceparent } from '@blockhub/telemetry';

const HOUR = 3_600_000;
/** A clock that is wrong may be put right meanwhile. */
const MOST_AT_ONCE_MS = HOUR;
/** A clock is wrong by hours where somebody mistook the zone: what was acknowledged meanwhile goes on by itself. An event of next year would only be forgotten. */
const LONGEST_WAIT_MS = 24 * HOUR;

/** A captured body whose hash is right. */
export interface Checked {
  readonly message: Message;
  readonly capture: Capture;
}

/** Throws MESSAGE_INVALID, and OBJECT_HASH_MISMATCH where the body is not what its meta says. A body that lies in the store was checked there. */
export function checkCapture(message: Message): Checked {
  const capture = readIngress(message);
  if (capture.at === undefined && !blobMatches(capture, message.body)) {
    throw new BlockhubError('OBJECT_HASH_MISMATCH', 'the body does not have the hash in its meta', { details: { path: 'msg.meta.hash' } });
  }
  return { message, capture };
}

/**
 * How long an event has to wait until it may be asked again, in ms: 0 where its time is at most `latestMs`, since 1970. Taken before, it would lift the
 * time of its block, and no event before that time could be told from a repeat without reading all blocks since. Throws EVENT_TIME_AHEAD where it would
 * wait for more than a day.
 */
export function waitOf({ capture }: Checked, latestMs: number): number {
  const timeMs = eventTime(capture.event);
  if (timeMs - latestMs <= LONGEST_WAIT_MS) return Math.min(MOST_AT_ONCE_MS, Math.max(0, timeMs - latestMs));
  const [time, latest] = [timeMs, latestMs].map((ms) => new Date(ms).toISOString());
  throw new BlockhubError(
    'EVENT_TIME_AHEAD',
    `the event is of ${time}; by --max-ahead, ${latest} is the latest now, and none waits for more than a day`,
    {
      details: { path: 'msg.id' },
    },
  );
}

interface List {
  readonly queue: string;
  readonly chain: string;
  readonly receipts: Receipt[];
  /** The list goes on with the trace of one of its events: of the first that somebody records, else of the first. */
  trace: MetaValue | undefined;
  recorded: boolean;
}

type MetaValue = Receipt['meta'][string];

function goOnWith(list: List, traceparent: MetaValue | undefined): void {
  if (traceparent === undefined || list.recorded) return;
  list.recorded = parseTraceparent(traceparent)?.sampled === true;
  if (list.recorded || list.trace === undefined) list.trace = traceparent;
}

/** Collects receipts and gives one message per chain and queue. */
export class Receipts {
  readonly #lists = new Map<string, List>();

  add(queue: string, { capture }: Checked, at: At): void {
    const key = `${capture.chain} ${queue}`;
    let list = this.#lists.get(key);
    if (!list) {
      list = { queue, chain: capture.chain, receipts: [], trace: undefined, recorded: false };
      this.#lists.set(key, list);
    }
    list.receipts.push(receiptOf(capture, at));
    goOnWith(list, capture.meta.traceparent);
  }

  messages(newId: () => string): Outgoing[] {
    return [...this.#lists.values()].map(({ queue, chain, receipts, trace }) => {
      const group = writeGroup({ queue, id: newId(), chain, items: receipts.length, body: groupBody(receipts) });
      return trace === undefined ? group : { ...group, meta: { ...group.meta, traceparent: trace } };
    });
  }
}
