export interface BackOff {
  readonly firstMs: number;
  readonly mostMs: number;
}

/** How long to wait after so many failures (from 1): doubled each time, between half and all of it so that many do not come back at once. */
export function backOff(failures: number, { firstMs, mostMs }: BackOff, random: () => number): number {
  const full = Math.min(mostMs, firstMs * 2 ** Math.min(failures - 1, 30));
  return Math.ceil(full * (0.5 + random() / 2));
}
