import type { Head } from './rule.ts';

/** How often a request has a header. Node joins some repeated headers, and drops others. */
export function countHeader({ rawHeaders }: Pick<Head, 'rawHeaders'>, name: string): number {
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) if (rawHeaders[at]?.toLowerCase() === name) count++;
  return count;
}
