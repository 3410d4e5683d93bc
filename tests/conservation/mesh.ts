import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Place, variablesOf } from '@blockhub/mesh';
import { type BreakableProxy, openProxy } from '@blockhub/test-servers';
import { freePort, nodeFlags } from '../standalone/standalone.ts';
import type { ServerName, Servers } from './servers.ts';
import { services } from './services.ts';

const root = join(import.meta.dirname, '../..');
const preload = join(import.meta.dirname, 'preload.ts');
const nodeArguments = ['--no-warnings', ...nodeFlags, '--import', preload];
const GRACE_S = 4;
/** A process that has not stopped this long after SIGTERM is killed, as in Kubernetes. */
const OVERDUE_MS = (GRACE_S + 6) * 1000;
const RESTART_MS = 300;
const START_MS = 120_000;

/** The host of a server in URLs. `preload.ts` leads it to a link. */
const hostOf = (name: ServerName): string => `${name}.conservation`;

const isUp = (captureUrl: string): Promise<boolean> => fetch(captureUrl, { signal: AbortSignal.timeout(1000) }).then(Boolean, () => false);

/** What the parts of a run share: processes, servers, and the connections between them. */
export interface Mesh {
  /** Replicas by name, `builder-0`, without spares. */
  readonly processes: ReadonlyMap<string, Replica>;
  /** The links of these replicas by name, `builder-0>store`. */
  readonly links: ReadonlyMap<string, BreakableProxy>;
  /** Addresses to which senders post at present. */
  readonly captureUrls: readonly string[];
  /** One more replica of each service by its place, `builder`. At first none of them runs. */
  readonly spares: ReadonlyMap<string, Spare>;
  /** Files in the spools of capture: requests that the broker has not confirmed. */
  spooled(): string[];
  /** Points the links to the present addresses of the servers. */
  retarget(): void;
  /** Unexpected ends of processes, and stops that took too long or failed, as `name: code`. */
  readonly ends: readonly string[];
  stop(): Promise<void>;
}

/**
 * A replica that is added and removed as its service is scaled. It keeps its spool, as in a
 * StatefulSet.
 */
interface Spare {
  /** The replica was added and not removed yet. */
  readonly wanted: boolean;
  add(): void;
  /** Removes it in order: first no more requests, then SIGTERM. */
  remove(): Promise<void>;
}

export interface MeshOptions {
  readonly replicas: number;
  /** An existing folder, for the log and the spool of each replica. */
  readonly logs: string;
  /** Put into the environment of every process. */
  readonly env?: NodeJS.ProcessEnv;
}

