import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom } from '@blockhub/faults';
import type { Registry } from '@blockhub/registry';
import { type ConsumeMessage, connect } from 'amqplib';
import type { Mesh } from './mesh.ts';
import type { RegistryLoss } from './names.ts';
import type { Fault, FaultKind } from './plan.ts';
import type { Poison } from './poison.ts';
import type { ServerName, Servers } from './servers.ts';

export interface FaultParts {
  readonly mesh: Mesh;
  readonly servers: Servers;
  readonly registry: Registry;
  readonly poison: Poison;
  /** Servers that are being restarted. */
  readonly away: Set<string>;
  /** Times at which the registry lost its content. */
  readonly losses: RegistryLoss[];
}

/**
 * Injects a fault and ends it after its duration. Gives false if the target did not run or had no
 * connections.
 */
export function inject(fault: Fault, parts: FaultParts): Promise<boolean> {
  return effects[fault.kind](fault, parts);
}

type Effect = (fault: Fault, parts: FaultParts) => Promise<boolean>;

const MOST_DELAY_MS = 2_000;
const MOST_STEP_MS = 30_000;
const RESTART_GRACE_MS = 10_000;
/** Maximum number of copies of one fault, and their maximum delay. */
const MOST_COPIES = 100;
const MOST_LATE_MS = 15_000;
const CLOSE_MS = 1_000;

const effects: Readonly<Record<FaultKind, Effect>> = {
  kill: async ({ target, forMs }, { mesh }) => whileAtWork(target, mesh, (replica) => replica.signal('SIGKILL', forMs)),
  term: async ({ target, forMs }, { mesh }) => whileAtWork(target, mesh, (replica) => replica.signal('SIGTERM', forMs)),
  pause: ({ target, forMs }, { mesh }) =>
    whileAtWork(target, mesh, async (replica) => {
      if (!replica.signal('SIGSTOP')) return;
      await sleep(forMs);
      replica.signal('SIGCONT');
    }),
  async cut({ target }, { mesh }) {
    const link = mesh.links.get(target);
    const open = link?.connections ?? 0;
    link?.cut();
    return open > 0;
  },
  refuse: (fault, { mesh }) =>
    whileOn(fault, mesh, (link) => {
      link.mode = 'refuse';
      link.cut();
    }),
  silence: (fault, { mesh }) =>
    whileOn(fault, mesh, (link) => {
      link.concerns = some(fault);
      link.mode = 'silent';
    }),
  async delay(fault, { mesh }) {
    const link = mesh.links.get(fault.target);
    if (!link) return false;
    const open = link.connections;
    link.concerns = some(fault);
    link.delayMs = Math.ceil(fault.amount * MOST_DELAY_MS);
    await sleep(fault.forMs);
    link.delayMs = 0;
    return open + link.connections > 0;
  },
  'lost-answer': (fault, { servers }) => answers(fault, servers, hits(fault, 0.5, 'lost-answer', 'PUT')),
  'error-after': (fault, { servers }) => answers(fault, servers, hits(fault, 0.5, '500-after', 'PUT')),
  storm: (fault, { servers }) => answers(fault, servers, hits(fault, 0.9, '503')),
  restart: (fault, parts) => restart(fault, parts, RESTART_GRACE_MS, async () => undefined),
  down(fault, parts) {
    const kill = (): Promise<boolean> =>
      restart(fault, parts, 0, async () => {
        await parts.servers.kill(fault.target as ServerName);
        await sleep(fault.forMs);
      });
    // After a kill, Redis starts from its last snapshot. After an orderly stop, it has everything.
    return fault.target === 'registry' ? losing(parts, kill) : kill();
  },
  wipe: (_, parts) =>
    // If the registry is unreachable, nothing is wiped, so false is the right result.
    losing(parts, () =>
      (parts.servers.flush ?? (() => parts.registry.wipe()))().then(
        () => true,
        () => false,
      ),
    ),
  duplicate,
  async step({ target, amount }, { mesh }) {
    mesh.processes.get(target)?.setClock(Math.round((amount - 0.5) * 2 * MOST_STEP_MS));
    return true;
  },
  async scale({ target, forMs }, { mesh }) {
    const spare = mesh.spares.get(target);
    if (!spare || spare.wanted) return false;
    spare.add();
    await sleep(forMs);
    await spare.remove();
    return true;
  },
  async poison(_, { poison }) {
    poison.add();
    return true;
  },
};

