import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Health } from './health.ts';
import { bareHost, listenAt, listenError } from './listen.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';

// An import by name would load fetch and WebSocket too.
const { createServer } = process.getBuiltinModule('node:http');

export interface ProbeOptions {
  readonly host: string;
  /** 0 means any free port. */
  readonly port: number;
  readonly health: Health;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** The answer of `/version`, such as `{ name, version }`. */
  readonly version?: Readonly<Record<string, string>>;
  /** Names of the settings for errors, by default `probeHost` and `probePort`. */
  readonly hostSetting?: string;
  readonly portSetting?: string;
}

export interface RunningProbes {
  readonly port: number;
  /** Closes open connections too. A second call does nothing. */
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const json = (status: number, value: unknown): Answer => ({ status, type: 'application/json', body: `${JSON.stringify(value)}\n` });

async function answer(path: string, { health, metrics, version }: ProbeOptions): Promise<Answer> {
  switch (path) {
    // Always 200: a broker or store that does not answer must not restart the process.
    case '/livez':
      return json(200, { alive: true });
    case '/readyz':
      return json(health.ready() ? 200 : 503, health.report());
    case '/metrics':
      return { status: 200, type: metrics.contentType, body: await metrics.text() };
    case '/version':
      return json(200, { ...version, node: process.versions.node });
    default:
      return json(404, { code: 'ROUTE_NOT_FOUND', message: 'expected /livez, /readyz, /metrics or /version' });
  }
}

/** Node itself omits the body of an answer to HEAD. */
function send(response: ServerResponse, { status, type, body }: Answer): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body), 'cache-control': 'no-store' });
  response.end(body);
}

async function handle(request: IncomingMessage, response: ServerResponse, options: ProbeOptions): Promise<void> {
  // A probe has no body. A connection with a body is closed after the answer.
  if (request.headers['content-length'] || request.headers['transfer-encoding']) response.setHeader('connection', 'close');
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    send(response, json(405, { code: 'METHOD_NOT_ALLOWED', message: 'use GET or HEAD' }));
    return;
  }
  try {
    send(response, await answer((request.url ?? '/').split('?', 1)[0] ?? '/', options));
  } catch (error) {
    options.log.error({ err: error }, 'probe failed');
    send(response, json(500, { code: 'INTERNAL', message: 'the probe failed, see the log' }));
  }
}

async function listen(server: Server, options: ProbeOptions): Promise<number> {
  const { port, hostSetting = 'probeHost', portSetting = 'probePort' } = options;
  const host = bareHost(options.host);
  try {
    return (await listenAt(host, (one) => listenOnce(server, one, port))).listening;
  } catch (error) {
    throw listenError(error, { host, port, hostSetting, portSetting });
  }
}

function listenOnce(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : port);
    });
  });
}

/**
 * Serves `/livez` (always 200), `/readyz` (200 or 503 with all checks), `/metrics` and `/version`.
 * Connections of slow clients are closed after 5 seconds.
 * @throws ADDRESS_IN_USE, SETTINGS_INVALID
 */
export async function startProbes(options: ProbeOptions): Promise<RunningProbes> {
  const server = createServer(
    { headersTimeout: 5000, requestTimeout: 5000, keepAliveTimeout: 5000, connectionsCheckingInterval: 1000, maxHeaderSize: 8192 },
    (request, response) => void handle(request, response, options),
  );
  server.maxConnections = 100;
  // Clients that do not read the answer.
  server.setTimeout(5000, (socket) => socket.destroy());
  const port = await listen(server, options);
  server.on('error', (error) => options.log.error({ err: error }, 'probe server failed'));
  let closing: Promise<void> | undefined;
  return {
    port,
    close() {
      closing ??= new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      return closing;
    },
  };
}
