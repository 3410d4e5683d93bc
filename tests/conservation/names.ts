import { isDeepStrictEqual } from 'node:util';
import type { SampleChain, Sent } from '../simulation/senders.ts';

/** One time that a request was sent; times are those of `performance.now()`. */
export interface Try {
  readonly from: number;
  readonly to: number;
  readonly answer: Sent['answer'];
}

/**
 * A request that names its event (`Idempotency-Key`), and all its tries. No other request has the
 * same body.
 */
export interface Named {
  readonly name: string;
  readonly chain: SampleChain;
  /** Of the body, as the chain hashes it. */
  readonly hash: string;
  readonly tries: readonly Try[];
}

/** A time in which the registry lost its content, once. */
export interface RegistryLoss {
  readonly from: number;
  readonly to: number;
}

/**
 * How long after a failed try its request may still claim its name. The request may be in a process
 * that is stopped for up to 12 s, and in connections that delay it by up to 2 s each.
 */
const LINGER_MS = 20_000;

/**
 * What the judge of the bucket gets: for each named request as many single requests as it may have
 * events.
 */
export interface NamesVerdict {
  readonly sent: Sent[];
  /** Contradictions between answers. */
  readonly untrue: string[];
  /** Number of names that the registry cannot have lost: at most one event each. */
  single: number;
}

/**
 * A name is one event, whatever the answers to its tries were, and each further receipt equals the
 * first one. Each loss of the registry's content allows one more event (decision 11).
 */
export function judgeNames(all: readonly Named[], losses: readonly RegistryLoss[]): NamesVerdict {
  const verdict: NamesVerdict = { sent: [], untrue: [], single: 0 };
  for (const named of all) judgeName(named, losses, verdict);
  return verdict;
}

function judgeName({ name, chain, hash, tries }: Named, losses: readonly RegistryLoss[], verdict: NamesVerdict): void {
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
  const may = 1 + losses.filter((loss) => loss.from <= to && loss.to >= from).length;
  if (may === 1) verdict.single++;
  if (receipts.size > may) untrue.push(`receipts of ${[...receipts.keys()].join(', ')}, all named ${name}`);
  sent.push(...Array.from(receipts.values(), (answer) => ({ chain, hash, answer })));
  for (let more = receipts.size; more < may; more++) sent.push({ chain, hash, answer: { status: 0, code: 'reset' } });
}
