import { encodeReceipts, type Meta, type Receipt, type Tail } from '@blockhub/chain';
import { type MergePart, mergeObject } from './bytes.ts';
import { invalid, type Message, type Outgoing } from './message.ts';
import { metaInteger, metaText } from './meta.ts';
import { queues } from './queues/catalogues.ts';
import { readDoc } from './validate.ts';

// --- groups

/** A list of receipts for one chain. */
export interface Group {
  readonly queue: string;
  readonly id: string;
  readonly chain: string;
  /** How many receipts the body holds. */
  readonly items: number;
  /** A JSON array of receipts, see `joinArrays` and `groupBody`. */
  readonly body: Buffer;
}

/** The body of a group. */
export const groupBody = (receipts: readonly Receipt[]): Buffer => Buffer.from(encodeReceipts([...receipts]));

export const writeGroup = ({ queue, id, chain, items, body }: Group): Outgoing => ({ queue, id, meta: { chain, items }, body });

/** The receipts of a group, checked. Throws MESSAGE_INVALID. */
export const readGroup = (message: Message): Receipt[] => readDoc<Receipt[]>(message, 'group');

/** How many receipts a group holds, without reading it. Throws MESSAGE_INVALID. */
export const groupItems = (message: Pick<Message, 'meta'>): number => metaInteger(message, 'items');

// --- tails

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

/** The meta of a tail, as it travels with it and into blueprints. */
export const tailMeta = ({ chain, height }: Tail): Meta => ({ chain, height });

/** A tail for whoever waits at `tailsTo`. It is a hint: lost is no harm. */
export const writeTail = (tailsTo: string, tail: Tail): Outgoing => ({
  queue: tailsTo,
  id: `${tail.chain}:${tail.height}`,
  meta: tailMeta(tail),
  body: json(tail),
  hint: true,
});

/** Throws MESSAGE_INVALID. */
export const readTail = (message: Message): Tail => readDoc<Tail>(message, 'tail');

/** Who wants the tail of which chain. */
export interface TailWanted {
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

// --- blueprints

export interface Blueprint {
  readonly tail: Tail;
  readonly receipts: Receipt[];
  /** Queue that waits for the tail that comes of it. */
  readonly tailsTo: string;
}

/** A blueprint of raw JSON bytes: the tail and the groups as they were taken, none of them parsed. */
export interface RawBlueprint {
  readonly queue: string;
  readonly id: string;
  readonly chain: string;
  readonly tailsTo: string;
  readonly tail: MergePart;
  readonly groups: readonly MergePart[];
}

export const writeBlueprint = ({ queue, id, chain, tailsTo, tail, groups }: RawBlueprint): Outgoing => ({
  queue,
  id,
  meta: { chain, tailsTo },
  body: mergeObject({ tail, group: groups }),
});

interface BlueprintDoc {
  tail: { msg: Tail };
  group: { msg: Receipt[]; meta?: { chain?: unknown } }[];
}

/** A blueprint, all of its groups in one list. Throws MESSAGE_INVALID, also when a part belongs to another chain than the rest. */
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
