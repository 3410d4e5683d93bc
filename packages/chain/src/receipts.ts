import type { Receipt } from './types.ts';

export function encodeReceipts(receipts: readonly Receipt[]): string {
  return JSON.stringify(receipts);
}
export function parseReceipts(text: string): Receipt[] {
  return JSON.parse(text) as Receipt[];
}