async function losing<T>({ losses }: FaultParts, work: () => Promise<T>): Promise<T> {
  const from = performance.now();
  const result = await work();
  losses.push({ from, to: performance.now() });
  return result;
}

/**
 * Selects all connections of a link or every second one. A process publishes on one connection and
 * consumes on another, so that only one of both may break.
 */
const some =
  ({ atMs }: Fault) =>
  (connection: number): boolean =>
    atMs % 3 === 0 || connection % 2 === atMs % 2;

/**
 * Selects this part of the requests, or of the requests of one method. The plan determines which
 * ones, by their order.
 */
function hits({ amount }: Fault, part: number, answer: ReturnType<Choose>, only?: string): Choose {
  const random = seededRandom(Math.floor(amount * 2 ** 32));
  return (method) => ((only === undefined || method === only) && random() < part ? answer : undefined);
}

type Choose = Servers['s3']['choose'];

async function whileOn(
  { target, forMs }: Fault,
  { links }: Mesh,
  hurt: (link: NonNullable<ReturnType<typeof links.get>>) => void,
): Promise<boolean> {
  const link = links.get(target);
  if (link?.mode !== 'pass') return false;
  const open = link.connections;
  hurt(link);
  await sleep(forMs);
  link.mode = 'pass';
  return open + link.connections > 0;
}

/**
 * The fault is injected in any case. It counts only if the process was connected to the broker:
 * otherwise it had nothing to lose.
 */
async function whileAtWork(
  target: string,
  { processes, links }: Mesh,
  hurt: (replica: NonNullable<ReturnType<typeof processes.get>>) => unknown,
): Promise<boolean> {
  const replica = processes.get(target);
  if (!replica) return false;
  const open = links.get(`${target}>broker`)?.connections ?? 0;
  await hurt(replica);
  return open > 0;
}

async function answers({ forMs }: Fault, { s3 }: Servers, choose: Choose): Promise<boolean> {
  s3.choose = choose;
  await sleep(forMs);
  // A later fault may have replaced it.
  if (s3.choose === choose) s3.choose = () => undefined;
  return true;
}

async function restart(
  { target }: Fault,
  { mesh, servers, away }: FaultParts,
  graceMs: number,
  before: () => Promise<void>,
): Promise<boolean> {
  if (away.has(target)) return false;
  away.add(target);
  try {
    await before();
    await servers.restart(target as ServerName, graceMs);
    mesh.retarget();
    return true;
  } finally {
    away.delete(target);
  }
}

/** Copies every message that is published for a while, and publishes the copies once more. */
async function duplicate({ forMs, amount }: Fault, { servers }: FaultParts): Promise<boolean> {
  const copies: ConsumeMessage[] = [];
  try {
    const connection = await connect(servers.url('broker'));
    connection.on('error', () => undefined);
    try {
      const channel = await connection.createChannel();
      channel.on('error', () => undefined);
      const { queue } = await channel.assertQueue('', { exclusive: true });
      await channel.bindQueue(queue, 'amq.rabbitmq.trace', 'publish.#');
      await channel.consume(queue, (message) => message && copies.length < MOST_COPIES && copies.push(message), { noAck: true });
      await servers.trace(true);
      await sleep(forMs);
      await servers.trace(false);
      await sleep(amount * MOST_LATE_MS);
      for (const { properties, content } of copies) {
        const { exchange_name: exchange, routing_keys: keys, properties: original } = properties.headers as unknown as Traced;
        const { headers = {}, message_id: messageId, delivery_mode: deliveryMode = 1 } = original;
        channel.publish(exchange, keys[0] ?? '', content, { headers, persistent: deliveryMode === 2, ...(messageId && { messageId }) });
      }
    } finally {
      // If the connection is lost meanwhile, close() of amqplib never resolves.
      await Promise.race([connection.close(), sleep(CLOSE_MS)]);
    }
  } catch {
    // The broker stopped meanwhile.
  }
  return copies.length > 0;
}

/** The headers that the broker's tracing adds to a copy. */
interface Traced {
  readonly exchange_name: string;
  readonly routing_keys: readonly string[];
  readonly properties: { readonly headers?: object; readonly message_id?: string; readonly delivery_mode?: number };
}
