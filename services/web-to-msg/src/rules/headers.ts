import type { Head } from './rule.ts';

/** How often a request has a header; what Node makes of several differs from header to header. */
export function countHeader({ rawHeaders }: Pick<Head, 'rawHeaders'>, name: string): number {
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) if (rawHeaders[at]?.toLowerCase() === name) count++;
  return count;
}