/** Starts every service, each replica with links of its own to what it needs. */
export async function startMesh(servers: Servers, { replicas, logs, env = {} }: MeshOptions): Promise<Mesh> {
  const processes = new Map<string, Replica>();
  const spares = new Map<string, Spare>();
  const links = new Map<string, BreakableProxy>();
  const spareLinks = new Map<string, BreakableProxy>();
  const captureUrls: string[] = [];
  const spools: string[] = [];
  const ends: string[] = [];
  const started: Replica[] = [];
  const targetOf = (name: ServerName): string => (name === 'store' ? servers.s3.address : servers.address(name));
  const credentials = servers.credentials && {
    BLOCKHUB_STORE_ACCESS_KEY: servers.credentials.accessKey,
    BLOCKHUB_STORE_SECRET_KEY: servers.credentials.secretKey,
  };
  /** A replica that does not run yet, and its captureUrl. */
  const describe = async (place: Place, name: string, into: typeof links): Promise<{ replica: Replica; captureUrl?: string }> => {
    const flags: string[] = [];
    const ports: Record<string, number> = {};
    const addLink = async (from: string, target: string): Promise<string> => {
      const link = await openProxy(target);
      into.set(from, link);
      return link.address;
    };
    for (const need of ['broker', ...place.worker.needs] as const) {
      const address = await addLink(`${name}>${need}`, targetOf(need));
      ports[hostOf(need)] = Number(address.split(':')[1]);
      flags.push(`--${need}`, servers.url(need, `${hostOf(need)}:80`));
    }
    let captureUrl: string | undefined;
    if (place.name === 'web-to-msg') {
      const port = await freePort();
      captureUrl = `http://${await addLink(`sender>${name}`, `127.0.0.1:${port}`)}`;
      const spool = join(logs, `spool-${name}`);
      spools.push(spool);
      flags.push('--port', String(port), '--spool', spool);
    }
    const replica = new Replica(place, flags, {
      log: join(logs, `${name}.log`),
      env: { ...process.env, ...variablesOf(place), ...credentials, ...env, CONSERVATION_LINKS: JSON.stringify(ports) },
      onEnd: (code) => ends.push(`${name}: ${code}`),
    });
    started.push(replica);
    return { replica, ...(captureUrl !== undefined && { captureUrl }) };
  };
  for (const place of services) {
    for (let n = 0; n < replicas; n++) {
      const { replica, captureUrl } = await describe(place, `${place.name}-${n}`, links);
      processes.set(`${place.name}-${n}`, replica);
      if (captureUrl !== undefined) captureUrls.push(captureUrl);
    }
    const { replica, captureUrl } = await describe(place, `${place.name}-${replicas}`, spareLinks);
    spares.set(place.name, {
      get wanted() {
        return replica.wanted;
      },
      add() {
        replica.start();
        if (captureUrl !== undefined) captureUrls.push(captureUrl);
      },
      async remove() {
        if (captureUrl !== undefined) captureUrls.splice(captureUrls.indexOf(captureUrl), 1);
        await replica.end('SIGTERM');
      },
    });
  }
  // The first process probes the store, and the others find its result.
  processes.get('web-to-msg-0')?.start();
  await within(START_MS, () => isUp(captureUrls[0] ?? ''));
  for (const replica of processes.values()) if (!replica.running) replica.start();
  if (!(await within(START_MS, async () => (await Promise.all(captureUrls.map(isUp))).every(Boolean))))
    throw new Error(`the mesh does not start, see ${logs}`);
  const allLinks = (): [string, BreakableProxy][] => [...links, ...spareLinks];
  return {
    processes,
    spares,
    links,
    captureUrls,
    ends,
    spooled: () =>
      spools
        .filter((folder) => existsSync(folder))
        .flatMap((folder) => readdirSync(folder).map((file) => join(folder, file)))
        .filter((file) => /\.(?:spool|damaged)$/.test(file)),
    retarget() {
      for (const [name, link] of allLinks()) {
        const [, need] = name.split('>') as [string, ServerName];
        if (need === 'broker' || need === 'registry') link.target = targetOf(need);
      }
    },
    async stop() {
      await Promise.all(started.map((replica) => replica.end()));
      for (const [, link] of allLinks()) await link.close();
    },
  };
}

interface ReplicaParts {
  readonly log: string;
  readonly env: NodeJS.ProcessEnv;
  /** Called if the process ended unexpectedly, or did not end in order after a signal. */
  onEnd(code: string): void;
}

/** One replica. While it is wanted, each end is followed by a new start. */
class Replica {
  readonly #command: readonly string[];
  readonly #parts: ReplicaParts;
  #child: ChildProcess | undefined;
  /**
   * The signals that were sent to end it. Without one, every end is wrong; after one SIGTERM only
   * code 0 is right.
   */
  #asked: readonly ('SIGKILL' | 'SIGTERM')[] = [];
  #restartMs = RESTART_MS;
  #aheadMs = 0;
  #wanted = false;
  #paused = false;
  /** Number of SIGCONT so far. */
  #pauses = 0;

