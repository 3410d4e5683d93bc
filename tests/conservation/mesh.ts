import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type BreakableProxy, openProxy } from '@blockhub/test-servers';
import type { ServerName, Servers } from './servers.ts';
import { type Service, services } from './services.ts';

const root = join(import.meta.dirname, '../..');
const preload = join(import.meta.dirname, 'preload.ts');
/** As `pnpm start` has them. */
const nodeFlags = ['--no-warnings', '--max-semi-space-size=4', '--max-old-space-size=192', '--import', preload];
const GRACE_S = 4;
/** Who has not stopped this long after SIGTERM is killed, as Kubernetes does. */
const OVERDUE_MS = (GRACE_S + 6) * 1000;
const RESTART_MS = 300;
const START_MS = 120_000;

/** What a server is called in URLs; `preload.ts` knows where that is. */
const hostOf = (name: ServerName): string => `${name}.conservation`;

const isUp = (door: string): Promise<boolean> => fetch(door, { signal: AbortSignal.timeout(1000) }).then(Boolean, () => false);

/** What all parts of a run know of each other: processes and servers, and the connections between them. */
export interface Mesh {
  /** Replicas by name, `builder-0`. */
  readonly processes: ReadonlyMap<string, Replica>;
  /** By name, `builder-0>store`. */
  readonly links: ReadonlyMap<string, BreakableProxy>;
  /** Where requests of senders go. */
  readonly doors: readonly string[];
  /** Files of the spools of capture, which hold what the broker has not. */
  spooled(): string[];
  /** Links go to where the servers listen now. */
  retarget(): void;
  /** Ends of processes that nobody asked for, and those that SIGTERM did not bring about in time, as `name: code`. */
  readonly ends: readonly string[];
  stop(): Promise<void>;
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
  const links = new Map<string, BreakableProxy>();
  const doors: string[] = [];
  const spools: string[] = [];
  const ends: string[] = [];
  const targetOf = (name: ServerName): string => (name === 'store' ? servers.s3.address : servers.address(name));
  const credentials = servers.credentials && {
    BLOCKHUB_STORE_ACCESS_KEY: servers.credentials.accessKey,
    BLOCKHUB_STORE_SECRET_KEY: servers.credentials.secretKey,
  };
  const addLink = async (name: string, target: string): Promise<string> => {
    const link = await openProxy(target);
    links.set(name, link);
    return link.address;
  };
  const addReplica = async (service: Service, name: string): Promise<void> => {
    const flags: string[] = [];
    const ports: Record<string, number> = {};
    for (const need of service.needs) {
      const address = await addLink(`${name}>${need}`, targetOf(need));
      ports[hostOf(need)] = Number(address.split(':')[1]);
      flags.push(`--${need}`, servers.url(need, `${hostOf(need)}:80`));
    }
    if (service.name === 'web-to-msg') {
      const port = await freePort();
      doors.push(`http://${await addLink(`sender>${name}`, `127.0.0.1:${port}`)}`);
      const spool = join(logs, `spool-${name}`);
      spools.push(spool);
      flags.push('--port', String(port), '--spool', spool);
    }
    const replica = new Replica(service, flags, {
      log: join(logs, `${name}.log`),
      env: { ...process.env, ...credentials, ...env, CONSERVATION_LINKS: JSON.stringify(ports) },
      onEnd: (code) => ends.push(`${name}: ${code}`),
    });
    processes.set(name, replica);
  };
  for (const service of services) for (let n = 0; n < replicas; n++) await addReplica(service, `${service.name}-${n}`);
  // The first one probes the store, and the others find its verdict.
  processes.get('web-to-msg-0')?.start();
  await within(START_MS, () => isUp(doors[0] ?? ''));
  for (const replica of processes.values()) if (!replica.running) replica.start();
  if (!(await within(START_MS, async () => (await Promise.all(doors.map(isUp))).every(Boolean))))
    throw new Error(`the mesh does not start, see ${logs}`);
  return {
    processes,
    links,
    doors,
    ends,
    spooled: () =>
      spools.flatMap((folder) => readdirSync(folder).map((file) => join(folder, file))).filter((file) => /\.(?:spool|damaged)$/.test(file)),
    retarget() {
      for (const [name, link] of links) {
        const [, need] = name.split('>') as [string, ServerName];
        if (need === 'broker' || need === 'registry') link.target = targetOf(need);
      }
    },
    async stop() {
      await Promise.all(Array.from(processes.values(), (replica) => replica.end()));
      for (const link of links.values()) await link.close();
    },
  };
}

interface ReplicaParts {
  readonly log: string;
  readonly env: NodeJS.ProcessEnv;
  /** It ended, and nobody had asked for that; or it did not end when it was asked to. */
  onEnd(code: number | string): void;
}

/** One replica, kept running: whenever it ends it is started again. */
class Replica {
  readonly #command: readonly string[];
  readonly #parts: ReplicaParts;
  #child: ChildProcess | undefined;
  #asked = false;
  #restartMs = RESTART_MS;
  #aheadMs = 0;
  #ended = false;

  constructor({ folder, flags }: Service, own: readonly string[], parts: ReplicaParts) {
    const common = ['--probe-port', '0', '--grace', `${GRACE_S}s`];
    this.#command = [...nodeFlags, join(root, 'services', folder, 'src/main.ts'), ...common, ...own, ...flags];
    this.#parts = parts;
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  start(): void {
    if (this.#ended) return;
    const { log, env, onEnd } = this.#parts;
    const out = openSync(log, 'a');
    const child = spawn(process.execPath, this.#command, {
      stdio: ['ignore', out, out, 'ipc'],
      env: { ...env, CONSERVATION_AHEAD_MS: String(this.#aheadMs) },
    });
    closeSync(out);
    this.#child = child;
    this.#asked = false;
    child.once('exit', (code, signal) => {
      this.#child = undefined;
      if (!this.#asked) onEnd(code ?? signal ?? 'nothing');
      setTimeout(() => this.start(), this.#restartMs).unref();
      this.#restartMs = RESTART_MS;
    });
  }

  /** False when it does not run now. */
  signal(signal: 'SIGKILL' | 'SIGTERM' | 'SIGSTOP' | 'SIGCONT', restartMs = RESTART_MS): boolean {
    const child = this.#child;
    if (!child) return false;
    if (signal === 'SIGKILL' || signal === 'SIGTERM') {
      this.#asked = true;
      this.#restartMs = restartMs;
    }
    if (signal === 'SIGTERM') {
      const overdue = setTimeout(() => child.kill('SIGKILL') && this.#parts.onEnd('overdue after SIGTERM'), OVERDUE_MS);
      child.once('exit', () => clearTimeout(overdue));
    }
    return child.kill(signal);
  }

  /** Sets its clock; a replica that starts later has it too. */
  setClock(aheadMs: number): void {
    this.#aheadMs = aheadMs;
    this.#child?.send({ aheadMs }, () => undefined);
  }

  /** Stops it for good. */
  async end(): Promise<void> {
    this.#ended = true;
    const child = this.#child;
    if (!child) return;
    this.signal('SIGKILL');
    await once(child, 'exit');
  }
}

/** A port that is free now. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** Asks until the condition holds; false when it does not in time. */
export async function within(ms: number, condition: () => Promise<boolean> | boolean, pauseMs = 500): Promise<boolean> {
  const end = performance.now() + ms;
  while (!(await condition())) {
    if (performance.now() > end) return false;
    await sleep(pauseMs);
  }
  return true;
}
