import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '@blockhub/clock';
import type { Store } from '@blockhub/store';
import { findReceipt } from '@blockhub/walker';
import { createChain } from '@blockhub/writer';
import { isClean, judge, type Verdict } from '../simulation/judge.ts';
import type { SampleChain, Sent } from '../simulation/senders.ts';
import { type Namespace, until } from './cluster.ts';
import { memoryRequests, usage } from './cost.ts';
import { Phases } from './phases.ts';
import { type Images, nameOf, places, Release } from './release.ts';
import { startSenders, stopSenders } from './senders-pod.ts';

const operatorExample = join(import.meta.dirname, '../../k8s/rabbitmq/operator.yaml');
const CHAINS = 4;
const BLOCK_MS = 60_000;
const READY_MS = 240_000;
const IDLE_SECONDS = 30;
const KILL_EVERY_MS = 2_000;
/** Least number of tries. A run without requests would be clean too. */
const FEWEST = 100;
/** A constant because the test of the chart posts to this chain too. */
const FIRST_CHAIN = 'default';

/** All values that a cluster without extensions can judge. */
const all = {
  ...Object.fromEntries(places.map((place) => [place, { replicas: 3 }])),
  'web-to-msg': {
    replicas: 3,
    ingress: { enabled: true, hosts: ['blockhub.example.com'], tlsSecret: 'blockhub-tls' },
    settings: { tokens: { secret: 'senders', key: 'tokens' } },
  },
  'deploy-blobs': { autoscaling: { enabled: true, by: 'cpu' } },
};

/** Servers outside of the cluster that do not exist; these values are only judged. */
const elsewhere = {
  rabbitmq: { enabled: false },
  valkey: { enabled: false },
  minio: { enabled: false },
  global: {
    broker: { url: 'amqps://rabbitmq.example.com/mesh', secret: 'broker-users' },
    store: { url: 's3:///my-chains?region=eu-central-1', secret: 'store-keys' },
    registry: { url: 'rediss://redis.example.com:6380', secret: 'registry-key' },
  },
};

/** API groups that only an extended cluster has. */
const extensions = ['monitoring.coreos.com', 'keda.sh', 'gateway.networking.k8s.io', 'rabbitmq.com'];
const extended = {
  global: { monitoring: { podMonitor: true, rules: true, dashboard: true } },
  ...Object.fromEntries(places.map((place) => [place, { autoscaling: { enabled: true } }])),
  'web-to-msg': { autoscaling: { enabled: true, by: 'cpu' }, route: { enabled: true, parentRefs: [{ name: 'public' }] } },
};

export interface RunResult {
  readonly clean: boolean;
  /** Each deviation, as a sentence. */
  readonly wrong: readonly string[];
  readonly figures: Readonly<Record<string, unknown>>;
}

/** The objects on which the steps work, and the notes of the steps. */
interface Stage {
  readonly namespace: Namespace;
  readonly release: Release;
  readonly images: Images;
  readonly phases: Phases;
}

/** Installs, loads, upgrades, kills, scales, installs again; then judges from the bucket. */
export async function run(namespace: Namespace, images: Images, say: (text: string) => void): Promise<RunResult> {
  const started = performance.now();
  const release = new Release(namespace, images);
  const phases = new Phases(say);
  const stage = { namespace, release, images, phases };
  try {
    const { warnings, leftOut } = await phases.run('dry run', () => dryRun(namespace, release));
    const first = await install(stage);
    const chains = await makeChains(release);
    await startSenders(namespace, images.ours, chains);
    const tests = await disturb(stage);
    const sent = await stopSenders(namespace, chains);
    await phases.run('quiet', () => release.quiet());
    await phases.run('verify', () => verify(namespace));
    const verdict = await phases.run('judge', async () => {
      await using bucket = await release.openStore();
      const single = [first.sent];
      for (const text of tests) single.push(await sentByTest(bucket.store, text, first.chain));
      return await judge(bucket.store, [first.chain, ...chains], [...single, ...sent]);
    });
    const refused = sent.filter(({ answer: { status, code } }) => status !== 201 && status !== 202 && code !== 'reset');
    const foreign = sent.filter(({ foreignStatus }) => foreignStatus !== undefined).length;
    const captured = sent.filter(({ answer }) => answer.receipt).length;
    const wrong = [
      ...warnings.map((warning) => `dry run: ${warning}`),
      ...(process.env.BLOCKHUB_TEST_EXTENDED ? leftOut.map((group) => `the cluster knows nothing of ${group}`) : []),
      ...refused.map(({ answer: { status, code, detail }, at }) => `a sender got ${status} ${code} in ${phases.at(at)}: ${detail}`),
      ...describe(verdict),
      ...(captured < FEWEST ? [`only ${captured} events were captured`] : []),
    ];
    const { lost, doubled, unexpected, untrue, faults, blocks, events, spooled } = verdict;
    return {
      clean: isClean(verdict) && wrong.length === 0,
      wrong,
      figures: {
        ...{ clean: wrong.length === 0, ...first.figures, ...(leftOut.length > 0 && { dryRunWithout: leftOut }) },
        ...{ lost: lost.length, doubled: doubled.length, forked: faults.length, unexpected: unexpected.length, untrue: untrue.length },
        ...{ tries: sent.length, captured, spooled, refused: refused.length, foreign, blocks, events },
        ...{ phases: phases.figures(sent), seconds: Math.round((performance.now() - started) / 1000) },
      },
    };
  } finally {
    release.close();
  }
}

