import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { type Absent, type Container, type Recipe, startContainer, type TestServer } from './start.ts';

export interface MinioServer extends TestServer {
  /** URL of a store. Its bucket exists. */
  readonly url: string;
  /** Undefined if the environment has them in the variables or files of AWS tools. */
  readonly credentials: { readonly accessKey: string; readonly secretKey: string } | undefined;
}

export interface RedisServer extends TestServer {
  readonly url: string;
}

export interface RabbitmqServer extends TestServer {
  readonly url: string;
  /** Base URL of its management API. */
  readonly management: string;
  /** Base URL of the plugin rabbitmq_prometheus; absent if the environment names the server. */
  readonly metrics?: string;
  /** Runs `rabbitmqctl`; absent if the environment names the server. */
  ctl?(...args: string[]): Promise<string>;
}

const nothing = async (): Promise<void> => undefined;

const minioRecipe: Recipe = {
  imageVariable: 'BLOCKHUB_TEST_MINIO_IMAGE',
  image: 'quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z',
  port: 9000,
  environment: { MINIO_ROOT_USER: 'blockhub-tests', MINIO_ROOT_PASSWORD: 'blockhub-tests' },
  command: ['server', '/data'],
  ready: /API: /,
};

/**
 * An S3 server: the one at BLOCKHUB_TEST_S3_URL (a store URL), else MinIO in a container.
 * Credentials are in BLOCKHUB_TEST_S3_ACCESS_KEY and …_SECRET_KEY, or in the variables or files of
 * AWS tools.
 */
export async function minio(env: NodeJS.ProcessEnv = process.env): Promise<MinioServer | Absent> {
  const { BLOCKHUB_TEST_S3_URL: url, BLOCKHUB_TEST_S3_ACCESS_KEY: accessKey, BLOCKHUB_TEST_S3_SECRET_KEY: secretKey } = env;
  if (url) return { url, credentials: accessKey && secretKey ? { accessKey, secretKey } : undefined, close: nothing };
  const server = await startContainer(minioRecipe, env);
  if ('absent' in server) return server;
  const credentials = { accessKey: 'blockhub-tests', secretKey: 'blockhub-tests' };
  await createBucket(`http://${server.address}`, credentials);
  return {
    get url() {
      return `s3://${server.address}/blockhub?tls=off`;
    },
    credentials,
    restart: (graceMs) => server.restart(graceMs),
    kill: () => server.kill(),
    cpuSeconds: () => server.cpuSeconds(),
    close: () => server.close(),
  };
}

async function createBucket(endpoint: string, { accessKey, secretKey }: { accessKey: string; secretKey: string }): Promise<void> {
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
  });
  await client.send(new CreateBucketCommand({ Bucket: 'blockhub' }));
  client.destroy();
}

const redisRecipe: Recipe = {
  imageVariable: 'BLOCKHUB_TEST_REDIS_IMAGE',
  image: 'redis:8',
  port: 6379,
  // Lets a test set a folder in which Redis cannot save.
  command: ['redis-server', '--protected-mode', 'no', '--enable-protected-configs', 'yes'],
  ready: /Ready to accept connections/,
};

/** Redis or a compatible server: at BLOCKHUB_TEST_REDIS_URL, else in a container. */
export async function redis(env: NodeJS.ProcessEnv = process.env): Promise<RedisServer | Absent> {
  if (env.BLOCKHUB_TEST_REDIS_URL) return { url: env.BLOCKHUB_TEST_REDIS_URL, close: nothing };
  const server = await startContainer(redisRecipe, env);
  return 'absent' in server ? server : withUrl(server, () => `redis://${server.address}`);
}

/** Nodes of Redis in cluster mode, all in one container. */
export interface RedisCluster extends TestServer {
  /** `host:port` of each node, as the cluster announces it. */
  readonly nodes: readonly string[];
  /** Runs `redis-cli` on a node, by its index. */
  cli(node: number, ...args: string[]): Promise<string>;
}

