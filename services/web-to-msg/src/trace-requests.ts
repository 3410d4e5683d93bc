import type { Tracing } from '@blockhub/telemetry';
import type { FastifyInstance } from 'fastify';

/** A span for each request, from its head until its answer is sent. It takes the place of the sender's `traceparent` in the headers, so what the request causes belongs to it. */
export function traceRequests(app: FastifyInstance, tracing: Tracing): void {
  app.addHook('onRequest', ({ raw, routeOptions: { url: route } }, { raw: answer }, done) => {
    const { method = '', headers } = raw;
    const attributes = { 'http.request.method': method, 'http.route': route, 'url.scheme': 'http' };
    const span = tracing.start(route === undefined ? method : `${method} ${route}`, {
      kind: 'server',
      parent: headers.traceparent,
      attributes,
    });
    if (span) {
      headers.traceparent = span.traceparent;
      answer.once('close', () => {
        span.set({ 'http.response.status_code': answer.statusCode });
        if (answer.statusCode >= 500) span.fail(String(answer.statusCode));
        span.end();
      });
    }
    done();
  });
}