/**
 * Warnings of the API server about the rendered manifests, and the extensions that it lacks.
 * Manifests that need these are left out.
 */
async function dryRun(namespace: Namespace, release: Release): Promise<{ warnings: string[]; leftOut: string[] }> {
  const { groups } = JSON.parse((await namespace.kubectl(['get', '--raw', '/apis'])).stdout) as { groups: { name: string }[] };
  // A cluster may have none of the extensions. The cluster of CI has all of them.
  const leftOut = extensions.filter((extension) => !groups.some(({ name }) => name === extension));
  const said: string[] = [];
  for (const values of [{}, all, elsewhere, { standalone: { enabled: true } }]) said.push(await release.dryRun(values));
  if (leftOut.length === 0) {
    said.push(await release.dryRun(extended));
    said.push((await namespace.kubectl(['apply', '--dry-run=server', '--filename', operatorExample])).stderr);
  }
  return { warnings: said.filter((text) => /warning/i.test(text)), leftOut };
}

/**
 * Installs into an empty namespace and waits for the first block, then measures the idle release.
 */
async function install({ namespace, release, phases }: Stage): Promise<First & { readonly figures: object }> {
  const from = performance.now();
  await phases.run('install', () => release.install());
  const first = await phases.run('first block', () => postFirst(namespace, release));
  const firstBlockSeconds = Math.round((performance.now() - from) / 100) / 10;
  const memoryRequestsMB = await memoryRequests(namespace);
  const { cores: idleCores, memory: idleMemoryMB } = await phases.run('idle', () => usage(namespace, IDLE_SECONDS));
  return { ...first, figures: { firstBlockSeconds, memoryRequestsMB, idleCores, idleMemoryMB } };
}

async function refused(attempt: Promise<void>, reason: string): Promise<void> {
  const said = await attempt.then(
    () => 'nothing',
    (error: Error) => error.message,
  );
  if (!said.includes(reason)) throw new Error(`Helm should say: ${reason}. It says: ${said}`);
}

/** Every step that senders should not notice; gives what the tests of the chart wrote. */
async function disturb({ namespace, release, images, phases }: Stage): Promise<string[]> {
  const three = Object.fromEntries(places.map((place) => [place, { replicas: 3 }]));
  const upgrade = async (image: string, values: object): Promise<void> => {
    await release.upgrade(image, values);
    await namespace.settled(READY_MS);
    const others = (await namespace.pods())
      .flatMap(({ spec }) => spec.containers)
      .filter((one) => places.includes(one.name) && one.image !== image);
    if (others.length > 0) throw new Error(`${image} should run, not ${others.map((one) => `${one.name} ${one.image}`).join(', ')}`);
  };
  const before = await phases.run('helm test', () => release.test());
  await phases.run('upgrade', () => upgrade(images.next, {}));
  await phases.run('other partitions', () =>
    refused(release.upgrade(images.next, { global: { partitions: 3 } }), 'global.partitions is 3'),
  );
  await phases.run('kill', () => killAll(namespace));
  await phases.run('scale to 3', () => upgrade(images.next, three));
  await phases.run('upgrade 3', () => upgrade(images.ours, three));
  await phases.run('drain', () => drain(namespace));
  await phases.run('scale to 1', () => upgrade(images.ours, {}));
  await phases.run('uninstall', async () => {
    await release.uninstall();
    const gone = async (): Promise<boolean> => (await namespace.pods()).length === 0;
    await until(READY_MS, gone, () => 'pods stay');
  });
  // The largest number of instances of web-to-msg so far. Each has a spool, which may hold requests
  // that were answered with 202.
  await phases.run('install again', () => release.install({ 'web-to-msg': { replicas: 3 } }));
  return [before, await phases.run('helm test again', () => release.test())];
}

