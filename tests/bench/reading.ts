import type { Row } from './table.ts';

export async function benchReading(): Promise<Row[]> {
  return [];
}
