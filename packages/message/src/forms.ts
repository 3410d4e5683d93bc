import type { Outgoing } from '@blockhub/broker';
import { encodeReceipts, type Receipt, type Tail } from '@blockhub/chain';
import { invalid, type Message } from './message.ts';
import { metaText } from './meta.ts';
import { queues } from './queues/catalogues.ts';
import { readDoc } from './validate.ts';

interface Group {
  readonly queue: string;
  readonly id: string;
  readonly chain: string;
  /** Number of receipts in the body. */
  readonly items: number;
  /** A JSON array of receipts, see `joinArrays` and `groupBody`. */
  readonly body: Buffer;
}

export const groupBody = (receipts: readonly Receipt[]): Buffer => Buffer.from(encodeReceipts([...receipts]));

export const writeGroup = ({ queue, id, chain, items, body }: Group): Outgoing => ({ queue, id, meta: { chain, items }, body });

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

/** A tail for the queue `tailsTo`. It is a hint: if it is lost, it is asked for again. */
export const writeTail = (tailsTo: string, tail: Tail): Outgoing => ({
  queue: tailsTo,
  id: `${tail.chain}:${tail.height}`,
  meta: { chain: tail.chain, height: tail.height },
  body: json(tail),
  hint: true,
});

interface TailWanted {
  readonly chain: string;
  /** Queue for the answer. */
  readonly tailsTo: string;
}

export const writeTailWanted = (id: string, { chain, tailsTo }: TailWanted): Outgoing => ({
  queue: queues.wanted.name,
  id,
  meta: { chain, tailsTo },
  body: json({ chain, tailsTo }),
});

/** Throws MESSAGE_INVALID. */
export const readTailWanted = (message: Message): TailWanted => readDoc<TailWanted>(message, 'tailWanted');

interface Blueprint {
  readonly tail: Tail;
  readonly receipts: Receipt[];
  /** Queue for the tail that follows from it. */
  readonly tailsTo: string;
}

interface BlueprintDoc {
  tail: { msg: Tail };
  group: { msg: Receipt[]; meta?: { chain?: unknown } }[];
}

/** Reads a blueprint. Throws MESSAGE_INVALID, also if a part belongs to another chain. */
export function readBlueprint(message: Message): Blueprint {
  const doc = readDoc<BlueprintDoc>(message, 'blueprint');
  const tail = doc.tail.msg;
  if (metaText(message, 'chain') !== tail.chain) throw invalid('is not the chain of the message', 'msg.doc.tail.msg.chain');
  doc.group.forEach(({ meta }, at) => {
    if (meta?.chain !== undefined && meta.chain !== tail.chain) throw invalid('is another chain', `msg.doc.group.${at}.meta.chain`);
  });
  const [first] = doc.group;
  const receipts = first && doc.group.length === 1 ? first.msg : doc.group.flatMap(({ msg }) => msg);
  return { tail, receipts, tailsTo: metaText(message, 'tailsTo') };
}
