import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Tracing } from '@blockhub/telemetry';

/** The span replaces the sender's `traceparent`, so the spans of later stages belong to it. */
export function traceRequest(
  tracing: Tracing,
  { method = '', headers }: IncomingMessage,
  answer: ServerResponse,
  route: string | undefined,
): void {
  const attributes = { 'http.request.method': method, 'http.route': route, 'url.scheme': 'http' };
  const name = route === undefined ? method : `${method} ${route}`;
  const span = tracing.start(name, { kind: 'server', parent: headers.traceparent, attributes });
  if (!span) return;
  headers.traceparent = span.traceparent;
  answer.once('close', () => {
    span.set({ 'http.response.status_code': answer.statusCode });
    if (answer.statusCode >= 500) span.fail(String(answer.statusCode));
    span.end();
  });
}
