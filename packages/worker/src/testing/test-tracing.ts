import { formatTraceparent, parseTraceparent, type Span, type SpanOptions, type Tracing } from '@blockhub/telemetry';

export interface TestSpan {
  readonly name: string;
  readonly traceId: string;
  readonly parentId: string;
  readonly traceparent: string;
  /** Trace ids of the spans that it is linked with. */
  readonly links: string[];
  readonly codes: string[];
  ends: number;
}

/** Tracing that keeps its spans. It begins no traces: a span needs a sampled parent. */
export function testTracing(): Tracing & { readonly spans: readonly TestSpan[] } {
  const spans: TestSpan[] = [];
  return {
    spans,
    start(name: string, { parent }: SpanOptions): Span | undefined {
      const context = parseTraceparent(parent);
      if (!context?.sampled) return undefined;
      const { traceId, spanId: parentId } = context;
      const traceparent = formatTraceparent({ traceId, spanId: String(spans.length + 1).padStart(16, '0'), sampled: true });
      const span: TestSpan = { name, traceId, parentId, traceparent, links: [], codes: [], ends: 0 };
      spans.push(span);
      return {
        traceparent,
        set() {},
        link: (other) => span.links.push(parseTraceparent(other)?.traceId ?? ''),
        fail: (code) => span.codes.push(code),
        end: () => span.ends++,
      };
    },
    close: async () => {},
  };
}
