import type { GenericContainer, StartedTestContainer } from 'testcontainers';

/** Why there is no server. Tests that need it are skipped with this reason. */
export interface Absent {
  readonly absent: string;
}

export interface TestServer {
  /**
   * Starts it again with its data, if it has any. Its address may change. Absent if the environment
   * names the server.
   * @param graceMs how long it may take to stop; by default it is killed at once
   */
  restart?(graceMs?: number): Promise<void>;
  /** Kills it; `restart` starts it again. */
  kill?(): Promise<void>;
  /** CPU seconds that it has used; absent if the environment names the server. */
  cpuSeconds?(): Promise<number>;
  /** Stops the container, if there is one. */
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
  /** The line of its log that shows that it is ready. */
  readonly ready: RegExp;
}

/** A container of a test, and the address of its port. */
export interface Container extends TestServer {
  readonly address: string;
  /** The address of one of its other ports. */
  addressOf(port: number): string;
  /** Runs a command in it. Rejects with the output if the command fails. */
  run(command: readonly string[]): Promise<string>;
  restart(graceMs?: number): Promise<void>;
  kill(): Promise<void>;
  cpuSeconds(): Promise<number>;
}

/**
 * Starts a server in a container. On the host's network (BLOCKHUB_TEST_NETWORK=host) it uses its
 * own ports, which must be free. Then no port proxy of Docker changes measurements.
 * @throws if the variable names an image and the container cannot start
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

const START_RECORDED_LATE_MS = 1_000;

/** The library is loaded only if a container is needed. */
async function describe(image: string, recipe: Recipe, onHost: boolean): Promise<GenericContainer> {
  const { port, otherPorts = [], environment = {}, command, ready } = recipe;
  const { GenericContainer, Wait } = await import('testcontainers');
  const container = new GenericContainer(image).withEnvironment(environment);
  const logged = Wait.forLogMessage(ready);
  const wait = logged.waitUntilReady.bind(logged);
  // The server may log that it is ready before the time that Docker records as its start. So
  // earlier
  // lines count too, back to the end of the run before.
  logged.waitUntilReady = async (started, bound, startedAt = new Date(0)) => {
    const endedBefore = Date.parse((await started.inspect()).State.FinishedAt);
    return wait(started, bound, new Date(Math.max(0, endedBefore, startedAt.getTime() - START_RECORDED_LATE_MS)));
  };
  if (onHost) container.withNetworkMode('host').withWaitStrategy(logged);
  else container.withExposedPorts(port, ...otherPorts).withWaitStrategy(Wait.forAll([logged, Wait.forListeningPorts()]));
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

/** For both versions of control groups. */
const readCpu = 'cat /sys/fs/cgroup/cpuacct/cpuacct.usage 2>/dev/null || cat /sys/fs/cgroup/cpu.stat';

const cpuSecondsOf = (text: string): number => {
  const micros = /usage_usec (\d+)/.exec(text)?.[1];
  return micros === undefined ? Number(text) / 1e9 : Number(micros) / 1e6;
};