const FIRST_PORT = 7000;
const BUS = 10_000;
const SLOTS = 16_384;

/**
 * A cluster in a container, whose nodes share the slots evenly. The `spare` nodes are in cluster
 * mode and do not belong to the cluster. The cluster announces addresses that this process can
 * reach.
 */
export async function redisCluster(shards: number, spare = 0, env: NodeJS.ProcessEnv = process.env): Promise<RedisCluster | Absent> {
  const ports = Array.from({ length: shards + spare }, (_, at) => FIRST_PORT + at);
  const [port = FIRST_PORT, ...otherPorts] = ports;
  const start = 'redis-server --port $port --cluster-enabled yes --cluster-config-file nodes-$port.conf --save "" --protected-mode no';
  const command = ['sh', '-c', `for port in ${ports.join(' ')}; do ${start} & done; wait`];
  const server = await startContainer({ ...redisRecipe, port, otherPorts, command }, env);
  if ('absent' in server) return server;
  const cli = (node: number, ...args: string[]): Promise<string> => server.run(['redis-cli', '-p', String(ports[node]), ...args]);
  const nodes = ports.map((one) => server.addressOf(one));
  for (const [at, address] of nodes.entries()) {
    const [host = '', announced = ''] = address.split(':');
    await cli(
      at,
      'config',
      'set',
      'cluster-announce-ip',
      host,
      'cluster-announce-port',
      announced,
      'cluster-announce-bus-port',
      String(FIRST_PORT + at + BUS),
    );
    if (at >= shards) continue;
    const [from, to] = [Math.floor((SLOTS * at) / shards), Math.floor((SLOTS * (at + 1)) / shards) - 1];
    await cli(at, 'cluster', 'addslotsrange', String(from), String(to));
    if (at > 0) await cli(0, 'cluster', 'meet', '127.0.0.1', String(FIRST_PORT + at), String(FIRST_PORT + at + BUS));
  }
  const isUp = async (at: number): Promise<boolean> => {
    const info = await cli(at, 'cluster', 'info');
    return info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${shards}`);
  };
  for (let at = 0; at < shards; ) if (await isUp(at)) at++;
  return { nodes, cli, close: () => server.close() };
}

const rabbitmqRecipe: Recipe = {
  imageVariable: 'BLOCKHUB_TEST_RABBITMQ_IMAGE',
  image: 'rabbitmq:4-management',
  port: 5672,
  otherPorts: [15672, 15692],
  ready: /Server startup complete/,
};

/**
 * RabbitMQ with its management API: at BLOCKHUB_TEST_AMQP_URL, else in a container with user and
 * password guest. The API is at BLOCKHUB_TEST_AMQP_MANAGEMENT_URL, by default port 15672 of the
 * host.
 */
export async function rabbitmq(env: NodeJS.ProcessEnv = process.env): Promise<RabbitmqServer | Absent> {
  const { BLOCKHUB_TEST_AMQP_URL: url, BLOCKHUB_TEST_AMQP_MANAGEMENT_URL: management } = env;
  if (url) return { url, management: management || `http://${new URL(url).hostname}:15672`, close: nothing };
  const server = await startContainer(rabbitmqRecipe, env);
  if ('absent' in server) return server;
  return {
    get url() {
      return `amqp://guest:guest@${server.address}`;
    },
    get management() {
      return `http://${server.addressOf(15672)}`;
    },
    get metrics() {
      return `http://${server.addressOf(15692)}`;
    },
    ctl: (...args) => server.run(['rabbitmqctl', ...args]),
    restart: (graceMs) => server.restart(graceMs),
    kill: () => server.kill(),
    cpuSeconds: () => server.cpuSeconds(),
    close: () => server.close(),
  };
}

const withUrl = (server: Container, url: () => string): RedisServer => ({
  get url() {
    return url();
  },
  restart: (graceMs) => server.restart(graceMs),
  kill: () => server.kill(),
  cpuSeconds: () => server.cpuSeconds(),
  close: () => server.close(),
});
