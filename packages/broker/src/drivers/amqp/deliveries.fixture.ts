import type { BrokerLog, Outgoing } from '../../types.ts';

export { code, collect } from '../../conformance/kit.ts';

export const outgoing = (queue: string, id: string, body = Buffer.from(`body of ${id}`)): Outgoing => ({ queue, id, meta: {}, body });

export const numbered = (queue: string, from: number, to: number): Outgoing[] =>
  Array.from({ length: to - from + 1 }, (_, at) => outgoing(queue, String(from + at)));

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
