import { BlockhubError } from '@blockhub/errors';
import { Malformed, readJson } from './canonical.ts';
import { type Wrong, wrongAt, wrongItem, wrongMeta } from './item.ts';
import type { Receipt } from './types.ts';

const countOf = (value: object): number => Object.keys(value).length;

/** Unlike a line of a block, a receipt is not compared with its encoding, so fields too many are looked for. */
function wrongReceipt(receipt: Receipt): Wrong | undefined {
  const wrong = wrongItem(receipt) ?? wrongAt(receipt.at) ?? wrongMeta(receipt.meta);
  if (wrong) return wrong;
  if (countOf(receipt) !== ('sha256' in receipt ? 7 : 6)) return ['', 'has unknown fields'];
  return countOf(receipt.at) === ('offset' in receipt.at ? 2 : 1) ? undefined : ['/at', 'has unknown fields'];
}

function demandReceipts(receipts: unknown): asserts receipts is Receipt[] {
  if (!Array.isArray(receipts)) throw new Malformed('', 'must be an array');
  for (let index = 0; index < receipts.length; index++) {
    const wrong = wrongReceipt(receipts[index]);
    if (wrong) throw new Malformed(`/${index}${wrong[0]}`, wrong[1]);
  }
}

function withMessageInvalid<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    throw new BlockhubError('MESSAGE_INVALID', `receipts${error.path}: ${error.message}`, { details: { path: error.path } });
  }
}

/**
 * A JSON array of receipts without white space around or between them: two texts are joined by cutting brackets, without reading.
 * @throws MESSAGE_INVALID with `details.path` when one is malformed, so that it stops where it was made
 */
export function encodeReceipts(receipts: readonly Receipt[]): string {
  return withMessageInvalid(() => {
    demandReceipts(receipts);
    return JSON.stringify(receipts);
  });
}

/**
 * The receipts in a text of `encodeReceipts`.
 * @throws MESSAGE_INVALID with `details.path` when the text is no JSON array of receipts
 */
export function parseReceipts(text: string): Receipt[] {
  return withMessageInvalid(() => {
    const receipts = readJson(text, '');
    demandReceipts(receipts);
    return receipts;
  });
}
