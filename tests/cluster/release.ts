import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { openStore, type Store } from '@blockhub/store';
import { type Namespace, until } from './cluster.ts';

const charts = resolve(import.meta.dirname, '../../charts');
const RELEASE = 'blockhub';
const HELM_WAIT = '5m';
const READING_MS = 120_000;
/** Readings in a row that must find no message. The broker's counts are up to 5 s old. */
const STILL_READINGS = 8;

/** Charts that are places of the mesh. */
export const places: readonly string[] = readdirSync(charts).filter(
  (name) => name !== 'standalone' && existsSync(join(charts, name, 'place.json')),
);

export const nameOf = (part: string): string => `${RELEASE}-${part}`;

/** Images that tests use instead of the public ones, and the image of the mesh. */
export interface Images {
  readonly ours: string;
  /** The same repository. */
  readonly next: string;
  readonly rabbitmq?: string | undefined;
  readonly redis?: string | undefined;
  readonly store?: string | undefined;
}

/**
 * The umbrella chart, installed in a namespace. Values that are set once are kept in each upgrade.
 */
export class Release {
  readonly #namespace: Namespace;
  readonly #images: Images;
  readonly #folder = mkdtempSync(join(tmpdir(), 'blockhub-cluster-'));

  constructor(namespace: Namespace, images: Images) {
    this.#namespace = namespace;
    this.#images = images;
  }

  async install(more: object = {}): Promise<void> {
    await this.#helm('install', RELEASE, join(charts, 'blockhub'), ...this.#values({ ...this.#base(this.#images.ours), ...more }));
  }

  /** Upgrades to this image with these values. Values of earlier upgrades are dropped. */
  async upgrade(image: string, more: object = {}): Promise<void> {
    await this.#helm('upgrade', RELEASE, join(charts, 'blockhub'), ...this.#values({ ...this.#base(image), ...more }));
  }

  /** The volume claims stay. */
  uninstall(): Promise<string> {
    return this.#helm('uninstall', RELEASE);
  }

  /** Runs the test of the chart and gives what its pod wrote. */
  async test(): Promise<string> {
    await this.#namespace.helm('test', RELEASE);
    return (await this.#namespace.kubectl(['logs', nameOf('test')])).stdout;
  }

  /** Sends every manifest to the API server as a dry run; gives its warnings. */
  async dryRun(values: object): Promise<string> {
    const { gitVersion } = JSON.parse((await this.#namespace.kubectl(['get', '--raw', '/version'])).stdout);
    const options = ['--kube-version', gitVersion, ...this.#values({ ...this.#base(this.#images.ours), ...values })];
    const rendered = await this.#namespace.helm('template', RELEASE, join(charts, 'blockhub'), ...options);
    return (await this.#namespace.kubectl(['apply', '--dry-run=server', '--filename', '-'], rendered)).stderr;
  }

  /** The bucket, through a forwarded port of its own. */
  async openStore(): Promise<AsyncDisposable & { readonly store: Store }> {
    const forwarded = await this.#namespace.forward(nameOf('store'), 9000);
    const key = (name: string): Promise<string> => this.#namespace.secret(nameOf('store-keys'), name);
    const credentials = { accessKey: await key('accessKey'), secretKey: await key('secretKey') };
    const store = await openStore(`s3://${forwarded.address}/blockhub?tls=off`, { credentials });
    const close = async (): Promise<void> => {
      await store.close();
      await forwarded[Symbol.asyncDispose]();
    };
    return { store, [Symbol.asyncDispose]: close };
  }

  /** Resolves when no message waits in queues and spools, several times in a row. */
  async quiet(): Promise<void> {
    await using forwarded = await this.#namespace.forward(nameOf('rabbitmq'), 15672);
    const password = await this.#namespace.secret(nameOf('rabbitmq-users'), 'admin');
    const authorization = `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`;
    let still = 0;
    let waiting: string[] = [];
    await until(
      READING_MS,
      async () => {
        const answer = await fetch(`http://${forwarded.address}/api/queues?columns=name,messages`, { headers: { authorization } });
        const queues = (await answer.json()) as { name: string; messages?: number }[];
        // RabbitMQ has not counted a queue yet that has no count.
        waiting = queues.filter(({ messages }) => messages !== 0).map(({ name, messages }) => `${name} ${messages ?? '?'}`);
        still = waiting.length === 0 ? still + 1 : 0;
        return still >= STILL_READINGS;
      },
      () => `messages wait: ${waiting.join(', ')}`,
    );
    for (const pod of await this.#namespace.pods()) {
      if (pod.metadata.labels['app.kubernetes.io/component'] !== 'web-to-msg') continue;
      const files = await this.#namespace.node(pod.metadata.name, 'console.log(fs.readdirSync(process.env.BLOCKHUB_SPOOL).join(" "))');
      if (/\.(?:spool|damaged)\b/.test(files)) throw new Error(`the spool of ${pod.metadata.name} keeps ${files}`);
    }
  }

  close(): void {
    rmSync(this.#folder, { recursive: true });
  }

  #helm(...words: string[]): Promise<string> {
    return this.#namespace.helm(...words, '--wait', '--timeout', HELM_WAIT);
  }

  #values(values: object): string[] {
    const file = join(this.#folder, `${randomBytes(4).toString('hex')}.json`);
    writeFileSync(file, JSON.stringify(values));
    return ['--values', file];
  }

  #base(image: string): object {
    const { rabbitmq, redis, store } = this.#images;
    return {
      global: { image: split(image) },
      ...(rabbitmq && { rabbitmq: { image: split(rabbitmq) } }),
      ...(redis && { valkey: { image: split(redis), command: 'redis-server' } }),
      ...(store && { minio: { image: split(store) } }),
    };
  }
}

function split(image: string): { repository: string; tag: string } {
  const colon = image.lastIndexOf(':');
  return { repository: image.slice(0, colon), tag: image.slice(colon + 1) };
}
