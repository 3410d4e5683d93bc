import { parseBlock } from '@blockhub/chain';
import type { Store } from '@blockhub/store';
import { verifyChain } from '@blockhub/walker';

/** What senders know after a run: the chain that each event was sent to, and whether it was acknowledged. */
export interface Sent {
  readonly chain: string;
  acknowledged: boolean;
}

export interface Verdict {
  /** Acknowledged, and in no block. */
  lost: string[];
  /** In more than one place. */
  doubled: string[];
  /** In a chain, but never sent there. */
  unexpected: string[];
  /** What a full verify of all chains found. */
  faults: string[];
  blocks: number;
  events: number;
}

/** Judges from the bucket alone what became of everything that was sent. */
export async function judge(store: Store, chains: readonly string[], sent: ReadonlyMap<string, Sent>): Promise<Verdict> {
  const verdict: Verdict = { lost: [], doubled: [], unexpected: [], faults: [], blocks: 0, events: 0 };
  const seen = new Set<string>();
  for (const chain of chains) {
    const report = await verifyChain(store, chain, { level: 'full' });
    for (const fault of report.faults) verdict.faults.push(`${fault.code} ${chain} ${fault.height ?? ''}: ${fault.message}`);
    for (const unchecked of report.unchecked) verdict.faults.push(`UNCHECKED ${unchecked}`);
    for await (const { key } of store.list(`chains/${chain}/`)) {
      if (!key.endsWith('.block')) continue;
      const block = parseBlock(await store.get(key));
      verdict.blocks++;
      for (const { event } of block.blobs) {
        verdict.events++;
        if (sent.get(event)?.chain !== chain) verdict.unexpected.push(event);
        if (seen.has(event)) verdict.doubled.push(event);
        seen.add(event);
      }
    }
  }
  for (const [event, { acknowledged }] of sent) if (acknowledged && !seen.has(event)) verdict.lost.push(event);
  return verdict;
}

export const isClean = (verdict: Verdict): boolean =>
  verdict.lost.length + verdict.doubled.length + verdict.unexpected.length + verdict.faults.length === 0;
