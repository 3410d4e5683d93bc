import { execFile, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const { BLOCKHUB_TEST_HELM, BLOCKHUB_TEST_KUBECTL } = process.env;
const HELM = BLOCKHUB_TEST_HELM || 'helm';
const KUBECTL = BLOCKHUB_TEST_KUBECTL || 'kubectl';
const POLL_MS = 1_000;

/** The fields of a Kubernetes object that this test reads. */
// biome-ignore lint/suspicious/noExplicitAny: the API server says what it is
export type Seen = any;

interface Ran {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end; rejects with what it wrote when that is a failure. */
function run(program: string, words: readonly string[], input?: string): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = execFile(program, words, { maxBuffer: 2 ** 28 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${program} ${words.join(' ')}: ${stderr || error.message}${stdout}`));
      else resolve({ stdout, stderr });
    });
    child.stdin?.end(input);
  });
}

/** One namespace of the cluster that KUBECONFIG names. */
export class Namespace {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  /** An empty one, in which no pod may have more rights than Pod Security `restricted` gives. */
  static async create(name: string): Promise<Namespace> {
    const labels = Object.fromEntries(['enforce', 'warn'].map((mode) => [`pod-security.kubernetes.io/${mode}`, 'restricted']));
    await run(KUBECTL, ['create', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }));
    return new Namespace(name);
  }

  async remove(): Promise<void> {
    await run(KUBECTL, ['delete', 'namespace', this.name, '--wait=false']);
  }

  async helm(...words: string[]): Promise<string> {
    return (await run(HELM, [...words, '--namespace', this.name])).stdout;
  }

  async kubectl(words: readonly string[], input?: string): Promise<Ran> {
    return run(KUBECTL, ['--namespace', this.name, ...words], input);
  }

  async get(...words: string[]): Promise<Seen> {
    return JSON.parse((await this.kubectl(['get', ...words, '--output', 'json'])).stdout);
  }

  /** A key of a Secret. */
  async secret(name: string, key: string): Promise<string> {
    return Buffer.from((await this.get('secret', name)).data[key], 'base64').toString();
  }

  /** Runs a script with Node in a pod. */
  async node(pod: string, script: string): Promise<string> {
    return (await this.kubectl(['exec', pod, '--', 'node', '--eval', script])).stdout;
  }

  /** Pods of the release that do not end by themselves. */
  async pods(): Promise<Seen[]> {
    const { items } = await this.get('pods', '--selector', 'app.kubernetes.io/part-of=blockhub');
    return items.filter(({ spec }: Seen) => spec.restartPolicy === 'Always');
  }

  /** Resolves when the wanted number of pods is ready and no pod is ending. */
  async settled(withinMs: number): Promise<void> {
    let waiting: string[] = [];
    await until(
      withinMs,
      async () => {
        const { items } = await this.get('deployments,statefulsets', '--selector', 'app.kubernetes.io/part-of=blockhub');
        const wanted = items.reduce((sum: number, { spec }: Seen) => sum + spec.replicas, 0);
        const pods = await this.pods();
        waiting = pods.filter((pod) => pod.metadata.deletionTimestamp || !isReady(pod)).map(({ metadata }) => metadata.name);
        return pods.length === wanted && waiting.length === 0;
      },
      () => `these pods are not ready, or do not end: ${waiting.join(', ')}`,
    );
  }

  /**
   * The state, events and logs of the namespace, from which a reader can find out why a run failed.
   */
  async describe(): Promise<string> {
    const parts = [
      ['get', 'pods,jobs,persistentvolumeclaims', '--output', 'wide'],
      ['get', 'events', '--sort-by', '.lastTimestamp'],
      ...(await this.#logs()),
    ];
    const texts = await Promise.all(parts.map((words) => this.kubectl(words).catch((error: Error) => ({ stdout: error.message }))));
    return parts.map((words, n) => `$ kubectl ${words.join(' ')}\n${texts[n]?.stdout}`).join('\n');
  }

  /** How to see the logs of pods that are not ready. */
  async #logs(): Promise<string[][]> {
    const pods = await this.pods().catch(() => []);
    return pods.filter((pod) => !isReady(pod)).map(({ metadata }) => ['logs', metadata.name, '--tail', '30']);
  }

  /** Asks for the end of a pod as a drain of its node does. */
  async evict(pod: string): Promise<void> {
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: pod, namespace: this.name } };
    await this.kubectl(['create', '--raw', `/api/v1/namespaces/${this.name}/pods/${pod}/eviction`, '-f', '-'], JSON.stringify(eviction));
  }

  /** Forwards a port of this machine to a port of a service until it is closed. */
  async forward(service: string, port: number): Promise<Forwarded> {
    const child = spawn(KUBECTL, ['--namespace', this.name, 'port-forward', `service/${service}`, `:${port}`], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    // kubectl reports clients that close early as errors. Only errors of its start are of use.
    let complaint = '';
    child.stderr.on('data', (bytes: Buffer) => {
      complaint ||= bytes.toString();
    });
    const close = async (): Promise<void> => void child.kill();
    let here: string | undefined;
    for await (const line of createInterface(child.stdout)) {
      here = /127\.0\.0\.1:(\d+)/.exec(line)?.[1];
      if (here) break;
    }
    if (!here) throw new Error(`no way to port ${port} of ${service}: ${complaint}`);
    // kubectl writes a line for each connection.
    child.stdout.resume();
    return { address: `127.0.0.1:${here}`, [Symbol.asyncDispose]: close };
  }
}

interface Forwarded extends AsyncDisposable {
  /** `host:port` */
  readonly address: string;
}

const isReady = ({ status }: Seen): boolean =>
  status.conditions?.some(({ type, status: is }: Seen) => type === 'Ready' && is === 'True') ?? false;

/** Resolves when the condition holds; rejects with the complaint when it does not in time. */
export async function until(withinMs: number, condition: () => Promise<boolean>, complaint: () => string): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`after ${withinMs / 1000} s: ${complaint()}`);
    await sleep(POLL_MS);
  }
}
