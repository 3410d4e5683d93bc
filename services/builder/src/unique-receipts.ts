import type { Receipt } from '@blockhub/chain';

const rank = ({ hash, at }: Receipt): string => `${hash} ${at.key} ${String(at.offset ?? '').padStart(16, '0')}`;

/** One receipt for each event. The choice between two does not depend on their order. */
export function uniqueByEvent(receipts: readonly Receipt[]): Map<string, Receipt> {
  const unique = new Map<string, Receipt>();
  for (const receipt of receipts) {
    const other = unique.get(receipt.event);
    if (!other || rank(receipt) < rank(other)) unique.set(receipt.event, receipt);
  }
  return unique;
}
