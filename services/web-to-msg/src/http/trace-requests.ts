import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Tracing } from '@blockhub/telemetry';

/**
 * Begins the span of a request, which ends when its answer is sent. It takes the place of the sender's `traceparent` in the headers, so what the
 * request causes belongs to it.
 * @param route undefined where nothing is served at this path
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
