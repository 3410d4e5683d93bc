import { BlockhubError } from '@blockhub/errors';
import type { Logger } from './logger.ts';

/** Facts of a span. No secrets: they leave the machine. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>;

export interface SpanOptions {
  /** `server`: answers a request; `producer`: gives messages away; `consumer`: works on messages. */
  readonly kind: 'server' | 'producer' | 'consumer';
  /** The `traceparent` that it continues. Without one, or with what is none, it begins a trace. */
  readonly parent?: unknown;
  readonly attributes?: SpanAttributes;
}

/** Something that takes time, from its start to its end. */
export interface Span {
  /** For whatever it causes: the `traceparent` of its children. */
  readonly traceparent: string;
  set(attributes: SpanAttributes): void;
  /** Names another span that belongs to it, by its `traceparent`. */
  link(traceparent: string): void;
  /** It went wrong: an error code, or a status. */
  fail(code: string): void;
  end(): void;
}

/** Records spans and sends them away. */
export interface Tracing {
  /** Undefined where nobody records this trace: its parent is not sampled, or the sampler leaves it out. */
  start(name: string, options: SpanOptions): Span | undefined;
  /** Sends what is left, for some seconds at most. Never rejects. */
  close(): Promise<void>;
}

export interface TracingOptions {
  /** Who speaks; OTEL_SERVICE_NAME of the process overrules it. */
  readonly service: string;
  /**
   * Says whether, where and what is recorded: OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER, OTEL_EXPORTER_OTLP_ENDPOINT and …_PROTOCOL, the same two with
   * …_OTLP_TRACES_…, OTEL_TRACES_SAMPLER and its …_ARG. All else OpenTelemetry reads from `process.env` by itself, whatever stands here:
   * OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, and HEADERS, TIMEOUT, COMPRESSION and certificates of OTEL_EXPORTER_OTLP_….
   */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Logger;
}

export const invalid = (message: string): BlockhubError =>
  new BlockhubError('SETTINGS_INVALID', message, { details: { mistakes: [message] } });
