import { setTimeout } from 'node:timers/promises';
import {
  DiagLogLevel,
  diag,
  type Link,
  type Span as OtelSpan,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { detectResources, resourceAttributesEnvDetector, resourceFromAttributes, serviceNameEnvDetector } from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { formatTraceparent, parseTraceparent } from './trace-context.ts';
import { invalid, type Span, type SpanAttributes, type Tracing, type TracingOptions } from './tracing.ts';

/** A collector that does not answer must not delay the end of the process for longer. */
const CLOSE_MS = 3_000;
const WARN_AGAIN_MS = 60_000;

const kinds = { server: SpanKind.SERVER, producer: SpanKind.PRODUCER, consumer: SpanKind.CONSUMER };

/** This is the only file that imports OpenTelemetry. */
export function openOtlp(url: string, { service, env, log }: TracingOptions): Tracing {
  let quietUntil = 0;
  const warn = (message: string, ...more: unknown[]): void => {
    if (performance.now() < quietUntil) return;
    quietUntil = performance.now() + WARN_AGAIN_MS;
    log.warn({ reason: [message, ...more].map(String).join(' ').slice(0, 500) }, 'spans cannot be sent');
  };
  const nothing = (): void => {};
  diag.setLogger(
    { error: warn, warn, info: nothing, debug: nothing, verbose: nothing },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': service, 'service.namespace': 'blockhub' }).merge(
      detectResources({ detectors: [resourceAttributesEnvDetector, serviceNameEnvDetector] }),
    ),
    sampler: samplerOf(env),
    spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter({ url }) })],
  });
  const tracer = provider.getTracer('blockhub');
  return {
    start(name, { kind, parent, attributes = {} }) {
      const context = contextOf(parent);
      if (context && context.traceFlags !== TraceFlags.SAMPLED) return undefined;
      const under = context ? trace.setSpanContext(ROOT_CONTEXT, context) : ROOT_CONTEXT;
      const span = tracer.startSpan(name, { kind: kinds[kind], attributes: known(attributes) }, under);
      return span.isRecording() ? spanOf(span) : undefined;
    },
    async close() {
      const late = new AbortController();
      const cut = setTimeout(CLOSE_MS, undefined, { signal: late.signal }).then(
        () => warn(`no answer within ${CLOSE_MS} ms`),
        () => {},
      );
      await Promise.race([provider.shutdown().catch(warn), cut]);
      late.abort();
    },
  };
}

function contextOf(traceparent: unknown): Link['context'] | undefined {
  const context = parseTraceparent(traceparent);
  if (!context) return undefined;
  const { traceId, spanId, sampled } = context;
  return { traceId, spanId, traceFlags: sampled ? TraceFlags.SAMPLED : TraceFlags.NONE, isRemote: true };
}

const known = (attributes: SpanAttributes): Record<string, string | number | boolean> =>
  Object.fromEntries(Object.entries(attributes).filter((entry): entry is [string, string | number | boolean] => entry[1] !== undefined));

function spanOf(span: OtelSpan): Span {
  const { traceId, spanId } = span.spanContext();
  return {
    traceparent: formatTraceparent({ traceId, spanId, sampled: true }),
    set: (attributes) => void span.setAttributes(known(attributes)),
    link(traceparent) {
      const context = contextOf(traceparent);
      if (context) span.addLink({ context });
    },
    fail(code) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: code });
      span.setAttribute('error.type', code);
    },
    end: () => span.end(),
  };
}

/** Decides about traces that begin here; else the parent decides. @throws SETTINGS_INVALID */
function samplerOf({ OTEL_TRACES_SAMPLER: name = '', OTEL_TRACES_SAMPLER_ARG: argument = '' }: TracingOptions['env']): Sampler {
  const ratio = argument === '' ? 1 : Number(argument);
  const roots: Readonly<Record<string, () => Sampler>> = {
    always_on: () => new AlwaysOnSampler(),
    always_off: () => new AlwaysOffSampler(),
    traceidratio: () => new TraceIdRatioBasedSampler(ratio),
  };
  const root = roots[(name || 'always_on').replace(/^parentbased_/, '')];
  if (!root)
    throw invalid(
      `OTEL_TRACES_SAMPLER: expected one of ${Object.keys(roots)
        .map((one) => `parentbased_${one}`)
        .join(', ')}, got ${name}`,
    );
  if (!(ratio >= 0 && ratio <= 1)) throw invalid('OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1');
  return new ParentBasedSampler({ root: root() });
}
