import { readdirSync, readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { type Clock, Pace } from '@blockhub/clock';
import type { Logger, Metrics } from '@blockhub/telemetry';

/** Files that are reserved for probes, broker, store and spool. */
const RESERVED = 256;
/** Largest share of the free files that is reserved. Connections get at least the other half. */
const MAX_RESERVED_SHARE = 0.5;
const LOG_AGAIN_MS = 60_000;

/** How many files and connections this process may have open. Undefined if it cannot be read. */
function openFilesLimit(): number | undefined {
  try {
    return parseLimit(/^Max open files +(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]);
  } catch {
    // Only Linux has this file.
    const report = process.report as typeof process.report & { excludeNetwork: boolean };
    // The network part of the report would query name servers.
    report.excludeNetwork = true;
    const { userLimits } = report.getReport() as { userLimits?: { open_files?: { soft?: unknown } } };
    return parseLimit(String(userLimits?.open_files?.soft));
  }
}

const parseLimit = (text: string | undefined): number | undefined => (/^[0-9]+$/.test(text ?? '') ? Number(text) : undefined);

function openFiles(): number {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return 0;
  }
}

/**
 * The limit of open files may lower `--max-connections`, with a warning: if the process has no file
 * left, the kernel refuses connections without a trace, and probes too.
 */
export function boundConnections(wanted: number, log: Logger, limit = openFilesLimit(), open = openFiles()): number {
  if (limit === undefined) return wanted;
  const reserved = open + Math.min(RESERVED, Math.ceil(Math.max(0, limit - open) * MAX_RESERVED_SHARE));
  const possible = Math.max(1, limit - reserved);
  if (wanted <= possible) return wanted;
  const fix = `Raise the limit of open files (ulimit -n, LimitNOFILE of systemd) to ${wanted + open + RESERVED}, or set --max-connections to ${possible}.`;
  log.warn({ maxConnections: wanted, openFilesLimit: limit, taken: possible, fix }, 'the limit of open files lowers --max-connections');
  return possible;
}

/** Counts connections that are refused unread, and logs them at most once a minute. */
export function watchRefusedConnections(server: Server, { clock, log, metrics }: { clock: Clock; log: Logger; metrics: Metrics }): void {
  const counter = metrics.counter(
    'blockhub_capture_connections_refused_total',
    'Connections that were closed at once, because of the limit of connections or of open files.',
    ['reason'],
  );
  const pace = new Pace(clock, LOG_AGAIN_MS);
  const refused = (reason: string, fields: Record<string, unknown>): void => {
    counter.labels({ reason }).add();
    const connections = pace.pass(reason);
    if (connections > 0) log.warn({ reason, connections, ...fields }, 'connections are refused');
  };
  for (const reason of ['limit', 'descriptors']) counter.labels({ reason });
  server.on('drop', (data) => {
    const fix = 'Raise --max-connections, or start more instances.';
    refused('limit', { maxConnections: server.maxConnections, client: data?.remoteAddress, fix });
  });
  server.on('error', (err) => {
    const fix = 'Raise the limit of open files (ulimit -n, LimitNOFILE of systemd), or lower --max-connections.';
    refused('descriptors', { err, fix });
  });
}
