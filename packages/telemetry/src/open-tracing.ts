import { invalid, type Tracing, type TracingOptions } from './tracing.ts';

/**
 * Tracing by OTLP over HTTP to OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT.
 * If neither is set, the result is undefined and OpenTelemetry is not loaded, which saves memory.
 * @throws SETTINGS_INVALID
 */
export async function openTracing(options: TracingOptions): Promise<Tracing | undefined> {
  const { env } = options;
  const { OTEL_EXPORTER_OTLP_ENDPOINT: base, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: own } = env;
  if ((!base && !own) || env.OTEL_SDK_DISABLED === 'true' || env.OTEL_TRACES_EXPORTER === 'none') return undefined;
  const name = own ? 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT' : 'OTEL_EXPORTER_OTLP_ENDPOINT';
  const url = own || `${base?.replace(/\/+$/, '')}/v1/traces`;
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? '')) throw invalid(`${name} must be a URL such as http://collector:4318`);
  const protocol = env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL || env.OTEL_EXPORTER_OTLP_PROTOCOL || 'http/protobuf';
  if (protocol !== 'http/protobuf') throw invalid(`OTEL_EXPORTER_OTLP_PROTOCOL: expected http/protobuf, got ${protocol}`);
  const { openOtlp } = await import('./otlp.ts');
  return openOtlp(url, options);
}