  constructor({ worker }: Place, own: readonly string[], parts: ReplicaParts) {
    const common = ['--probe-port', '0', '--grace', `${GRACE_S}s`];
    this.#command = [...nodeArguments, join(root, 'services', worker.name, 'src/main.ts'), ...common, ...own];
    this.#parts = parts;
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  get wanted(): boolean {
    return this.#wanted;
  }

  start(): void {
    this.#wanted = true;
    this.#spawn();
  }

  #spawn(): void {
    if (!this.#wanted || this.#child) return;
    const { log, env, onEnd } = this.#parts;
    const out = openSync(log, 'a');
    const child = spawn(process.execPath, this.#command, {
      stdio: ['ignore', out, out, 'ipc'],
      env: { ...env, CONSERVATION_AHEAD_MS: String(this.#aheadMs) },
    });
    closeSync(out);
    this.#child = child;
    this.#asked = [];
    this.#paused = false;
    child.once('exit', (code, signal) => {
      this.#child = undefined;
      const wrong = wrongEnd(code ?? signal ?? 'nothing', this.#asked);
      if (wrong !== undefined) onEnd(wrong);
      setTimeout(() => this.#spawn(), this.#restartMs).unref();
      this.#restartMs = RESTART_MS;
    });
  }

  /** Gives false if no process runs at present. */
  signal(signal: 'SIGKILL' | 'SIGTERM' | 'SIGSTOP' | 'SIGCONT', restartMs = RESTART_MS): boolean {
    const child = this.#child;
    if (!child) return false;
    if (signal === 'SIGCONT') this.#pauses++;
    if (signal === 'SIGSTOP' || signal === 'SIGCONT') this.#paused = signal === 'SIGSTOP';
    if (signal === 'SIGKILL' || signal === 'SIGTERM') {
      this.#asked = [...this.#asked, signal];
      this.#restartMs = restartMs;
    }
    if (signal === 'SIGTERM') this.#watchStop(child);
    return child.kill(signal);
  }

  /**
   * Kills the process if it has not stopped in time. Time that it spent in SIGSTOP does not count.
   */
  #watchStop(child: ChildProcess): void {
    const pauses = this.#pauses;
    const overdue = setTimeout(() => {
      if (this.#paused || this.#pauses !== pauses) this.#watchStop(child);
      else if (this.signal('SIGKILL')) this.#parts.onEnd(`not stopped ${OVERDUE_MS} ms after SIGTERM`);
    }, OVERDUE_MS);
    child.once('exit', () => clearTimeout(overdue));
  }

  /** Sets its clock; a replica that starts later has it too. */
  setClock(aheadMs: number): void {
    this.#aheadMs = aheadMs;
    this.#child?.send({ aheadMs }, () => undefined);
  }

  /** Ends the process for good; gives its exit code or the signal. */
  async end(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<number | string> {
    this.#wanted = false;
    const child = this.#child;
    if (!child) return 'had ended';
    this.signal(signal);
    const [code, killed] = await once(child, 'exit');
    return code ?? killed;
  }
}

/**
 * Describes a wrong end; gives undefined for a right one. No fault of a plan excuses an end without
 * a signal, since a service waits for servers that are unreachable, at its start too. One SIGTERM
 * makes it end with 0, or by the signal if its code was not loaded yet. A second one makes it end
 * at once.
 */
export function wrongEnd(end: number | string, asked: readonly ('SIGKILL' | 'SIGTERM')[]): string | undefined {
  const [first] = asked;
  if (first === undefined) return `${end}, unasked`;
  if (asked.length > 1 || first === 'SIGKILL' || end === 0 || end === 'SIGTERM') return undefined;
  return `${end} after SIGTERM`;
}

/** Polls until the condition holds; gives false if it does not hold in time. */
export async function within(ms: number, condition: () => Promise<boolean> | boolean, pauseMs = 500): Promise<boolean> {
  const end = performance.now() + ms;
  while (!(await condition())) {
    if (performance.now() > end) return false;
    await sleep(pauseMs);
  }
  return true;
}
