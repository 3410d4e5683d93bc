import { setTimeout as sleep } from 'node:timers/promises';
import type { Namespace, Seen } from './cluster.ts';

/** Kubelets measure containers about every 10 s. */
const SAMPLE_MS = 15_000;
const MB = 1e6;

/** An amount in all and by its parts. All places of the mesh are one part, `places`. */
export type Split = Readonly<Record<string, number>>;

const servers = new Set(['rabbitmq', 'registry', 'store']);
const partOf = ({ metadata }: Seen): string => {
  const component = metadata.labels['app.kubernetes.io/component'];
  return servers.has(component) ? component : 'places';
};

function split(parts: readonly (readonly [string, number])[], digits: number): Split {
  const sums: Record<string, number> = { all: 0 };
  for (const [part, amount] of parts) {
    sums.all = (sums.all ?? 0) + amount;
    sums[part] = (sums[part] ?? 0) + amount;
  }
  return Object.fromEntries(Object.entries(sums).map(([part, sum]) => [part, Number(sum.toFixed(digits))]));
}

/** Memory that all pods ask for, in MB. */
export async function memoryRequests(namespace: Namespace): Promise<Split> {
  const pods = await namespace.pods();
  return split(
    pods.flatMap((pod) => pod.spec.containers.map((one: Seen) => [partOf(pod), bytesOf(one.resources.requests.memory) / MB])),
    0,
  );
}

/** Bytes of a quantity as the charts write it. */
function bytesOf(quantity: string): number {
  const [, number, unit = ''] = /^(\d+)(Ki|Mi|Gi)?$/.exec(quantity) ?? [];
  if (number === undefined) throw new Error(`${quantity} is not an amount of memory`);
  return Number(number) * 1024 ** ['', 'Ki', 'Mi', 'Gi'].indexOf(unit);
}

interface Sample {
  readonly part: string;
  readonly at: number;
  readonly nanoseconds: number;
  readonly bytes: number;
}

/**
 * Cores and MB of memory that the pods use during some seconds, as their kubelets report. The work
 * that the caller does meanwhile is part of it.
 */
export async function usage(namespace: Namespace, seconds: number): Promise<{ cores: Split; memory: Split }> {
  const before = await sample(namespace);
  await sleep(seconds * 1000);
  let after = await sample(namespace);
  while ([...after].some(([name, { at }]) => at - (before.get(name)?.at ?? 0) < (seconds * 1000) / 2)) {
    await sleep(SAMPLE_MS / 3);
    after = await sample(namespace);
  }
  const cores = [...after].map(([name, { part, at, nanoseconds }]): [string, number] => {
    const from = before.get(name);
    return [part, from ? (nanoseconds - from.nanoseconds) / (at - from.at) / 1e6 : 0];
  });
  return {
    cores: split(cores, 4),
    memory: split(
      [...after.values()].map(({ part, bytes }) => [part, bytes / MB]),
      0,
    ),
  };
}

async function sample(namespace: Namespace): Promise<Map<string, Sample>> {
  const pods = new Map((await namespace.pods()).map((pod) => [pod.metadata.name, pod]));
  const samples = new Map<string, Sample>();
  for (const node of new Set([...pods.values()].map(({ spec }) => spec.nodeName))) {
    const summary = JSON.parse((await namespace.kubectl(['get', '--raw', `/api/v1/nodes/${node}/proxy/stats/summary`])).stdout);
    for (const { podRef, containers } of summary.pods) {
      const pod = podRef.namespace === namespace.name ? pods.get(podRef.name) : undefined;
      for (const { name, cpu, memory } of pod ? containers : []) {
        const part = partOf(pod);
        samples.set(`${podRef.name}/${name}`, {
          ...{ part, at: Date.parse(cpu.time), nanoseconds: cpu.usageCoreNanoSeconds, bytes: memory.workingSetBytes },
        });
      }
    }
  }
  return samples;
}
