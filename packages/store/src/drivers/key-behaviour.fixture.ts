import type { Decision } from '@blockhub/faults';
import type { MemoryDriverOptions } from './memory.ts';

const reads: ReadonlySet<string> = new Set(['get', 'head', 'list']);

/**
 * Keys that define how the store behaves. `BAD{attempts}-{delayMs}` anywhere in a key fails each
 * operation that many times before its effect, and then delays the answer.
 * `LOST{attempts}-{delayMs}` fails after the effect, and only for writes. `-{delayMs}` may be left
 * out. The plan decides for other keys.
 */
export function keyBehaviour(): NonNullable<MemoryDriverOptions['behaviour']> {
  const failed = new Map<string, number>();
  return (operation, key): Decision | undefined => {
    const [, word, attempts, delay] = /(BAD|LOST)(\d+)(?:-(\d+))?/.exec(key) ?? [];
    if (word === undefined || (word === 'LOST' && reads.has(operation))) return undefined;
    const request = `${operation} ${key}`;
    const before = failed.get(request) ?? 0;
    if (before >= Number(attempts)) return { outcome: 'ok', delayMs: 0, answerMs: Number(delay ?? 0) };
    failed.set(request, before + 1);
    return { outcome: word === 'BAD' ? 'fail-before' : 'fail-after', delayMs: 0, answerMs: 0 };
  };
}
