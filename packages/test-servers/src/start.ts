import type { GenericContainer, StartedTestContainer } from 'testcontainers';

/** Why there is no server; tests that need it are skipped with this reason. */
export interface Absent {
  readonly absent: string;
}

export interface TestServer {
  /**
   * Starts it again, with its data where it keeps any; absent where the environment names the server. Its address may change.
   *
   * @param graceMs how long it may take to stop; without it, it is killed
   */
  restart?(graceMs?: number): Promise<void>;
  /** Kills it; `restart` brings it back. */
  kill?(): Promise<void>;
  /** CPU seconds that it took so far; absent where the environment names the server. */
  cpuSeconds?(): Promise<number>;
  /** Stops what was started. */
  close(): Promise<void>;
}

export interface Recipe {
  /** Variable that names another image. */
  readonly imageVariable: string;
  readonly image: string;
  readonly port: number;
  readonly otherPorts?: readonly number[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
  /** What it writes when it is ready. */
  readonly ready: RegExp;
}

/** A container of a test, and the address of its port. */
export interface Container extends TestServer {
  readonly address: string;
  /** Of one of its other ports. */
  addressOf(port: number): string;
  /** Runs a command in it; rejects with what it wrote when it fails. */
  run(command: readonly string[]): Promise<string>;
  restart(graceMs?: number): Promise<void>;
  kill(): Promise<void>;
  cpuSeconds(): Promise<number>;
}

/**
 * Starts a server in a container. On the host's network (BLOCKHUB_TEST_NETWORK=host) it has its own ports, which must be free, and no proxy of Docker's
 * takes part of what is measured.
 *
 * @throws where the image was named by its variable: what somebody asks for has to work
 */
export async function startContainer(recipe: Recipe, env: NodeJS.ProcessEnv): Promise<Container | Absent> {
  if (env.BLOCKHUB_TEST_LAYERS === 'fast') throw new Error(`a suite of the layer fast starts ${recipe.image}, see tests/layers/layers.ts`);
  const named = env[recipe.imageVariable];
  const image = named || recipe.image;
  try {
    const onHost = env.BLOCKHUB_TEST_NETWORK === 'host';
    const container = await describe(image, recipe, onHost);
    return contained(await container.start(), [recipe.port, ...(recipe.otherPorts ?? [])], onHost);
  } catch (error) {
    if (named) throw new Error(`${recipe.imageVariable}=${named} cannot be started`, { cause: error });
    return { absent: `${image} cannot be started: ${(error as Error).message.split('\n')[0]}` };
  }
}

const START_NOTED_LATE_MS = 1_000;

/** The library is loaded only where a container is wanted. */
async function describe(image: string, recipe: Recipe, onHost: boolean): Promise<GenericContainer> {
  const { port, otherPorts = [], environment = {}, command, ready } = recipe;
  const { GenericContainer, Wait } = await import('testcontainers');
  const container = new GenericContainer(image).withEnvironment(environment);
  const said = Wait.forLogMessage(ready);
  const wait = said.waitUntilReady.bind(said);
  // Docker notes the time of a start when the server may have said so already: it would be waited for in vain, and removed then.
  said.waitUntilReady = async (started, bound, startedAt = new Date(0)) => {
    const endedBefore = Date.parse((await started.inspect()).State.FinishedAt);
    return wait(started, bound, new Date(Math.max(0, endedBefore, startedAt.getTime() - START_NOTED_LATE_MS)));
  };
  if (onHost) container.withNetworkMode('host').withWaitStrategy(said);
  else container.withExposedPorts(port, ...otherPorts).withWaitStrategy(Wait.forAll([said, Wait.forListeningPorts()]));
  return command === undefined ? container : container.withCommand([...command]);
}

function contained(container: StartedTestContainer, ports: readonly [number, ...number[]], onHost: boolean): Container {
  let addresses = new Map<number, string>();
  const locate = (): void => {
    addresses = new Map(ports.map((one) => [one, `${container.getHost()}:${onHost ? one : container.getMappedPort(one)}`]));
  };
  locate();
  const run = async (command: readonly string[]): Promise<string> => {
    const { exitCode, output } = await container.exec([...command]);
    if (exitCode !== 0) throw new Error(`${command.join(' ')} ended with ${exitCode}: ${output}`);
    return output;
  };
  const addressOf = (one: number): string => addresses.get(one) as string;
  return {
    get address() {
      return addressOf(ports[0]);
    },
    addressOf,
    run,
    cpuSeconds: async () => cpuSecondsOf(await run(['sh', '-c', readCpu])),
    async restart(graceMs = 0) {
      await container.restart({ timeout: graceMs });
      locate();
    },
    async kill() {
      const { getContainerRuntimeClient } = await import('testcontainers');
      const client = await getContainerRuntimeClient();
      await client.container.getById(container.getId()).kill();
    },
    async close() {
      await container.stop();
    },
  };
}

/** Of both versions of control groups. */
const readCpu = 'cat /sys/fs/cgroup/cpuacct/cpuacct.usage 2>/dev/null || cat /sys/fs/cgroup/cpu.stat';

const cpuSecondsOf = (text: string): number => {
  const micros = /usage_usec (\d+)/.exec(text)?.[1];
  return micros === undefined ? Number(text) / 1e9 : Number(micros) / 1e6;
};
