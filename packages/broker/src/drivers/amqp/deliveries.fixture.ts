import { expect } from '@jest/globals';
import type { Broker, BrokerLog, Delivery, Outgoing } from '../../types.ts';

export const outgoing = (queue: string, id: string, body = Buffer.from(`body of ${id}`)): Outgoing => ({ queue, id, meta: {}, body });

export const numbered = (queue: string, from: number, to: number): Outgoing[] =>
  Array.from({ length: to - from + 1 }, (_, at) => outgoing(queue, String(from + at)));

export const code = (expected: string) => expect.objectContaining({ code: expected });

export interface Collected {
  readonly all: Delivery[];
  readonly ids: () => string[];
  cancel(): Promise<void>;
}

/** Collects what comes; `onDelivery` may settle it. */
export async function collect(
  broker: Broker,
  queue: string,
  prefetch = 100,
  onDelivery?: (delivery: Delivery) => void,
): Promise<Collected> {
  const all: Delivery[] = [];
  const consumer = await broker.consume(queue, { prefetch }, (delivery) => {
    all.push(delivery);
    onDelivery?.(delivery);
  });
  return { all, ids: () => all.map(({ id }) => id), cancel: () => consumer.cancel() };
}

/** Waits until it holds. */
export async function eventually(expectation: () => void | Promise<void>, forMs = 30_000): Promise<void> {
  for (const end = performance.now() + forMs; ; await new Promise((resolve) => setTimeout(resolve, 20))) {
    try {
      return await expectation();
    } catch (error) {
      if (performance.now() > end) throw error;
    }
  }
}

/** Everything that is logged, as text. */
export function listen(): BrokerLog & { readonly lines: string[] } {
  const lines: string[] = [];
  const write = (facts: object, text: string): void => {
    const { err, ...others } = facts as { err?: unknown };
    lines.push(`${text} ${JSON.stringify(others)} ${err instanceof Error ? `${err.stack} ${String(err.cause)}` : ''}`);
  };
  return { lines, info: write, warn: write, error: write };
}
