export { createHealth, type Health, type HealthReport } from './health.ts';
export { bareHost, type ListenAddress, listenAt, listenError } from './listen.ts';
export { createLogger, type LogFields, type Logger, type LoggerOptions, type LogLevel, type LogMethod, silentLogger } from './logger.ts';
export { createMetrics, type Family, type Metrics } from './metrics.ts';
export { openTracing } from './open-tracing.ts';
export { type ProbeOptions, type RunningProbes, startProbes } from './probes.ts';
export type { Counter, Gauge, Histogram } from './series.ts';
export { formatTraceparent, parseTraceparent, type TraceContext } from './trace-context.ts';
export type { Span, SpanAttributes, SpanOptions, Tracing, TracingOptions } from './tracing.ts';
