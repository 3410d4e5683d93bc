import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '@blockhub/clock';
import type { Store } from '@blockhub/store';
import { findReceipt } from '@blockhub/walker';
import { createChain } from '@blockhub/writer';
import { isClean, judge, type Verdict } from '../simulation/judge.ts';
import type { SampleChain, Sent } from '../simulation/senders.ts';
import { type Namespace, until } from './cluster.ts';
import { memoryRequests, usage } from './cost.ts';
import { startSenders, stopSenders } from './crowd.ts';
import { type Images, nameOf, places, Release } from './release.ts';

const CHAINS = 4;
const BLOCK_MS = 60_000;
const READY_MS = 240_000;
const IDLE_SECONDS = 30;
const KILL_EVERY_MS = 2_000;
/** Said here because the test of the chart posts to it, and so does this one. */
const FIRST_CHAIN = 'default';

/** Everything that a cluster without anybody's extensions can judge. */
const all = {
  ...Object.fromEntries(places.map((place) => [place, { replicas: 3 }])),
  'web-to-msg': {
    replicas: 3,
    ingress: { enabled: true, hosts: ['blockhub.example.com'], tlsSecret: 'blockhub-tls' },
    settings: { tokens: { secret: 'senders', key: 'tokens' } },
  },
  'deploy-blobs': { autoscaling: { enabled: true, by: 'cpu' } },
};

/** Servers of others, which are not there: only judged. */
const elsewhere = {
  rabbitmq: { enabled: false },
  registry: { enabled: false },
  store: { enabled: false },
  global: {
    broker: { url: 'amqps://rabbitmq.example.com/mesh', secret: 'broker-users' },
    store: { url: 's3:///my-chains?region=eu-central-1', secret: 'store-keys' },
    registry: { url: 'rediss://redis.example.com:6380', secret: 'registry-key' },
  },
};

interface Phase {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

export interface RunResult {
  readonly clean: boolean;
  /** What is not as it must be, in words. */
  readonly wrong: readonly string[];
  readonly figures: Readonly<Record<string, unknown>>;
}

/** Installs, loads, upgrades, kills, scales, installs again; then judges from the bucket. */
export async function run(namespace: Namespace, images: Images, say: (text: string) => void): Promise<RunResult> {
  const started = performance.now();
  const release = new Release(namespace, images);
  const phases: Phase[] = [];
  const phase = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const from = Date.now();
    const result = await work();
    phases.push({ name, from, to: Date.now() });
    say(`${name}: ${((Date.now() - from) / 1000).toFixed(1)} s`);
    return result;
  };
  const wrong: string[] = [];
  const single: Sent[] = [];
  try {
    await phase('dry run', async () => {
      for (const values of [{}, all, elsewhere, { standalone: { enabled: true } }]) {
        const warnings = await release.dryRun(values);
        if (/warning/i.test(warnings)) wrong.push(`dry run: ${warnings}`);
      }
    });

    const from = performance.now();
    await phase('install', () => release.install());
    const first = await phase('first block', () => postFirst(namespace, release));
    const firstBlockSeconds = Math.round((performance.now() - from) / 100) / 10;
    single.push(first.sent);
    const memory = await memoryRequests(namespace);
    const idle = await phase('idle', () => usage(namespace, IDLE_SECONDS));

    const chains = await makeChains(release);
    await startSenders(namespace, images.ours, chains);
    const tests = [await phase('helm test', () => release.test())];
    const upgrade = async (image: string, values: object): Promise<void> => {
      await release.upgrade(image, values);
      await namespace.settled(READY_MS);
      const others = (await namespace.pods())
        .flatMap(({ spec }) => spec.containers)
        .filter((one) => places.includes(one.name) && one.image !== image);
      if (others.length > 0) throw new Error(`${image} should run, not ${others.map(({ name, image }) => `${name} ${image}`).join(', ')}`);
    };
    await phase('upgrade', () => upgrade(images.next, {}));
    await phase('kill', () => killAll(namespace));
    const three = Object.fromEntries(places.map((place) => [place, { replicas: 3 }]));
    await phase('scale to 3', () => upgrade(images.next, three));
    await phase('upgrade 3', () => upgrade(images.ours, three));
    await phase('drain', () => drain(namespace));
    await phase('scale to 1', () => upgrade(images.ours, {}));
    await phase('uninstall', async () => {
      await release.uninstall();
      await until(
        READY_MS,
        async () => (await namespace.pods()).length === 0,
        () => 'pods stay',
      );
    });
    // As many doors as ever were: each has a spool, which may hold what was answered with 202.
    await phase('install again', () => release.install({ 'web-to-msg': { replicas: 3 } }));
    tests.push(await phase('helm test again', () => release.test()));
    const { sent } = await stopSenders(namespace, chains);
    await phase('quiet', () => release.quiet());

    await phase('verify', () => verify(namespace));
    const verdict = await phase('judge', async () => {
      await using bucket = await release.openStore();
      for (const text of tests) single.push(await sentByTest(bucket.store, text, first.chain));
      return await judge(bucket.store, [first.chain, ...chains], [...single, ...sent]);
    });
    const refused = sent.filter(({ answer: { status, code } }) => status !== 201 && status !== 202 && code !== 'reset');
    wrong.push(...refused.map(({ answer: { status, code }, at }) => `a sender got ${status} ${code} in ${phaseAt(phases, at)}`));
    wrong.push(...describe(verdict));
    const { lost, doubled, unexpected, untrue, faults, blocks, events, spooled } = verdict;
    const captured = sent.filter(({ answer }) => answer.receipt).length;
    if (captured < 100) wrong.push(`only ${captured} events were captured`);
    return {
      clean: isClean(verdict) && wrong.length === 0,
      wrong,
      figures: {
        ...{ clean: wrong.length === 0, firstBlockSeconds, memoryRequestsMB: memory, idleCores: idle.cores, idleMemoryMB: idle.memory },
        ...{ lost: lost.length, doubled: doubled.length, forked: faults.length, unexpected: unexpected.length, untrue: untrue.length },
        ...{ tries: sent.length, captured, spooled, refused: refused.length, blocks, events },
        phases: Object.fromEntries(phases.map((one) => [one.name, seenIn(one, sent)])),
        seconds: Math.round((performance.now() - started) / 1000),
      },
    };
  } finally {
    release.close();
  }
}

