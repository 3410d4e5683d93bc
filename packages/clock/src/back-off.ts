export interface BackOff {
  readonly firstMs: number;
  readonly mostMs: number;
}

/**
 * How long to wait after this many failures (from 1). The wait doubles each time. It is between
 * half and all of that, so that many processes do not retry at once.
 */
export function backOff(failures: number, { firstMs, mostMs }: BackOff, random: () => number): number {
  const full = Math.min(mostMs, firstMs * 2 ** Math.min(failures - 1, 30));
  return Math.ceil(full * (0.5 + random() / 2));
}
