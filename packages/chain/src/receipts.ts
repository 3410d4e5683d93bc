import { BlockhubError } from '@blockhub/errors';
import { Malformed } from './canonical.ts';
import { type Wrong, wrongAt, wrongItem, wrongMeta } from './item.ts';
import type { Receipt } from './types.ts';

const countOf = (value: object): number => Object.keys(value).length;

/** Unlike a line of a block, a receipt is not encoded again, so extra fields are looked for. */
function wrongReceipt(receipt: Receipt): Wrong | undefined {
  const wrong = wrongItem(receipt) ?? wrongAt(receipt.at) ?? wrongMeta(receipt.meta);
  if (wrong) return wrong;
  if (countOf(receipt) !== ('sha256' in receipt ? 7 : 6)) return ['', 'has unknown fields'];
  return countOf(receipt.at) === ('offset' in receipt.at ? 2 : 1) ? undefined : ['/at', 'has unknown fields'];
}

function demandReceipts(receipts: readonly Receipt[]): void {
  for (let index = 0; index < receipts.length; index++) {
    const wrong = wrongReceipt(receipts[index] as Receipt);
    if (wrong) throw new Malformed(`/${index}${wrong[0]}`, wrong[1]);
  }
}

/**
 * A JSON array of receipts without white space around or between them. So two texts can be joined
 * by cutting brackets, without reading them.
 * @throws MESSAGE_INVALID with `details.path` if a receipt is malformed, so that the fault stops
 * where it was made
 */
export function encodeReceipts(receipts: readonly Receipt[]): string {
  try {
    demandReceipts(receipts);
    return JSON.stringify(receipts);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    throw new BlockhubError('MESSAGE_INVALID', `receipts${error.path}: ${error.message}`, { details: { path: error.path } });
  }
}
