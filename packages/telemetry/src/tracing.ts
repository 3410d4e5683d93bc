import { BlockhubError } from '@blockhub/errors';
import type { Logger } from './logger.ts';

/** Attributes of a span. They leave the machine, so they must not contain secrets. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>;

export interface SpanOptions {
  /** `server`: answers a request; `producer`: sends messages; `consumer`: handles messages. */
  readonly kind: 'server' | 'producer' | 'consumer';
  /** The `traceparent` that it continues. If it is absent or not valid, the span begins a trace. */
  readonly parent?: unknown;
  readonly attributes?: SpanAttributes;
}

export interface Span {
  /** The `traceparent` of its children. */
  readonly traceparent: string;
  set(attributes: SpanAttributes): void;
  /** Links another span, by its `traceparent`. */
  link(traceparent: string): void;
  /** Marks it as failed, with an error code or a status. */
  fail(code: string): void;
  end(): void;
}

/** Records spans and sends them to a collector. */
export interface Tracing {
  /** Undefined if the trace is not recorded, because its parent or the sampler decided so. */
  start(name: string, options: SpanOptions): Span | undefined;
  /** Sends the remaining spans, within 3 seconds. Never rejects. */
  close(): Promise<void>;
}

export interface TracingOptions {
  /** The name of the service. OTEL_SERVICE_NAME of the process replaces it. */
  readonly service: string;
  /**
   * The variables that are read here: OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER, OTEL_TRACES_SAMPLER
   * and …_ARG, OTEL_EXPORTER_OTLP_ENDPOINT and …_PROTOCOL, and the last two with …_OTLP_TRACES_….
   * OpenTelemetry itself reads from `process.env`: OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, and
   * headers, time-out, compression and certificates of OTEL_EXPORTER_OTLP_….
   */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Logger;
}

export const invalid = (message: string): BlockhubError =>
  new BlockhubError('SETTINGS_INVALID', message, { details: { mistakes: [message] } });