/** Posts to the first chain as the notes of the chart say, and waits for the block. */
async function postFirst(namespace: Namespace, release: Release): Promise<{ chain: SampleChain; sent: Sent }> {
  await using door = await namespace.forward(nameOf('web-to-msg'), 8080);
  const answer = await fetch(`http://${door.address}/append/chain/${FIRST_CHAIN}`, { method: 'POST', body: 'hello' });
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

/** What the chart's test sent: it says which event, and only its block says what was in it. */
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

/** Every pod gets a second to end, one after the other, the servers among them. */
async function killAll(namespace: Namespace): Promise<void> {
  for (const { metadata } of await namespace.pods()) {
    await namespace.kubectl(['delete', 'pod', metadata.name, '--grace-period=1', '--wait=false']);
    await sleep(KILL_EVERY_MS);
  }
  await namespace.settled(READY_MS);
}

/** RabbitMQ and the store are evicted with all the time that they want. */
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

const phaseAt = (phases: readonly Phase[], at: number): string => phases.find(({ from, to }) => from <= at && at <= to)?.name ?? 'between';

/** What senders saw of a phase. */
function seenIn({ from, to }: Phase, sent: readonly (Sent & { readonly at: number })[]): object {
  const tries = sent.filter(({ at }) => from <= at && at <= to);
  const taken = tries.filter(({ answer }) => answer.receipt);
  const times = [from, ...taken.map(({ at }) => at).sort((a, b) => a - b), to];
  const gap = Math.max(...times.slice(1).map((time, n) => time - (times[n] ?? time)));
  return {
    seconds: Math.round((to - from) / 100) / 10,
    ...(tries.length > 0 && {
      taken: taken.length,
      spooled: taken.filter(({ answer }) => answer.status === 202).length,
      retried: tries.filter(({ answer }) => answer.code === 'reset').length,
      longestGapSeconds: Math.round(gap / 100) / 10,
    }),
  };
}

const describe = ({ lost, doubled, unexpected, untrue, faults }: Verdict): string[] => [
  ...faults,
  ...untrue.map((line) => `untrue: ${line}`),
  ...lost.map((event) => `lost: ${event}`),
  ...doubled.map((event) => `doubled: ${event}`),
  ...unexpected.map((event) => `unexpected: ${event}`),
];
