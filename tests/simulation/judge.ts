import { type Block, parseBlock, type Receipt } from '@blockhub/chain';
import type { Store } from '@blockhub/store';
import { verifyAll } from '@blockhub/walker';
import type { SampleChain, Sent } from './senders.ts';

export interface Verdict {
  /** Answered with 201 or 202, and in no block. */
  lost: string[];
  /** In more than one place. */
  doubled: string[];
  /** In a chain, although no request was sent there with it. */
  unexpected: string[];
  /** Answers that no sender may get. */
  untrue: string[];
  /** Faults that a full verify of all chains found. */
  faults: string[];
  blocks: number;
  events: number;
  /** Answered with 202. */
  spooled: number;
}

/** Judges all that was sent, from the answers and the bucket alone. */
export async function judge(store: Store, chains: readonly SampleChain[], sent: readonly Sent[]): Promise<Verdict> {
  const verdict: Verdict = { lost: [], doubled: [], unexpected: [], untrue: [], faults: [], blocks: 0, events: 0, spooled: 0 };
  verdict.spooled = sent.filter(({ answer }) => answer.status === 202).length;
  for (const one of sent) if (!isTrue(one)) verdict.untrue.push(`${one.answer.status} ${one.answer.code} ${one.chain?.id}`);
  const reports = new Map((await verifyAll(store, { level: 'full' })).map((report) => [report.chain, report]));
  for (const { chain, faults, unchecked } of reports.values()) {
    for (const fault of faults) verdict.faults.push(`${fault.code} ${chain} ${fault.height ?? ''}: ${fault.message}`);
    for (const one of unchecked) verdict.faults.push(`UNCHECKED ${one}`);
  }
  for (const chain of chains) {
    if (!reports.delete(chain.id)) verdict.faults.push(`CHAIN_NOT_FOUND ${chain.id}`);
    await judgeChain(
      store,
      chain,
      sent.filter((one) => one.chain === chain),
      verdict,
    );
  }
  verdict.unexpected.push(...reports.keys());
  return verdict;
}

/**
 * Right answers are 201 and 202 with the receipt of this request, 404 for a chain that does not
 * exist, and 503. If the connection breaks, there is none.
 */
function isTrue({ chain, hash, answer: { status, code, receipt } }: Sent): boolean {
  if (status === 201 || status === 202) return chain !== undefined && receipt?.chain === chain.id && receipt.hash === hash;
  return status === 503 || code === 'reset' || (chain === undefined && code === 'CHAIN_NOT_FOUND');
}

async function judgeChain(store: Store, chain: SampleChain, sent: readonly Sent[], verdict: Verdict): Promise<void> {
  const claims = new Claims(sent);
  const bodies = new Set<string>();
  const documents = new Set<string>();
  const seen = new Set<string>();
  for await (const block of blocksOf(store, chain)) {
    verdict.blocks++;
    for (const receipt of block.blobs) {
      const isDocument = receipt.meta.about !== undefined;
      const { event, hash } = isDocument ? await readDocument(store, receipt) : receipt;
      const kind = isDocument ? documents : bodies;
      if (!claims.claim(event, hash) || (isDocument && !chain.requests)) verdict.unexpected.push(receipt.event);
      if (seen.has(receipt.event) || kind.has(event)) verdict.doubled.push(receipt.event);
      seen.add(receipt.event);
      kind.add(event);
      verdict.events++;
    }
  }
  for (const { answer } of sent) {
    const { event } = answer.receipt ?? {};
    if (event === undefined) continue;
    if (!bodies.has(event)) verdict.lost.push(event);
    if (chain.requests && !documents.has(event)) verdict.lost.push(`document of ${event}`);
  }
}

/**
 * Matches events to requests. A request with a receipt has the event of its receipt. Any other
 * request has at most one event, of the same body.
 */
class Claims {
  /** Hash of the body by event. */
  readonly #claimed = new Map<string, string>();
  /** Number of requests with this body that have no receipt, by its hash. */
  readonly #free = new Map<string, number>();

  constructor(sent: readonly Sent[]) {
    for (const { hash, answer } of sent) {
      if (answer.receipt) this.#claimed.set(answer.receipt.event, hash);
      else this.#free.set(hash, (this.#free.get(hash) ?? 0) + 1);
    }
  }

  claim(event: string, hash: string): boolean {
    const claimed = this.#claimed.get(event);
    if (claimed !== undefined) return claimed === hash;
    const free = this.#free.get(hash) ?? 0;
    if (free === 0) return false;
    this.#free.set(hash, free - 1);
    this.#claimed.set(event, hash);
    return true;
  }
}

async function* blocksOf(store: Store, chain: SampleChain): AsyncGenerator<Block> {
  for await (const { key } of store.list(`chains/${chain.id}/`)) if (key.endsWith('.block')) yield parseBlock(await store.get(key));
}

/**
 * The event of the body that a request document is about, and the hash of this body. The hash is
 * empty if the document is lost or about another event than its receipt.
 */
async function readDocument(store: Store, { at, length, meta }: Receipt): Promise<{ event: string; hash: string }> {
  const bytes = await store.find(at.key, at.offset === undefined ? undefined : { offset: at.offset, length });
  const body = bytes && (JSON.parse(bytes.toString()) as { body: { event: string; hash: string } }).body;
  return body?.event === meta.about ? (body as { event: string; hash: string }) : { event: String(meta.about), hash: '' };
}

export const isClean = ({ lost, doubled, unexpected, untrue, faults }: Verdict): boolean =>
  lost.length + doubled.length + unexpected.length + untrue.length + faults.length === 0;
