import type { Receipt } from '@blockhub/chain';

const rank = ({ hash, at }: Receipt): string => `${hash} ${at.key} ${String(at.offset ?? '').padStart(16, '0')}`;

/** One receipt for each event. Of twins, which say where the same bytes lie twice, always the same one is taken, whatever the order. */
export function uniqueByEvent(receipts: readonly Receipt[]): Map<string, Receipt> {
  const unique = new Map<string, Receipt>();
  for (const receipt of receipts) {
    const twin = unique.get(receipt.event);
    if (!twin || rank(receipt) < rank(twin)) unique.set(receipt.event, receipt);
  }
  return unique;
}
