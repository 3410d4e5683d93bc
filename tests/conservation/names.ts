import { isDeepStrictEqual } from 'node:util';
import type { SampleChain, Sent } from '../simulation/senders.ts';

/** One time that a request was sent; times are those of `performance.now()`. */
export interface Try {
  readonly from: number;
  readonly to: number;
  readonly answer: Sent['answer'];
}

/** A request that names its event (`Idempotency-Key`), and all that its sender got to know. No other request has its body. */
export interface Named {
  readonly name: string;
  readonly chain: SampleChain;
  /** Of the body, as the chain hashes it. */
  readonly hash: string;
  readonly tries: readonly Try[];
}

/** A time in which the registry forgot, once, what it knew. */
export interface Forgetting {
  readonly from: number;
  readonly to: number;
}

/**
 * How long after its sender gave up, or heard that it failed, a request may still claim its name: it may lie in a process that is stopped for up
 * to 12 s, and in connections of which each is up to 2 s late.
 */
const LINGER_MS = 20_000;

/** What the tries of named requests come to: as many single requests, for the judge of the bucket, as may each be an event. */
export interface NamesVerdict {
  readonly sent: Sent[];
  /** Answers that do not fit together. */
  readonly untrue: string[];
  /** Names that the registry cannot have forgotten: one event each at most. */
  single: number;
}

/**
 * A name is one event, whatever its tries were answered, and each receipt is the first one again. Only a registry that forgot makes it one more
 * event, each time (decision 11).
 */
export function judgeNames(all: readonly Named[], forgettings: readonly Forgetting[]): NamesVerdict {
  const verdict: NamesVerdict = { sent: [], untrue: [], single: 0 };
  for (const named of all) judgeName(named, forgettings, verdict);
  return verdict;
}

function judgeName({ name, chain, hash, tries }: Named, forgettings: readonly Forgetting[], verdict: NamesVerdict): void {
  const { sent, untrue } = verdict;
  const receipts = new Map<string, Sent['answer']>();
  for (const { answer } of tries) {
    const { status, code, receipt } = answer;
    if (!receipt) {
      if (status !== 503 && code !== 'reset') untrue.push(`${status} ${code} for ${name}`);
      continue;
    }
    const first = receipts.get(receipt.event);
    if (!first) receipts.set(receipt.event, answer);
    else if (!isDeepStrictEqual(first.receipt, receipt)) untrue.push(`two receipts of ${receipt.event}, named ${name}`);
  }
  const from = Math.min(...tries.map((one) => one.from));
  const to = Math.max(...tries.map((one) => one.to + (one.answer.receipt ? 0 : LINGER_MS)));
  const may = 1 + forgettings.filter((forgot) => forgot.from <= to && forgot.to >= from).length;
  if (may === 1) verdict.single++;
  if (receipts.size > may) untrue.push(`receipts of ${[...receipts.keys()].join(', ')}, all named ${name}`);
  sent.push(...Array.from(receipts.values(), (answer) => ({ chain, hash, answer })));
  for (let more = receipts.size; more < may; more++) sent.push({ chain, hash, answer: { status: 0, code: 'reset' } });
}
