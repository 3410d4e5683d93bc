/** A place in a trace, as W3C Trace Context writes it (https://www.w3.org/TR/trace-context/#traceparent-header). */
export interface TraceContext {
  readonly traceId: string;
  readonly spanId: string;
  /** Somebody records this trace. */
  readonly sampled: boolean;
}

const form = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/s;

/** Reads a `traceparent`; undefined where it is none. What a later version adds behind it is not looked at. */
export function parseTraceparent(value: unknown): TraceContext | undefined {
  const [, version, traceId, spanId, flags, more] = (typeof value === 'string' && form.exec(value)) || [];
  if (traceId === undefined || spanId === undefined || (version === '00' && more !== undefined)) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags ?? '', 16) & 1) === 1 };
}

export const formatTraceparent = ({ traceId, spanId, sampled }: TraceContext): string => `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`;
