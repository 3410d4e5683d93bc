import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Tracing } from '@blockhub/telemetry';

/**
 * Begins the span of a request, which ends when its answer is sent. It replaces the sender's
 * `traceparent` in the headers, so the spans of later stages belong to it.
 * @param route undefined if there is no route for the path
 */
export function traceRequest(
  tracing: Tracing,
  { method = '', headers }: IncomingMessage,
  answer: ServerResponse,
  route: string | undefined,
): void {
  const attributes = { 'http.request.method': method, 'http.route': route, 'url.scheme': 'http' };
  const span = tracing.start(route === undefined ? method : `${method} ${route}`, {
    kind: 'server',
    parent: headers.traceparent,
    attributes,
  });
  if (!span) return;
  headers.traceparent = span.traceparent;
  answer.once('close', () => {
    span.set({ 'http.response.status_code': answer.statusCode });
    if (answer.statusCode >= 500) span.fail(String(answer.statusCode));
    span.end();
  });
}