interface First {
  readonly chain: SampleChain;
  readonly sent: Sent;
}

/** Posts to the first chain as the notes of the chart say, and waits for the block. */
async function postFirst(namespace: Namespace, release: Release): Promise<First> {
  await using forwarded = await namespace.forward(nameOf('web-to-msg'), 8080);
  const answer = await fetch(`http://${forwarded.address}/append/chain/${FIRST_CHAIN}`, { method: 'POST', body: 'hello' });
  const receipt = (await answer.json()) as NonNullable<Sent['answer']['receipt']>;
  if (answer.status !== 201) throw new Error(`the first answer is ${answer.status} ${JSON.stringify(receipt)}`);
  await using bucket = await release.openStore();
  const found = async (): Promise<boolean> => (await findReceipt(bucket.store, receipt.chain, receipt.event)) !== undefined;
  await until(BLOCK_MS, found, () => 'the first event is in no block');
  const chain: SampleChain = { id: receipt.chain, name: FIRST_CHAIN, crypt: 'sha256', requests: true };
  return { chain, sent: { chain, hash: receipt.hash, answer: { status: answer.status, receipt } } };
}

async function makeChains(release: Release): Promise<SampleChain[]> {
  await using bucket = await release.openStore();
  const chains: SampleChain[] = [];
  for (let n = 0; n < CHAINS; n++) {
    const name = `cluster-${n}`;
    const requests = n % 2 === 0;
    const { id } = await createChain(bucket.store, { name, settings: { requests }, now: systemClock.now(), random: Math.random });
    chains.push({ id, name, crypt: 'sha256', requests });
  }
  return chains;
}

/** The event that the chart's test sent. The test prints only its id; the block has the rest. */
async function sentByTest(store: Store, text: string, chain: SampleChain): Promise<Sent> {
  const { event } = JSON.parse(text.trim()) as { event: string };
  const found = await findReceipt(store, chain.id, event);
  if (!found) throw new Error(`the event ${event} of the chart's test is in no block`);
  const receipt = found.receipt as unknown as NonNullable<Sent['answer']['receipt']>;
  return { chain, hash: receipt.hash, answer: { status: 201, receipt: { ...receipt, chain: chain.id } } };
}

/** As an operator does it, in a pod that has the keys of the bucket. */
async function verify(namespace: Namespace): Promise<void> {
  const { stdout } = await namespace.kubectl(['exec', `deployment/${nameOf('builder')}`, '--', 'blockhub', 'verify', FIRST_CHAIN]);
  if (!(JSON.parse(stdout) as { ok: boolean }).ok) throw new Error(stdout);
}

/** Every pod, also those of servers, gets a second to end, one after the other. */
async function killAll(namespace: Namespace): Promise<void> {
  for (const { metadata } of await namespace.pods()) {
    await namespace.kubectl(['delete', 'pod', metadata.name, '--grace-period=1', '--wait=false']);
    await sleep(KILL_EVERY_MS);
  }
  await namespace.settled(READY_MS);
}

/** RabbitMQ and the store are evicted, with their whole grace period. */
async function drain(namespace: Namespace): Promise<void> {
  for (const server of ['rabbitmq', 'store']) {
    const pod = `${nameOf(server)}-0`;
    const { uid } = (await namespace.get('pod', pod)).metadata;
    await namespace.evict(pod);
    const isAnother = async (): Promise<boolean> =>
      (await namespace.pods()).some(({ metadata }) => metadata.name === pod && metadata.uid !== uid);
    await until(READY_MS, isAnother, () => `${pod} does not come back`);
    await namespace.settled(READY_MS);
  }
}

const describe = ({ lost, doubled, unexpected, untrue, faults }: Verdict): string[] => [
  ...faults,
  ...untrue.map((line) => `untrue: ${line}`),
  ...lost.map((event) => `lost: ${event}`),
  ...doubled.map((event) => `doubled: ${event}`),
  ...unexpected.map((event) => `unexpected: ${event}`),
];
